"""The table of the matrix, docs/matrix.md, from what was measured:  python -m tests.matrix.table"""

from __future__ import annotations

import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import inside
from .situations import SITUATIONS, Situation

DOCUMENT = inside.ROOT / "docs" / "matrix.md"
PROGRAMS = {"ss", "lsof", "nsenter", "tshark", "chromium", "TUN device"}
HEAD = """# The kinds of machine

Each situation is made real for one process and its children, with users, namespaces and seccomp filters
(`tests/matrix/situations.py`), and then the course runs in it. `tests/matrix/test_matrix.py` measures all but the last
column in CI; `make matrix` runs every lesson under nbval in each situation and writes this page. What cannot be live
there shows the recorded result, and the cell says so.

Two hosts that call each other are live or not at all: without a namespace two cells of lesson 03 differ, as its text
says. On the host testbed a third one does, because other programs of the machine count in the same counters.

Where the last column says *steps only*, the situation is one of a testbed and not of a machine: doctor, first
self-connection, check and capture run there.

| situation | made real by | testbed | the doctor misses | self-connection | segments | lessons under nbval |
| --- | --- | --- | --- | --- | --- | --- |
"""


def row_start(situation: Situation, found: dict[str, Any]) -> str:
    """The part of a line that CI measures."""
    lacks = ", ".join(name for name in found["lacks"] if name not in PROGRAMS) or "nothing"
    how = "recorded" if found["testbed"] == "recorded" else "live"
    loop = how if found["self_connected"] else "none"
    wire = "live" if found["capture"] == "live" else "recorded" if found["flags"] else "refused, with the reason"
    return f"| {situation.name} | {situation.how} | {found['testbed']} | {lacks} | {loop} | {wire} |"


def row_end(situation: Situation, names: list[str]) -> str:
    """Every lesson in this situation."""
    if not situation.lessons:
        return " steps only |"
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        done = inside.lessons(situation, Path(home), names)
    if done["failed"]:
        print(done["output"][-6000:], file=sys.stderr)
    total = done["passed"] + done["failed"]
    return f" {done['passed']} of {total} cells pass, {done['recorded']} compared ones are labelled as recorded |"


def kept_end(situation: Situation) -> str:
    """What the page says of the lessons in this situation by now."""
    lines = DOCUMENT.read_text().splitlines() if DOCUMENT.exists() else []
    ends = [line.split("|")[7] for line in lines if line.startswith(f"| {situation.name} |")]
    return f"{ends[0]}|" if ends else " not run yet: make matrix |" if situation.lessons else " steps only |"


def main() -> None:
    """Measure everything, or with --steps all but the lessons, and write the page."""
    names, lines = inside.replayed(), []
    for situation in SITUATIONS:
        with tempfile.TemporaryDirectory() as home:
            start = row_start(situation, inside.smoke(situation, Path(home)))
        lines.append(start + (kept_end(situation) if "--steps" in sys.argv else row_end(situation, names)))
        print(lines[-1], flush=True)
    today = datetime.now(UTC).date().isoformat()
    where = f"Linux {platform.release()}, Python {platform.python_version()}"
    foot = f"\nMeasured on {today}, {where}, {len(names)} lessons.\n"
    DOCUMENT.write_text(HEAD + "\n".join(lines) + "\n" + foot, encoding="utf-8")


if __name__ == "__main__":
    main()
