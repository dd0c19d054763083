"""Files that were handed in, graded one after another; whatever one of them is or does, the others' grades stand.

A course's folder has `judges/` and `release/`, as the instructor's archive does, and the `key` of its data.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

from ..results.printable import printable
from ..tcp.words import counted
from ..testbed import files
from . import judging
from .assignment import name_of
from .handout import key_of
from .judging import Grade, Judge
from .late import Deadline, handed_in
from .submission import grade_id, points, programs, restored

_LARGEST = 20 << 20  # bytes of a notebook
_LONGEST = 50_000  # characters of a program that is parsed; an answer has some hundreds
_MOST_CELLS = 1000  # an assignment has some fifty
_OF_A_MARK = {"grade_id", "grade", "points"}  # what is read of nbgrader's metadata
_WITHOUT_IDS = 4  # of nbformat 4: cells are told apart by nbgrader's names alone
# What no assignment asks for. It earns nothing; a teacher may want to see it.
_SUSPICIOUS = re.compile(
    r"judg(?:e|ing)|(?:site|user)customize|gradebook|NBGRADER|input_transformer|_getframe|inspect\.stack|exercises\.(?:inside|plain|cage)"
    r"|ctypes|subprocess|os\.(?:fork|_exit|kill|system)|__eq__|rm -rf|/proc/"
)
# What platforms put behind a name: numbers, and Moodle _NUMBER_assignsubmission_file_
# (https://rdrr.io/github/kenjisato/examtools/man/rewrite_for_moodle.html).
_PLATFORM = re.compile(r"(?:_late)?_\d+_(?:\d+|assignsubmission_file_?)$", re.IGNORECASE)
# What a learning platform, and the page of `tcploop grade`, is told of each file: the names in JSON, and the heads.
COLUMNS = (
    ("student", "student"), ("assignment", "assignment"), ("points", "points"), ("most", "most"),
    ("seconds", "seconds"), ("days_late", "days late"), ("reasons", "reasons"), ("suspicious", "look at"),
    ("file", "file"),
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute what begins so


@dataclass(frozen=True)
class Course:
    """What all files are graded by: the released cells and the judge of each assignment, and the course's key."""

    releases: dict[str, list[Any]]
    judges: dict[str, Judge]
    key: str

    @classmethod
    def at(cls, folder: Path) -> Course:
        """Read a folder with judges/, release/ and a key. ValueError for one that has not all of them."""
        import nbformat

        found = released(folder)
        judges = {path.stem: judging.load(folder / "judges" / f"{path.stem}.py") for path in found}
        releases = {path.stem: nbformat.read(path, as_version=4).cells for path in found}  # type: ignore[no-untyped-call]
        return cls(releases, judges, key_of(folder))


@dataclass(frozen=True)
class Marks:
    """What became of one file: its grade, or in words why it has none, and what a teacher should look at.

    `late` is how many days late it is, `counts` which share of its points counts for that.
    """

    file: str
    student: str
    assignment: str = ""
    grade: Grade | None = None
    failed: str = ""
    suspicious: tuple[str, ...] = ()
    programs: frozenset[str] = field(default=frozenset(), repr=False)
    late: int = 0
    counts: float = 1.0

    @property
    def points(self) -> float:
        """The points, 0 for a file that cannot be graded."""
        return round(self.grade.points * self.counts, 2) if self.grade else 0

    @property
    def most(self) -> float:
        """How many points there are."""
        return sum(one.most for one in self.grade.exercises) if self.grade else 0

    @property
    def row(self) -> tuple[str | float, ...]:
        """What stands in `COLUMNS`."""
        seconds = round(self.grade.seconds, 2) if self.grade else 0.0
        words = (self.reasons, ", ".join(self.suspicious), self.file)
        return (self.student, self.assignment, self.points, self.most, seconds, self.late, *words)

    @property
    def reasons(self) -> str:
        """Why points are missing, in one line."""
        exercises = self.grade.exercises if self.grade else ()
        late = f"{counted(self.late, 'day')} late, {self.counts:.0%} of the points count" if self.counts < 1 else ""
        return "; ".join(
            filter(None, (self.failed, late, *(f"{one.exercise}: {one.why}" for one in exercises if one.why)))
        )


