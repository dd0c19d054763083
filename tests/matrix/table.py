"""The table of the matrix, docs/matrix.md and in short in the README, from what was measured.

python -m tests.matrix.table                        everything
python -m tests.matrix.table "no IPv6" "root"       these situations; the other lines stay as they are
python -m tests.matrix.table --steps                all but the lessons
"""

from __future__ import annotations

import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import inside, pythons
from .situations import SITUATIONS, Situation

DOCUMENT = inside.ROOT / "docs" / "matrix.md"
README = inside.ROOT / "README.md"
BEGIN, END = "<!-- made by make matrix -->\n", "<!-- end of what make matrix made -->\n"
PROGRAMS = {"ss", "lsof", "nsenter", "tshark", "chromium"}
STACKS = ("live", "simulated", "recorded")
SHOWN = ("self-connections", "segments", "audits", "defences")
HEAD = """# The kinds of machine

Each situation is made real for one process and its children, with users, namespaces and seccomp filters
(`tests/matrix/situations.py`), and then the course runs in it. `tests/matrix/test_matrix.py` measures all but the last
column in CI; `make matrix` runs every lesson under nbval in each situation and writes this page. What cannot be live is
simulated where nothing live is possible, and says so; where no audit is possible the lessons show recorded ones, and
say so. Elsewhere it is refused, with the reason and the way out.

Code cells whose answer differs there are named in the last column.

Where the last column says *steps only*, Jupyter itself could not start a kernel: the machine has too few free ports, or
ZeroMQ, through which Jupyter talks, may not ask netlink for the interfaces. There doctor, first self-connection, check,
capture, audit and a defence run.

"""
COLUMNS = ("situation", "made real by", "testbed", "the doctor misses", *SHOWN, "lessons under nbval")


def row_start(situation: Situation, found: dict[str, Any]) -> str:
    """The part of a line that CI measures."""
    lacks = ", ".join(name for name in found["lacks"] if name not in PROGRAMS) or "nothing"
    what = [found[step] if found[step] in STACKS else "refused" for step in ("loop", "capture", "audit", "defence")]
    return f"| {' | '.join([situation.name, situation.how, found['testbed'], lacks, *what])} |"


def row_end(situation: Situation) -> str:
    """Every lesson in this situation."""
    if not situation.lessons:
        return " steps only |"
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        done = inside.lessons(situation, Path(home), inside.course())
    total = done["passed"] + done["failed"]
    if done["failed"] or not total:
        print(done["output"][-6000:], file=sys.stderr)
    return f" {done['passed']} of {total} cells pass{differing(done['differ'])} |"


def differing(cells: list[tuple[str, str]]) -> str:
    """The cells (lesson, number) whose answer is another one there, in brackets."""
    lessons = {number: [cell for other, cell in cells if other == number] for number, _ in cells}
    words = [f"lesson {number}: {', '.join(found)}" for number, found in lessons.items()]
    return f" (not {'; '.join(words)})" if words else ""


def kept(page: str, situation: Situation) -> str | None:
    """The line of a situation on the page so far."""
    return next((line for line in page.splitlines() if line.startswith(f"| {situation.name} |")), None)


def kept_end(page: str, situation: Situation) -> str:
    """What the page says of the lessons in this situation by now."""
    line = kept(page, situation)
    return (
        f"{line.split('|')[-2]}|" if line else " not run yet: make matrix |" if situation.lessons else " steps only |"
    )


def measured(page: str, situation: Situation, with_lessons: bool) -> str:
    """The line of a situation, measured now."""
    with tempfile.TemporaryDirectory() as home:
        start = row_start(situation, inside.smoke(situation, Path(home)))
    return start + (row_end(situation) if with_lessons else kept_end(page, situation))


def short_table(page: str) -> str:
    """The table of the page in short, for the README: a line for all situations in which the same is live."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for situation in SITUATIONS:
        cells = [cell.strip() for cell in (kept(page, situation) or "").split("|")[1:]]
        how = dict(zip(SHOWN, cells[4:8], strict=False))
        words = [[what for what in SHOWN if how.get(what) == kind] for kind in (*STACKS, "refused")]
        said = ("everything" if len(each) == len(SHOWN) else ", ".join(each) or "nothing" for each in words)
        groups.setdefault((cells[2], *said), []).append(situation.name)
    lines = [f"| {', '.join(names)} | {' | '.join(key)} |" for key, names in groups.items()]
    head = _head(("kind of machine", "testbed", *STACKS, "refused, with the reason"))
    return head + "\n".join(lines) + "\n"


def _head(columns: tuple[str, ...]) -> str:
    return f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"


def in_readme(text: str) -> str:
    """The part of the README that is made here."""
    return text.partition(BEGIN)[2].partition(END)[0]


def write(measured_now: Situation, line: str) -> None:
    """Write the page with this line and all others as they are, and the table of the README."""
    page, empty = DOCUMENT.read_text(), " |" * len(COLUMNS[1:-1])
    new = {one.name: f"| {one.name} |{empty}{kept_end('', one)}" for one in SITUATIONS}
    lines = [line if one is measured_now else kept(page, one) or new[one.name] for one in SITUATIONS]
    today = datetime.now(UTC).date().isoformat()
    where = f"Linux {platform.release()}, Python {platform.python_version()} ({newest()})"
    foot = f"\nMeasured on {today}, {where}, {len(inside.course())} lessons.\n"
    DOCUMENT.write_text(HEAD + _head(COLUMNS) + "\n".join(lines) + "\n" + foot, encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(text.replace(in_readme(text), short_table(DOCUMENT.read_text())), encoding="utf-8")


def newest() -> str:
    """Which the newest Python was, in words."""
    try:
        return f"the newest: {pythons.version_of(pythons.newest())}"
    except pythons.NoSuchPython as reason:
        return str(reason)


def main(arguments: list[str]) -> None:
    """Measure what is asked for, and write the page after each line."""
    wanted = [argument for argument in arguments if argument != "--steps"]
    for situation in SITUATIONS:
        if not wanted or situation.name in wanted:
            line = measured(DOCUMENT.read_text(), situation, "--steps" not in arguments)
            print(line, flush=True)
            write(situation, line)


if __name__ == "__main__":
    main(sys.argv[1:])
