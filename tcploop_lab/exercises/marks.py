"""Files that were handed in, graded one after another; whatever one of them is or does, the others' grades stand.

A course's folder has `judges/` and `release/`, as the instructor's archive does.
"""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..testbed import files
from .assignment import name_of
from .judging import Grade
from .submission import grade_id, graded, restored

_LARGEST = 20 << 20  # bytes of a notebook
# What no assignment asks for. It earns nothing; a teacher may want to see it.
_SUSPICIOUS = re.compile(
    r"judg(?:e|ing)|gradebook|NBGRADER|input_transformer|_getframe|inspect\.stack|exercises\.(?:inside|plain|cage)"
    r"|ctypes|subprocess|os\.(?:fork|_exit|kill|system)|__eq__|rm -rf|/proc/"
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute what begins so


@dataclass(frozen=True)
class Marks:
    """What became of one file: its grade, or in words why it has none, and what a teacher should look at."""

    file: str
    student: str
    assignment: str = ""
    grade: Grade | None = None
    failed: str = ""
    suspicious: tuple[str, ...] = ()
    programs: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def points(self) -> float:
        """The points, 0 for a file that cannot be graded."""
        return self.grade.points if self.grade else 0

    @property
    def most(self) -> float:
        """How many points there are."""
        return sum(one.most for one in self.grade.exercises) if self.grade else 0

    @property
    def reasons(self) -> str:
        """Why points are missing, in one line."""
        exercises = self.grade.exercises if self.grade else ()
        return "; ".join(filter(None, (self.failed, *(f"{one.exercise}: {one.why}" for one in exercises if one.why))))


def mark(path: Path, course: Path, student: str = "", caged: bool = True) -> Marks:
    """Grade one file. The student is who is named, or the folder or file says it: see `student_of`.

    Raises NotOnThisTestbed where the system has no sandbox, ValueError for a folder that is no course.
    """
    releases = released(course)
    try:
        cells = _cells(files.content(path, _LARGEST, "a notebook"))
        assignment = _assignment(cells, releases)
    except ValueError as error:
        return Marks(str(path), student or path.stem, failed=str(error))
    who = name_of(student or student_of(path, assignment))
    whole = restored(cells, releases[assignment])
    locked = {id(cell) for cell in releases[assignment]}
    theirs = [cell for cell in whole if id(cell) not in locked and cell["cell_type"] == "code"]
    stubs = {grade_id(cell): _program("".join(cell["source"])) for cell in releases[assignment] if grade_id(cell)}
    programs = {_program("".join(cell["source"])) for cell in theirs if grade_id(cell)} - {*stubs.values(), ""}
    grade = graded(course, assignment, whole, who, caged)
    return Marks(str(path), who, assignment, grade, "", _suspicions(theirs), frozenset(programs))


def released(course: Path) -> dict[str, list[Any]]:
    """Return the cells that students got, by assignment. ValueError if the folder has none."""
    found = sorted((course / "release").glob("*/*.ipynb"))
    if not found or not (course / "judges").is_dir():
        raise ValueError(
            f"course {str(course)!r}: no judges/ and release/ in it; name the folder of the instructor's archive"
        )
    return {path.stem: _cells(path.read_bytes()) for path in found}


def student_of(path: Path, assignment: str) -> str:
    """Return whose file it is: NAME/ASSIGNMENT/ASSIGNMENT.ipynb, NAME/ASSIGNMENT.ipynb, NAME_ANYTHING or NAME."""
    path = path.resolve()
    if path.stem != assignment:
        return path.stem.removesuffix(f"_{assignment}").partition("_")[0]
    folder = path.parent.parent if path.parent.name == assignment else path.parent
    return folder.name


def equal_programs(marks: Sequence[Marks]) -> list[tuple[str, str, int]]:
    """Return pairs of students and how many of their answers are one program, whatever their blanks and comments."""
    return [
        (one.student, other.student, len(same))
        for place, one in enumerate(marks)
        for other in marks[place + 1 :]
        if one.assignment == other.assignment and (same := one.programs & other.programs)
    ]


def as_csv(marks: Iterable[Marks]) -> bytes:
    """Return one line for each file, as a learning platform imports it."""
    page = io.StringIO()
    rows = csv.writer(page, lineterminator="\n")
    rows.writerow(("student", "assignment", "points", "most", "seconds", "reasons", "look at", "file"))
    for one in marks:
        seconds = round(one.grade.seconds, 2) if one.grade else 0
        words = (one.reasons, ", ".join(one.suspicious), one.file)
        rows.writerow((_safe(one.student), one.assignment, one.points, one.most, seconds, *map(_safe, words)))
    return page.getvalue().encode()


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cells(content: bytes) -> list[Any]:
    import nbformat

    try:
        notebook = nbformat.reads(content.decode(), as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
        cells: list[Any] = notebook.cells
    except Exception:  # nbformat raises what its parsers raise
        raise ValueError("it is no notebook") from None
    return cells


def _assignment(cells: Sequence[Any], releases: dict[str, list[Any]]) -> str:
    """Which assignment has most of these cells' names."""
    names = {grade_id(cell) for cell in cells} - {""}
    shared = {name: len(names & {grade_id(cell) for cell in release}) for name, release in releases.items()}
    best = max(shared, key=lambda name: shared[name])
    if shared[best] < 3:  # name and data are in all of them
        raise ValueError(f"it is none of the assignments {', '.join(releases)}")
    return best


def _suspicions(cells: Sequence[Any]) -> tuple[str, ...]:
    found = {match for cell in cells for match in _SUSPICIOUS.findall("".join(cell["source"]))}
    return tuple(sorted(found))


def _program(source: str) -> str:
    """A program without what does not matter in it; "" for a line that many would write alike."""
    try:
        text = ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = source.strip()
    return text if len(source.split()) > 12 else ""