def released(folder: Path) -> list[Path]:
    """Return the notebooks that a course hands out. ValueError for a folder that is none."""
    found = sorted((folder / "release").glob("*/*.ipynb"))
    if not found or not (folder / "judges").is_dir():
        raise ValueError(
            f"course {str(folder)!r}: no judges/ and release/ in it; name the folder of the instructor's archive"
        )
    return found


def mark(path: Path, course: Course, student: str = "", caged: bool = True, deadline: Deadline | None = None) -> Marks:
    """Grade one file. The student is who is named, or the folder or file says it: see `student_of`.

    Raises NotOnThisTestbed where the system has no sandbox.
    """
    failed, late = "", 0
    try:
        cells = cells_of(path)
        late = deadline.days(handed_in(path)) if deadline else 0
        assignment = _assignment(cells, course.releases)
    except (ValueError, OSError) as error:  # it may vanish meanwhile
        assignment, failed = next((name for name in course.releases if path.stem.endswith(name)), ""), str(error)
    file, who = printable(str(path)), name_of(printable(student or student_of(path, assignment)))
    if failed:
        return Marks(file, who, assignment, failed=printable(failed))
    release, most = course.releases[assignment], points(course.releases[assignment])
    whole = restored(cells, release)
    locked = {id(cell) for cell in release}
    theirs = [cell for cell in whole if id(cell) not in locked and cell["cell_type"] == "code"]
    stubs = {_program("".join(cell["source"])) for cell in release if grade_id(cell)}
    answers = {_program("".join(cell["source"])) for cell in theirs if grade_id(cell)} - {*stubs, ""}
    grade = judging.graded(course.judges[assignment], programs(whole), most, who, assignment, course.key, caged)
    found = {match for cell in theirs for match in _SUSPICIOUS.findall("".join(cell["source"]))}
    odd = (*sorted(found), *_raised(cells, most))
    counts = deadline.share(late) if deadline else 1.0
    return Marks(file, who, assignment, grade, "", odd, frozenset(answers), late, counts)


def student_of(path: Path, assignment: str) -> str:
    """Return whose file it is: NAME/ASSIGNMENT/ASSIGNMENT.ipynb, NAME/ASSIGNMENT.ipynb, NAME_ASSIGNMENT, NAME_ANYTHING
    or NAME.

    Where a symbolic link leads does not count: the student may have made it. Only before _ASSIGNMENT may a name hold
    an underscore.
    """
    path = Path(os.path.abspath(path))
    if path.stem != assignment:
        name = path.stem.removesuffix(f"_{assignment}")
        return _PLATFORM.sub("", name) if name != path.stem else name.partition("_")[0]
    folder = path.parent.parent if path.parent.name == assignment else path.parent
    return folder.name


def equal_programs(marks: Sequence[Marks]) -> list[tuple[str, str, int]]:
    """Return pairs of students and how many of their answers are one program, whatever their blanks and comments."""
    return [
        (one.student, other.student, len(same))
        for place, one in enumerate(marks)
        for other in marks[place + 1 :]
        if one.student != other.student
        and one.assignment == other.assignment
        and (same := one.programs & other.programs)
    ]


def with_repeats(marks: Sequence[Marks]) -> list[Marks]:
    """Return the marks, with a word at each file of who has handed in one assignment several times."""
    files_of = Counter((one.student, one.assignment) for one in marks)
    return [
        replace(one, suspicious=(*one.suspicious, f"one of {many} files"))
        if (many := files_of[one.student, one.assignment]) > 1
        else one
        for one in marks
    ]


def earlier(path: Path) -> dict[tuple[str, str], float]:
    """Return the points by student and assignment that a CSV of `as_csv`, or of nbgrader's export, has.

    Raises ValueError for another file.
    """
    text = files.content(path, _LARGEST, "a CSV of grades").decode("utf-8-sig", "replace")
    rows = list(csv.DictReader(io.StringIO(text)))
    student, score = ("student_id", "score") if rows and "student_id" in rows[0] else ("student", "points")
    try:
        return {(_unsafe(row[student]), row["assignment"]): float(row[score] or 0) for row in rows}
    except (KeyError, ValueError, TypeError, AttributeError):
        raise ValueError(f"file {str(path)!r}: it has no columns student, assignment and points") from None


