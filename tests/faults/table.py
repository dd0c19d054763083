"""The table of faults, docs/faults.md, with counts:  python -m tests.faults.table [HOW OFTEN]"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from .cases import CASES, new_children
from .elsewhere import ELSEWHERE, FUZZED

MUTATED = 10_000
MUTATED_LINE = (
    f"`make faults` mutated {MUTATED:,} study files, by bytes and by SQL, {MUTATED:,} captures, by bytes and by the "
    f"type of their links, and {MUTATED:,} recorded results, by value: 0 tracebacks."
)
COMMANDS = 10_000
COMMANDS_LINE = (
    f"It gave the command {COMMANDS:,} odd command lines in odd places (descriptors closed, COLUMNS, LANG, HOME, few "
    "open files or processes, as an ordinary user): 0 tracebacks, 0 hangs."
)
DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
HEAD = """# What goes wrong, and what you see then

Each fault is made real, not imitated, unless the line says so (`tests/faults/cases.py`). *Left behind* counts processes
and half-written files. `make faults` makes every fault {times} times and writes this page;
`tests/faults/test_faults.py` makes each of them once in CI, and holds this page to what it finds.

| fault | what you see | what is kept | made | right | left behind |
| --- | --- | --- | --- | --- | --- |
"""
BESIDE = """
Others have tests of their own:

| fault | test |
| --- | --- |
"""


INPUTS = """
Whatever is read may be anything. A parser returns a value, or says in one line (ValueError) why not; nothing else.
`tests/faults/test_fuzz.py` gives each in CI so many inputs of hypothesis, random or a real file with changed bytes.
`make fuzz` gives each 10,000, and runs the pcap reader under atheris, which follows the coverage.

| what is read | inputs |
| --- | --- |
"""


@dataclass(frozen=True)
class Finding:
    """What one fault did: what the user saw, what was kept, how many processes were left."""

    name: str
    sees: str
    kept: str
    left: int

    @property
    def line(self) -> str:
        """The part of the table's line that does not depend on how often."""
        return f"| {self.name} | {self.sees} | {self.kept} |"


def make(name: str) -> Finding:
    """Make a fault once."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        sees, kept = case(*([Path(folder)] if case.__code__.co_argcount else []))
        left = len(list(Path(folder).iterdir()))
    return Finding(name, sees, kept, len(new_children(before)) + left)


def mutated() -> str:
    """Mutate many files, and say how many; ends the program if one of them ends in anything else than a line."""
    names = ("study_files", "pcap_files", "recorded_results")
    tests = [f"tests/faults/test_fuzz.py::test_{name}" for name in names]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout=0", *tests], env=os.environ | {"FUZZ_INPUTS": str(MUTATED)}
    )
    odd = [sys.executable, "-m", "pytest", "-q", "--timeout=0", "tests/faults/test_commands.py"]
    if subprocess.run(odd, env=os.environ | {"FUZZ_INPUTS": str(COMMANDS)}).returncode:
        raise SystemExit("a command line ends in something else than one line: see above")
    if done.returncode:
        raise SystemExit("a mutated file ends in a traceback: see above")
    return f"\n{MUTATED_LINE}\n{COMMANDS_LINE}\n"


def main() -> None:
    """Make every fault some times and write the page."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    lines = []
    for name in CASES:
        found = [make(name) for _ in range(times)]
        right = sum(one.line == found[0].line for one in found)
        lines.append(f"{found[0].line} {times} | {right} | {sum(one.left for one in found)} |")
        print(lines[-1], flush=True)
    beside = [f"| {fault} | `{test}` |" for fault, test in ELSEWHERE.items()]
    where = f"\nMeasured on {datetime.now(UTC).date().isoformat()}, Linux {platform.release()}.\n"
    fuzzed = [f"| {parser} | {count:,} |" for parser, count in FUZZED.items()]
    where = INPUTS + "\n".join(fuzzed) + "\n" + mutated() + where
    text = HEAD.format(times=times) + "\n".join(lines) + "\n" + BESIDE + "\n".join(beside) + "\n" + where
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
