"""A notebook that was handed in: what is run of it, and how nbgrader and `tcploop grade` have it judged."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from . import judging
from .handout import key_of
from .judging import Grade

LIVE = "live"  # the tag of cells that need a network, and earn nothing


def grade_id(cell: Any) -> str:
    """Return the name that nbgrader knows a cell by, "" if it has none."""
    mark = cell.get("metadata", {}).get("nbgrader", {})
    return str(mark.get("grade_id", "")) if isinstance(mark, dict) else ""


def points(cells: Sequence[Any]) -> dict[str, float]:
    """Return what each graded cell is worth, by its name."""
    marks = [(grade_id(cell), cell["metadata"].get("nbgrader", {})) for cell in cells]
    return {name: float(mark["points"]) for name, mark in marks if mark.get("grade")}


def restored(submitted: Sequence[Any], released: Sequence[Any]) -> list[Any]:
    """Return the submitted cells, with each cell that is not the student's as released, once and in its place.

    Of the student's own the text counts: the name, kind and marks of an answer are those released, others have none.
    """
    named = {grade_id(cell): cell for cell in released if grade_id(cell)}
    locked = {name for name, cell in named.items() if cell["metadata"]["nbgrader"].get("locked")}
    cells, placed = [], set()
    for cell in submitted:
        name = grade_id(cell)
        if name not in locked:
            cells.append(_theirs(cell, named.get(name) if name not in placed else None))
        elif name not in placed:
            cells.append(named[name])
        placed.add(name)
    order = list(named)
    for name in (name for name in order if name in locked and name not in placed):
        before = set(order[: order.index(name)])
        place = max((at for at, cell in enumerate(cells) if grade_id(cell) in before), default=-1)
        cells.insert(place + 1, named[name])
    return cells


def _theirs(cell: Any, stub: Any | None) -> Any:
    """The text of a student's cell, as what it was released as: the same kind, named by the same metadata."""
    new = type(cell)
    kind = (stub or cell)["cell_type"]
    more: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    kept = {key: cell[key] for key in ("id", *(["attachments"] if kind == "markdown" else [])) if key in cell}
    metadata = deepcopy(stub["metadata"]) if stub else new()
    return new(cell_type=kind, source="".join(cell["source"]), metadata=metadata, **kept, **more)


def programs(cells: Sequence[Any]) -> list[tuple[str, str]]:
    """Return the name and source of each code cell that runs while grading."""
    runs = [cell for cell in cells if cell["cell_type"] == "code" and LIVE not in cell["metadata"].get("tags", ())]
    return [(grade_id(cell), "".join(cell["source"])) for cell in runs]


def graded(course: Path, assignment: str, cells: Sequence[Any], student: str, caged: bool = True) -> Grade:
    """Judge the cells of a restored notebook by the judge of the course's folder."""
    judge = judging.load(course / "judges" / f"{assignment}.py")
    return judging.graded(judge, programs(cells), points(cells), student, assignment, key_of(course), caged)


def with_outcomes(cells: Sequence[Any], grade: Grade) -> None:
    """Write into the graded cells what nbgrader reads: nothing where all is well, else an error with the reason."""
    why = {one.exercise: one.why for one in grade.exercises if one.points < one.most}
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["outputs"] = [_error(why[grade_id(cell)])] if grade_id(cell) in why else []


def _error(why: str) -> Any:
    from nbformat.v4 import new_output

    return new_output(  # type: ignore[no-untyped-call]
        "error", ename="NotYet", evalue=why, traceback=[f"Not yet: {why}"]
    )