def changed(marks: Iterable[Marks], before: dict[tuple[str, str], float]) -> list[tuple[str, str, float, float, str]]:
    """Return whose points are others than before: student, assignment, before, now, and a word on what cannot be."""
    return [
        (one.student, one.assignment, was, one.points, "more than there are" if was > one.most else "")
        for one in marks
        if one.grade and (was := before.get((one.student, one.assignment), one.points)) != one.points
    ]


def as_csv(marks: Iterable[Marks]) -> bytes:
    """Return one line for each file, as a learning platform imports it."""
    page = io.StringIO()
    rows = csv.writer(page, lineterminator="\n")
    rows.writerow([head for _, head in COLUMNS])
    rows.writerows([_safe(value) for value in one.row] for one in marks)
    return page.getvalue().encode()


def _safe(value: str | float) -> str | float:
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def _unsafe(text: str) -> str:
    return text[1:] if text.startswith("'") and _is_formula(text[1:]) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet might compute it: blanks may go before, and the signs may be East Asian wide ones."""
    return normalize("NFKC", text.lstrip(" ")).startswith(_FORMULA)


def cells_of(path: Path) -> list[Any]:
    """Return the cells of a file that was handed in. ValueError, in one line, for what is no notebook."""
    return _cells(files.content(path, _LARGEST, "a notebook"))


def _cells(content: bytes) -> list[Any]:
    """The cells, without outputs or metadata of others: a check of all their pieces takes minutes or for ever."""
    import nbformat

    try:
        found = json.loads(content)
        bare = [_bare(cell) for cell in found["cells"][:_MOST_CELLS]]
        plain = json.dumps(found | {"cells": bare, "metadata": {}, "nbformat_minor": _WITHOUT_IDS})
        notebook = nbformat.reads(plain, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
        cells: list[Any] = notebook.cells
    except Exception:  # json and nbformat raise what their parsers raise
        raise ValueError("it is no notebook") from None
    if len(found["cells"]) > _MOST_CELLS:
        raise ValueError(f"it has {len(found['cells'])} cells, and {_MOST_CELLS} are read")
    return cells


def _bare(cell: dict[str, Any]) -> dict[str, Any]:
    bare = {"cell_type": cell["cell_type"], "metadata": {}, "source": "".join(cell["source"])}
    if isinstance(mark := cell["metadata"].get("nbgrader"), dict):
        plain = {key: value for key, value in mark.items() if isinstance(value, str | int | float)}
        bare["metadata"]["nbgrader"] = {key: plain.get(key) for key in _OF_A_MARK & mark.keys()}
    if cell["cell_type"] == "code":
        bare |= {"outputs": [], "execution_count": None}
    return bare


def _assignment(cells: Sequence[Any], releases: dict[str, list[Any]]) -> str:
    """Which assignment has most of these cells' names."""
    names = {grade_id(cell) for cell in cells} - {""}
    shared = {name: len(names & {grade_id(cell) for cell in release}) for name, release in releases.items()}
    best = max(shared, key=lambda name: shared[name])
    if shared[best] < 3:  # name and data are in all of them
        raise ValueError(f"it is none of the assignments {', '.join(releases)}")
    return best


def _raised(cells: Sequence[Any], most: dict[str, float]) -> tuple[str, ...]:
    """The graded cells whose notebook says that they are worth more than they are. They earn what they are worth."""
    try:
        said = points([cell for cell in cells if isinstance(cell["metadata"].get("nbgrader"), dict)])
    except (KeyError, TypeError, ValueError, OverflowError):
        return ("points that are no numbers",)
    return tuple(f"{printable(name, 40)}: {worth:g} points of {most.get(name, 0):g}"
                 for name, worth in said.items() if not worth <= most.get(name, 0))  # fmt: skip


def _program(source: str) -> str:
    """A program without what does not matter in it; "" for a line that many would write alike.

    One of 4 MB, parsed here outside the sandbox, would take 2.5 GB: what is longer than any answer is its own text.
    """
    try:
        text = ast.dump(ast.parse(source)) if len(source) < _LONGEST else source
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = source.strip()
    return text if len(source.split()) > 12 else ""
