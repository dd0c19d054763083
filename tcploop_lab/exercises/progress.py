"""Which exercises of which lesson are solved: kept in the learner's copy of the course, and printable as a page.

It is the learner's own record. What is examined is examined by `tcploop grade`, in a sandbox, and not by this file.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from html import escape
from importlib import import_module
from pathlib import Path

from ..render.html import html
from ..results.description import Description, Table
from ..results.shown import ShownWhole
from ..testbed import files

_COPY, _KEPT = ".tcploop-course.json", ".tcploop-progress.json"  # in the folder of a learner's copy
_MOST = 1 << 16  # bytes of a file of progress
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>TCP self-connection: progress</title>
<body style="max-width: 42em; margin: 4em auto; font-family: sans-serif; color: #1a1a1a">
<h1>TCP self-connection</h1>
<p>{name}</p>
<p>{day}</p>
{table}
<p>A record that was kept while learning, not an examination.</p>
</body></html>
"""


@dataclass(frozen=True, repr=False)
class Progress(ShownWhole):
    """The exercises that are solved, of each lesson; `page` writes it as one to print."""

    lessons: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]  # lesson, its exercises, the solved ones

    @property
    def summary(self) -> str:
        """How many are solved."""
        solved, of = (sum(len(lesson[place]) for lesson in self.lessons) for place in (2, 1))
        return f"{solved} of {of} exercises are solved"

    def describe(self) -> Description:
        """Return a row for each lesson."""
        columns = (("lesson", "lesson"), ("solved", "solved"), ("open", "still open"))
        rows = [
            (lesson, f"{len(solved)} of {len(every)}", ", ".join(one for one in every if one not in solved) or "none")
            for lesson, every, solved in self.lessons
        ]
        return Description(self.summary, tables=(Table("lessons", columns, rows),))

    def page(self, path: str | os.PathLike[str], name: str = "", force: bool = False) -> None:
        """Write a page with this table, a name and the day, to be printed. ValueError, in one line, if it cannot."""
        text = _PAGE.format(name=escape(name), day=date.today(), table=html(self.describe()))
        with files.written(path, force) as file:
            file.write(text.encode())


def progress() -> Progress:
    """Return which exercises are solved in this copy of the course, in the folder that a notebook runs in."""
    solved, found = _solved(), []
    for path in sorted(Path(__file__).parent.glob("lesson_[0-9][0-9].py")):
        every = tuple(one.number for one in import_module(f"{__package__}.{path.stem}").EXERCISES)
        found.append((path.stem[-2:], every, tuple(one for one in every if one in solved)))
    return Progress(tuple(found))


def note(number: str) -> None:
    """Keep that an exercise is solved; only in a copy of the course, and never in the way of an answer."""
    with suppress(OSError, ValueError):
        if Path(_COPY).is_file() and number not in (solved := _solved()):
            with files.written(_KEPT, force=True) as file:
                file.write(json.dumps(sorted({*solved, number})).encode())


def _solved() -> set[str]:
    """The numbers that are kept; none where the file is not as it was written."""
    with suppress(OSError, ValueError):
        kept = json.loads(files.content(_KEPT, _MOST, "the progress"))
        if isinstance(kept, list):
            return {one for one in kept if isinstance(one, str)}
    return set()
