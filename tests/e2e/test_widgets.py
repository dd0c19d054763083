"""The course's widgets at work in a real browser, used with the keyboard; then a restart, and all of it once more."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import nbformat
import pytest
from playwright.sync_api import Locator

import tcploop_lab as lab

from ..waiting import wait_until
from . import widgets
from .browser import violations
from .conftest import notebooks
from .lab import new_notebook
from .lesson import OUTPUTS, Lesson

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

NAME = "widgets.ipynb"


def names(source: str, context: type[ast.expr_context]) -> set[str]:
    """The names that code sets (ast.Store) or uses (ast.Load)."""
    tree = list(ast.walk(ast.parse(source)))
    imported = [alias.asname or alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names]
    found = {node.id for node in tree if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
    return found | set(imported) if context is ast.Store else found


def with_what_it_needs(cells: Sequence[str], place: int) -> list[str]:
    """The cell at this place, after the cells before it that set the names it uses, and those that these need."""
    needed, open_names = [cells[place]], names(cells[place], ast.Load)
    for cell in reversed(cells[:place]):
        if made := names(cell, ast.Store) & open_names:
            needed.insert(0, cell)
            open_names = open_names - made | names(cell, ast.Load)
    return needed


def cells_with_widgets() -> list[str]:
    """The code cells of the lessons that show a widget, each with what it needs."""
    found: list[str] = []
    for path in notebooks():
        read = nbformat.read(path, as_version=4).cells
        cells = [cell.source for cell in read if cell.cell_type == "code"]
        places = [place for place, cell in enumerate(cells) if any(call in cell for call in widgets.USES)]
        for place in places:
            found += with_what_it_needs(cells, place)
    return found


@pytest.fixture(scope="module")
def lesson(server, open_lesson) -> Lesson:
    """A notebook of the cells that show widgets, after Run All."""
    new_notebook(server.folder / "notebooks" / NAME, cells_with_widgets())
    return open_lesson(NAME)


def test_every_widget_is_in_a_lesson():
    """Each widget of the lab has a place in the course, and its use here."""
    homes = {name: getattr(getattr(lab, name), "__module__", "") for name in lab.__all__}
    public = {f"lab.{name}(" for name, home in homes.items() if home.startswith("tcploop_lab.render.widgets.")}
    text = "\n".join(cells_with_widgets())
    assert public == set(widgets.USES)
    assert {call for call in public if call in text} == public


def test_they_are_shown_without_an_error(lesson):
    """Run All runs each cell once, in order; none raises."""
    assert lesson.errors() == []
    assert lesson.counts() == list(range(1, len(lesson.cells()) + 1)) != []


def output_of(lesson: Lesson, call: str) -> Locator:
    """Where the page shows a widget, once it does."""
    output = lesson.cell_of(call).locator(OUTPUTS).filter(has=lesson.page.get_by_role("button")).first
    output.scroll_into_view_if_needed()
    return output


@pytest.mark.parametrize("call", widgets.USES)
def test_a_widget_can_be_used_with_the_keyboard(lesson, call):
    """It does what its controls say, axe finds no violation in it, and the page has nothing to complain of."""
    output = output_of(lesson, call)
    try:
        widgets.USES[call](output)
    finally:
        lesson.picture(call.removeprefix("lab.").removesuffix("("), output)
    assert violations(lesson.page, OUTPUTS) == []
    assert lesson.complaints == []


def test_restarted_they_run_again(lesson, server):
    """After a restart nothing of the kernel before is left, and Run All goes through once more."""
    before = server.kernels()
    assert server.workers() and len(before) == 1  # the other modules have ended theirs
    lesson.restart()
    wait_until(lambda: not server.workers())
    assert (len(before - server.kernels()), len(server.kernels() - before)) == (1, 1)
    lesson.run_all()
    lesson.picture("after-restart")
    assert lesson.errors() + lesson.complaints == []
    assert lesson.counts() == list(range(1, len(lesson.cells()) + 1))


def test_opened_again_they_stand_as_they_were_left(lesson, server):
    """Saved, its kernel gone, the page left and opened again, each widget is there with what it showed last."""
    for call in widgets.USES:
        output_of(lesson, call)  # its state is saved only once the page has made it
    lesson.save()
    lesson.shut_down()
    lesson.page.goto("about:blank")
    lesson.open(server.address)
    for call in widgets.USES:
        output = output_of(lesson, call)
        widgets.sees(output, "as it was left")
        lesson.picture(f"{call.removeprefix('lab.').removesuffix('(')}-again", output)
    assert "model not found" not in lesson.page.locator(".jp-Notebook").inner_text()
