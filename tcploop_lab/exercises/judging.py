"""Judges a submission: its notebook runs in a sandbox, what it computed comes out as data, and is judged here.

The code of a student and the right answers are never in one process. A judge is a table of graded cells, in a file that
the instructor alone has: `notebooks/assignments/judges/ASSIGNMENT.py`.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..results.printable import printable
from . import handout, plain
from .assignment import NOBODY, name_of
from .grading import NotYet, given
from .inside import Job, Question
from .sandbox import Came, run

CELL_SECONDS = 10.0
_NAME_CELL = "data"  # after it the notebook knows its student


@dataclass(frozen=True)
class Marked:
    """What one exercise earned, of how many points, and in words why not all ("" if all)."""

    exercise: str
    points: float
    most: float
    why: str = ""


@dataclass(frozen=True)
class Grade:
    """What one submission earned; `seconds` is how long its notebook ran."""

    student: str
    assignment: str
    exercises: tuple[Marked, ...]
    seconds: float

    @property
    def points(self) -> float:
        """The sum."""
        return sum(one.points for one in self.exercises)


class Answers(Mapping[str, Any]):
    """What a student's function returned for each case, as it is read; NotYet if a case has no answer."""

    def __init__(self, name: str, cases: Mapping[str, Any], reads: Callable[[Any], Any]) -> None:
        self._name, self._cases, self._reads = name, cases, reads

    def __getitem__(self, case: str) -> Any:
        """Return the answer to one case."""
        return _answer(self._cases.get(case), self._reads, f"{self._name}(), {case}")

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the cases."""
        return iter(self._cases)

    def __len__(self) -> int:
        """Count the cases."""
        return len(self._cases)


_Check = Callable[[Any, Any], None]


@dataclass(frozen=True)
class _Row:
    name: str
    reads: Callable[[Any], Any]
    cases: Callable[[Any], Mapping[str, tuple[Any, ...]]] | None
    check: _Check


@dataclass(frozen=True)
class Judge:
    """The graded cells of one assignment. `data` makes a student's data; a check raises NotYet, or all is well."""

    data: Callable[[object, str], Any]
    rows: dict[str, _Row] = field(default_factory=dict)

    def value(self, cell: str, name: str, reads: Callable[[Any], Any]) -> Callable[[_Check], _Check]:
        """Register a check of (data, the variable `name` as `reads` reads it)."""
        return self._row(cell, name, reads, None)

    def calls(
        self,
        cell: str,
        name: str,
        reads: Callable[[Any], Any],
        cases: Callable[[Any], Mapping[str, tuple[Any, ...]]],
    ) -> Callable[[_Check], _Check]:
        """Register a check of (data, Answers): what the function `name` returned for the arguments of each case."""
        return self._row(cell, name, reads, cases)

    def _row(self, cell: str, name: str, reads: Any, cases: Any) -> Callable[[_Check], _Check]:
        def register(check: _Check) -> _Check:
            self.rows[cell] = _Row(name, reads, cases, check)
            return check

        return register

    def questions(self, own: Any) -> dict[str, Question]:
        """Return what is wanted of the notebook, by cell."""
        asked = {cell: Question(row.name, row.cases and _numbered(row.cases(own))) for cell, row in self.rows.items()}
        return {_NAME_CELL: Question("student"), **asked}

    def check(self, cell: str, own: Any, line: Mapping[str, Any]) -> None:
        """Raise NotYet unless what came out of the notebook for this cell is right."""
        row = self.rows[cell]
        if row.cases is None or "value" in line:
            row.check(own, _answer(line.get("value"), row.reads, row.name))
        else:
            came = dict(zip(row.cases(own), map(line["cases"].get, _numbered(row.cases(own))), strict=True))
            row.check(own, Answers(row.name, came, row.reads))


def _numbered(cases: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """The cases by number: their names say what is right, and stay outside."""
    return {str(number): arguments for number, arguments in enumerate(cases.values())}


def load(path: Path) -> Judge:
    """Return the judge of a file. ValueError if there is none."""
    if not path.is_file():
        raise ValueError(f"judge {str(path)!r}: there is none; it is in the instructor's archive (make instructor)")
    judge: Judge = runpy.run_path(str(path))["judge"]
    return judge


def graded(
    judge: Judge, cells: Sequence[tuple[str, str]], most: Mapping[str, float], student: str, assignment: str,
    key: str = "", caged: bool = True,
) -> Grade:  # fmt: skip
    """Run the code cells (name and source) of one submission and judge what came out; `most` has the points by cell.

    `key` is that of the course.

    Raises NotOnThisTestbed where the system has no sandbox.
    """
    own = judge.data(student, key)
    files = {handout.FILE: handout.page([name_of(student)], judge.data, key)} if key else {}
    came = run(Job(cells, judge.questions(own), CELL_SECONDS), files, caged)
    found = {line["of"]: line for line in reversed(came.lines) if isinstance(line.get("of"), str)}
    stranger = _why_not_theirs(found.get(_NAME_CELL), student, came)
    ours = [(cell, points) for cell, points in most.items() if cell in judge.rows]
    marked = [_marked(judge, cell, points, own, found, came, stranger) for cell, points in ours]
    return Grade(student, assignment, tuple(marked), came.seconds)


def _marked(
    judge: Judge, cell: str, most: float, own: Any, found: Mapping[str, Any], came: Came, stranger: str
) -> Marked:
    try:
        if stranger:
            raise NotYet(stranger)
        if cell not in found:
            raise NotYet(f"the notebook did not come so far: {came.ended or 'this cell is not there'}.")
        judge.check(cell, own, found[cell])
    except NotYet as error:
        why = _with_error(str(error), cell, came)
        return Marked(cell, 0, most, printable(why))  # it may repeat what a student wrote
    except Exception:  # what came out was of no form that an answer has
        return Marked(cell, 0, most, "what came out of the notebook cannot be read.")
    return Marked(cell, most, most)


def _with_error(why: str, cell: str, came: Came) -> str:
    """The reason, with the error of the cell that holds the answer: the last one before this that failed."""
    ran = [line for line in came.lines if isinstance(line.get("ran"), str)]
    places = [place for place, line in enumerate(ran) if line["ran"] == cell]
    above = ran[max(places[0] - 1, 0)] if places else {}
    error = above.get("error")
    return f"{why} The cell above {error}" if isinstance(error, str) and error else why


def _why_not_theirs(line: Mapping[str, Any] | None, student: str, came: Came) -> str:
    """Why nothing of this notebook counts, "" if it is its student's own."""
    if line is None:
        return f"the notebook did not come to its data: {came.ended or 'the cell is not there'}."
    try:
        name = name_of(plain.read(line["value"]["is"]))
    except Exception:
        name = NOBODY
    if name == NOBODY:
        return 'no name. Write yours into the first cell, as in student = "ada", and go on from there.'
    if name != name_of(student):
        return f"this was handed in by {name_of(student)!r}, but its first cell says {name!r}: that is other data."
    return ""


def _answer(crossed: Any, reads: Callable[[Any], Any], what: str) -> Any:
    if not isinstance(crossed, dict) or not isinstance(crossed.get("is"), str):
        why = crossed.get("no") if isinstance(crossed, dict) else None
        raise NotYet(f"{what}: {why if isinstance(why, str) else 'there is no answer'}.")
    try:
        value = plain.read(crossed["is"])
    except plain.NotPlain as error:
        raise NotYet(f"{what}: {error}.") from None
    return given(value, reads)
