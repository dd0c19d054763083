"""make differences: play many random scripts on the kernel that runs here and on the simulated one, and count.

    python -m tests.stacks.differences 20000

Writes the line between the marks in docs/simulated.md, and prints each script that differs, made short.
"""

from __future__ import annotations

import platform
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import tcploop_lab as lab

from .scripts import Script
from .test_same_as_the_kernel import difference, first_scripts, long_scripts, report

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulated.md"
BEGIN, END = "<!-- made by make differences -->", "<!-- end -->"
WORKERS = 16  # they mostly wait
BATCH = 1000  # scripts, after each of which the line is written: who stops early has what was played
LONG = 96  # scripts with a minute and a half in them, half of them at once


def main(number: int) -> None:
    """Play so many scripts, and some long ones, and store how many differed."""
    differed = play_all(long_scripts(LONG), LONG // 2)
    played = calls = 0
    for start in range(0, number, BATCH):
        chosen = first_scripts(min(BATCH, number - start), start)
        differed += play_all(chosen, WORKERS)
        played, calls = played + len(chosen), calls + sum(map(len, chosen))
        store(played, calls, differed)


def play_all(chosen: list[Script], workers: int) -> int:
    """Play these, print those that differ, made short, and return how many that are."""
    with lab.open_testbed(kind="namespace", workers=workers) as testbed, ThreadPoolExecutor(workers) as pool:
        different = list(pool.map(lambda script: difference(testbed, script), chosen))
        found = [script for script, lines in zip(chosen, different, strict=True) if lines]
        for script in found:
            print(report(testbed, script), end="\n\n", flush=True)
    return len(found)


def store(played: int, calls: int, differed: int) -> None:
    """Write the line into the document."""
    line = (
        f"On {datetime.now(UTC).date().isoformat()}, {platform.system()} {platform.release()}: {played:,} scripts of "
        f"{calls:,} calls in all, and {LONG} long ones; {differed:,} differed three times in a row."
    )
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*{END}", f"{BEGIN}\n{line}\n{END}", text, flags=re.DOTALL), encoding="utf-8")
    print(line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
