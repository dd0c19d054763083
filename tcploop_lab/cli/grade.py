"""Points for what was handed in, without nbgrader: tcploop grade."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..exercises import late
from ..results.description import Description, Item, Said, Table
from ..stacks.task import noted_interrupts, raised_interrupts
from ..tcp.words import counted
from ..testbed import files as lab_files
from . import options, output
from .group import Command
from .root import INTERRUPTED, NO, YES
from .values import FILE, Value, checked

if TYPE_CHECKING:
    from ..exercises.marks import Marks


TIME = Value("TIME", late.parse_time)
DAYS = Value("DAYS", late.parse_days)
PERCENT = Value("PERCENT", late.parse_percent)


@click.command(cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--course", default=".", help="The folder with judges/, release/ and key (default: this one).")
@click.option("--student", default="", help="Whose files they are (default: their folder or file name says it).")
@click.option("--due", type=TIME, help="When they were due, as 2026-11-25T23:59.")
@click.option("--late-percent", type=PERCENT, default=0.0, help="What each day late costs (default: nothing).")
@click.option("--late-days", type=DAYS, default=0, help="How many days late cost nothing (default: 0).")
@click.option("--before", type=FILE, help="Points of before, a CSV of this command or nbgrader's: show what differs.")
@click.option("--csv", type=FILE, help="Write a line for each file to the new FILE too.")
@options.force
@click.option("--no-sandbox", is_flag=True, help="Run them in a process with a time limit, and no more.")
@options.as_json
def grade(
    files: tuple[str, ...],
    course: str,
    student: str,
    due: datetime | None,
    late_percent: float,
    late_days: int,
    before: str | None,
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

    with checked(), noted_interrupts():
        if csv is not None:
            lab_files.must_be_writable(csv, force)
        earlier = marks.earlier(Path(before)) if before is not None else {}
        found: list[Marks] = []
        ours = marks.Course.at(Path(course))
        deadline = late.Deadline(due, late_days, late_percent) if due is not None else None
        with contextlib.suppress(KeyboardInterrupt), raised_interrupts():  # what is graded by then is not lost
            for file in files:
                found.append(marks.mark(Path(file), ours, student, not no_sandbox, deadline))
        found = marks.with_repeats(found)
        if csv is not None:
            with lab_files.written(csv, force) as page:
                page.write(marks.as_csv(found))
        output.deliver(as_json, _described(found, marks.equal_programs(found), marks.changed(found, earlier)))
    if len(found) < len(files):
        output.note(f"interrupted: {len(found)} of {len(files)} files are graded")
        return INTERRUPTED
    return NO if any(one.failed for one in found) else YES


def _described(
    marks: list[Marks], equal: list[tuple[str, str, int]], changed: list[tuple[str, str, float, float, str]]
) -> Description:
    from ..exercises.marks import COLUMNS

    columns = (*COLUMNS[:-1], ("file", ""), ("exercises", ""))  # a file's path is too long for a column
    same = Table("equal", (("one", "student"), ("other", "and"), ("programs", "equal programs")), equal)
    heads = (("student", "student"), ("assignment", "assignment"), ("before", "before"), ("points", "now"),
             ("note", ""))  # fmt: skip
    tables = [Table("grades", columns, [_row(one) for one in marks])]
    tables += [table for table in (same, Table("changed", heads, changed)) if table.rows]
    whole = sum(not one.failed for one in marks)
    return Description(f"{whole} of {len(marks)} files graded", items=(Item("graded", whole),), tables=tuple(tables))


def _row(one: Marks) -> tuple[object, ...]:
    *start, look, file = one.row
    exercises = [vars(exercise) for exercise in one.grade.exercises] if one.grade else []
    return (*start, Said(list(one.suspicious), str(look)), file, exercises)


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
    from ..exercises.assignment import NOBODY, name_of
    from ..exercises.judging import load

    with checked():
        marks.released(Path(course))
        for name in names:
            if name_of(name) == NOBODY:
                raise ValueError(f"name {name!r}: it is nobody's; give the names by which students hand in")
        written = data.hand_out(Path(course), map(name_of, names), lambda judge: load(judge).data)
    items = (Item("files", [str(path) for path in written], "written"), Item("students", len(names), "students"))
    output.deliver(as_json, Description(f"data of {counted(len(names), 'student')}", items=items))
    return YES
