"""The first lesson as a learner meets it: `make lab`, a browser, Run All."""

from __future__ import annotations

import re

import pytest

from .lesson import Lesson

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.anyuser]


@pytest.fixture(scope="module")
def lesson(open_lesson) -> Lesson:
    """The first lesson after Run All, in a browser that is still open."""
    return open_lesson("00_start_here.ipynb")


def test_every_cell_ran_without_an_error(lesson):
    """Run All runs each cell of the lesson once, in order, and none raises."""
    assert lesson.errors() == []
    assert lesson.counts() == list(range(1, len(lesson.cells()) + 1)) != []
    assert lesson.complaints == []


def test_the_socket_met_itself(lesson):
    """The lesson's own run ended in a self-connection, with the same name at both ends."""
    text = "\n".join(str(output) for output in lesson.outputs())
    assert re.search(r"connected to itself: (127\.0\.0\.1:\d+) = \1 after [\d,]+ tries", text)


def test_a_figure_with_its_alternative_text_is_on_the_page(lesson):
    """The figure is drawn in the browser, and says in words what it shows."""
    figure = lesson.figures().first
    figure.scroll_into_view_if_needed()
    lesson.picture("figure")
    assert figure.evaluate("image => image.naturalWidth") > 300
    assert len(figure.get_attribute("alt")) > 20


def test_nothing_outside_this_machine_was_asked_for(lesson):
    """JupyterLab and the lesson load everything from the server that make lab started."""
    assert lesson.hosts - {None} == {"127.0.0.1"}
