"""Points for what was handed in, without nbgrader: tcploop grade."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..results.description import Description, Item, Said, Table
from ..testbed import files as lab_files
from . import options, output
from .group import Command
from .root import INTERRUPTED, NO, YES
from .values import FILE, checked

if TYPE_CHECKING:
    from ..exercises.marks import Marks


@click.command(cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--course", default=".", help="The folder with judges/ and release/ (default: this one).")
@click.option("--student", default="", help="Whose files they are (default: their folder or file name says it).")
@click.option("--csv", type=FILE, help="Write a line for each file to the new FILE too.")
@options.force
@click.option("--no-sandbox", is_flag=True, help="Run them in a process with a time limit, and no more.")
@options.as_json
def grade(
    files: tuple[str, ...],
    course: str,
    student: str,
    csv: str | None,
    force: bool,
    no_sandbox: bool,
    as_json: bool,
) -> int:
    """Grade notebooks that were handed in.

    Each runs in a sandbox; what it computed is judged outside. Exit code 1 means that a file could not be graded.

    Example: tcploop grade submitted/*/1_preconditions/*.ipynb --csv grades.csv
    """
    from ..exercises import marks

    with checked():
        if csv is not None:
            lab_files.must_be_writable(csv, force)
        found: list[Marks] = []
        with contextlib.suppress(KeyboardInterrupt):  # what is graded by then is not lost
            for file in files:
                found.append(marks.mark(Path(file), Path(course), student, not no_sandbox))
        if csv is not None:
            with lab_files.written(csv, force) as page:
                page.write(marks.as_csv(found))
    output.deliver(as_json, _described(found, marks.equal_programs(found)))
    if len(found) < len(files):
        output.note(f"interrupted: {len(found)} of {len(files)} files are graded")
        return INTERRUPTED
    return NO if any(one.failed for one in found) else YES


def _described(marks: list[Marks], equal: list[tuple[str, str, int]]) -> Description:
    columns = (("student", "student"), ("assignment", "assignment"), ("points", "points"), ("most", "of"),
               ("seconds", "seconds"), ("reasons", "reasons"), ("suspicious", "look at"), ("file", ""),
               ("exercises", ""))  # fmt: skip
    rows = [_row(one) for one in marks]
    same = Table("equal", (("one", "student"), ("other", "and"), ("programs", "equal programs")), equal)
    tables = (Table("grades", columns, rows), *([same] if equal else []))
    whole = sum(not one.failed for one in marks)
    return Description(f"{whole} of {len(marks)} files graded", items=(Item("graded", whole),), tables=tables)


def _row(one: Marks) -> tuple[object, ...]:
    seconds = round(one.grade.seconds, 2) if one.grade else 0.0
    exercises = [vars(exercise) for exercise in one.grade.exercises] if one.grade else []
    look = Said(list(one.suspicious), ", ".join(one.suspicious))
    return (one.student, one.assignment, one.points, one.most, seconds, one.reasons, look, one.file, exercises)


@click.command(cls=Command)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--course", default=".", help="The folder with judges/ and release/ (default: this one).")
@options.as_json
def handout(names: tuple[str, ...], course: str, as_json: bool) -> int:
    """Make data of their own for these students.

    They are written beside the notebooks, for all students in one file. The course's key, made once, stays with you.

    Example: tcploop handout $(cat names.txt)
    """
    from ..exercises import handout as data
    from ..exercises import marks
    from ..exercises.assignment import name_of
    from ..exercises.judging import load

    with checked():
        marks.released(Path(course))
        written = data.hand_out(Path(course), map(name_of, names), lambda judge: load(judge).data)
    items = (Item("files", [str(path) for path in written], "written"), Item("students", len(names), "students"))
    output.deliver(as_json, Description(f"data of {len(names)} students", items=items))
    return YES
