"""Every lesson in a real browser: run all, look at everything, use the widgets, restart, run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

import tcploop_lab as lab

from . import lab as lab_server
from . import widgets
from .browser import page
from .conftest import notebooks
from .lesson import Lesson, all_together

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

AXE = {"resultTypes": ["violations"]}
OUTPUTS = ".jp-OutputArea-output"
# Of each picture: its text, its height and width on the page, and the pixels that were loaded.
MEASURED = """figures => figures.map(one => {
    one.scrollIntoView();
    const box = one.getBoundingClientRect();
    return [one.alt, box.height, box.width, one.naturalWidth];
})"""


def chosen(session: pytest.Session) -> list[Path]:
    """The notebooks that the tests of this run are about: with -k perhaps not all."""
    parameters = [item.callspec.params for item in session.items if hasattr(item, "callspec")]
    wanted = {found["lesson"] for found in parameters if "lesson" in found}
    return [path for path in notebooks() if not wanted or path in wanted]


@pytest.fixture(scope="module")
def lessons(request, server, chromium) -> Iterator[dict[str, Lesson]]:
    """All lessons after Run All, each in a page of its own; the kernels end with the module."""
    with ExitStack() as pages:
        made = {}
        for path in chosen(request.session):
            name = str(path.relative_to(lab_server.ROOT / "notebooks"))
            made[path.name] = Lesson(pages.enter_context(page(chromium)), server.folder, name)

        def begin(lesson: Lesson) -> None:
            lesson.open(server.address)
            lesson.start_all()

        all_together(made.values(), begin)
        yield made
        for lesson in made.values():
            lesson.shut_down()


@pytest.fixture(scope="module", params=notebooks(), ids=lambda path: path.stem)
def lesson(request, lessons) -> Lesson:
    """Each lesson after Run All."""
    opened = lessons[request.param.name]
    opened.picture("after-run-all")
    return opened


def test_every_widget_is_in_a_lesson():
    """Each widget of the lab has a place in the course, and its use below."""
    homes = {name: getattr(getattr(lab, name), "__module__", "") for name in lab.__all__}
    public = {f"lab.{name}(" for name, home in homes.items() if home.startswith("tcploop_lab.render.widgets.")}
    text = "\n".join(path.read_text() for path in notebooks())
    assert public == set(widgets.USES)
    assert {call for call in public if call in text} == public


def test_every_cell_ran_without_an_error(lesson):
    """Run All runs each cell once, in order; none raises, and the page has nothing to complain of."""
    assert lesson.errors() == []
    assert lesson.counts() == list(range(1, len(lesson.cells()) + 1)) != []
    assert lesson.complaints == []


def test_every_figure_is_visible(lesson):
    """Each picture of an output is drawn on the page, and says in words what it shows."""
    figures = lesson.figures().evaluate_all(MEASURED)
    assert figures or lesson.name.startswith("assignments")
    assert [words for words, high, wide, sharp in figures if min(high, wide) < 100 or sharp < 300] == []
    assert [words for words, *_ in figures if len(words) < 20] == []


@pytest.mark.parametrize("call", widgets.USES)
def test_a_widget_can_be_used_with_the_keyboard(lesson, call):
    """Where the lesson has this widget, it does what its controls say, and axe finds no violation in it."""
    cell = lesson.cell_of(call)
    if cell is None:
        return
    output = cell.locator(OUTPUTS).filter(has=lesson.page.get_by_role("button")).first
    output.scroll_into_view_if_needed()
    try:
        widgets.USES[call](output)
    finally:
        lesson.picture(call.removeprefix("lab.").removesuffix("("), output)
    assert lesson.complaints == []


def test_axe_finds_no_violation_in_the_outputs(lesson):
    """Tables, figures, exercises and widgets can be read with what people with disabilities use."""
    found = Axe().run(lesson.page, context=OUTPUTS, options=AXE).response["violations"]
    assert [(v["id"], v["help"], [node["html"][:200] for node in v["nodes"]][:3]) for v in found] == []


def test_restarted_they_run_again(lessons, server):
    """After a restart nothing of the kernels before is left, and Run All goes through once more."""
    before = server.kernels()
    assert len(before) == len(lessons)
    for lesson in lessons.values():
        lesson.restart()
    assert server.workers() == set()
    assert before & server.kernels() == set()
    all_together(lessons.values(), Lesson.start_all)
    for lesson in lessons.values():
        lesson.picture("after-restart")
    assert {name: found for name, lesson in lessons.items() if (found := lesson.errors() + lesson.complaints)} == {}
    assert {name: lesson.counts() for name, lesson in lessons.items()} == {
        name: list(range(1, len(lesson.cells()) + 1)) for name, lesson in lessons.items()
    }
