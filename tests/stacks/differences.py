"""make differences: play many random scripts on a real kernel and on the simulated one of its version, and count.

    python -m tests.stacks.differences 20000              on the kernel that runs here
    python -m tests.stacks.differences 100 5.10.46 7.3    on these, one after another (tcploop kernels)

Writes a line for each kernel between the marks in docs/simulated.md, and prints each script that differs, made short.
"""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import tcploop_lab as lab
from tcploop_lab.testbed.kernels import fetch_kernel
from tcploop_lab.testbed.testbed import Testbed

from .calls import Script
from .test_same_as_the_kernel import difference, first_scripts, long_scripts, report

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulated.md"
BEGIN, END = "<!-- made by make differences -->", "<!-- end -->"
WORKERS = 16  # they mostly wait
GUESTS = 4  # in a kernel that is started for it, which has one processor
BATCH = 1000  # scripts, after each of which the line is written: who stops early has what was played
LONG = 96  # scripts with a minute and a half in them, half of them at once


def main(number: int, *versions: str) -> None:
    """Play so many scripts on each of these kernels, and on the one that runs here some long ones too."""
    for version in versions:
        fetch_kernel(version)
        with lab.open_testbed(kernel=version, real=True, workers=GUESTS) as testbed:
            _play(testbed, number, 0)
    if not versions:
        with lab.open_testbed(kind="namespace", workers=LONG // 2) as testbed:
            _play(testbed, number, LONG)


def _play(testbed: Testbed, number: int, long: int) -> None:
    differed, calls = play_all(testbed, long_scripts(long), long // 2) if long else 0, 0
    for start in range(0, number, BATCH):
        chosen = first_scripts(min(BATCH, number - start), start)
        differed += play_all(testbed, chosen, WORKERS if long else GUESTS)
        calls += sum(map(len, chosen))
        store(testbed.kernel, start + len(chosen), calls, long, differed)


def play_all(testbed: Testbed, chosen: list[Script], at_once: int) -> int:
    """Play these, print those that differ, made short, and return how many that are."""
    with ThreadPoolExecutor(at_once) as pool:
        different = list(pool.map(lambda script: difference(testbed, script), chosen))
    found = [(script, lines) for script, lines in zip(chosen, different, strict=True) if lines]
    for script, lines in found:
        print(report(testbed, script, lines), end="\n\n", flush=True)
    return len(found)


def store(kernel: str, played: int, calls: int, long: int, differed: int) -> None:
    """Write the line of this kernel into the document, in the order of the versions."""
    line = f"| {kernel} | {played:,} | {calls:,} | {long} | {differed} | {datetime.now(UTC).date().isoformat()} |"
    before, table, after = re.split(f"(?<={BEGIN}\n)|(?={END})", DOCUMENT.read_text(encoding="utf-8"))
    head, rule, *rows = table.splitlines()
    others = [row for row in rows if not row.startswith(f"| {kernel} |")]
    rows = sorted([*others, line], key=lambda row: list(map(int, re.findall(r"\d+", row.split("|")[1])[:3])))
    DOCUMENT.write_text("\n".join([before + head, rule, *rows, after]), encoding="utf-8")
    print(line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, *sys.argv[2:])
