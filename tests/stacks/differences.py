"""make differences: play many random scripts on the kernel that runs here and on the simulated one, and count.

    python -m tests.stacks.differences 20000

Writes the line between the marks in docs/simulated.md, and prints each script that differs, made short.
"""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import tcploop_lab as lab

from .test_same_as_the_kernel import WORKERS, difference, first_scripts, report

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulated.md"
BEGIN, END = "<!-- made by make differences -->", "<!-- end -->"


def main(number: int) -> None:
    """Play so many scripts of the sequence, and store how many differed."""
    chosen = first_scripts(number)
    with lab.open_testbed(kind="namespace", workers=WORKERS) as testbed, ThreadPoolExecutor(WORKERS) as pool:
        different = list(pool.map(lambda script: difference(testbed, script), chosen))
        found = [script for script, lines in zip(chosen, different, strict=True) if lines]
        for script in found:
            print(report(testbed, script), end="\n\n", flush=True)
        kernel = testbed.kernel
    calls = sum(map(len, chosen))
    line = (
        f"On {datetime.now(UTC).date().isoformat()}, {kernel}: {len(chosen):,} scripts of {calls:,} calls in all; "
        f"{len(found):,} differed three times in a row."
    )
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(
        re.sub(f"{BEGIN}.*{END}", f"{BEGIN}\n{line}\n{END}", text, flags=re.DOTALL), encoding="utf-8"
    )
    print(line)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
