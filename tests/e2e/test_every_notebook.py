"""Every notebook as a learner opens it in a real browser, before anything is run. nbval runs the cells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .browser import violations
from .conftest import notebooks
from .lab import ROOT
from .lesson import OUTPUTS, Lesson

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

# Of each picture: its text, its height and width on the page, and the pixels that were loaded.
MEASURED = """figures => figures.map(one => {
    one.scrollIntoView();
    const box = one.getBoundingClientRect();
    return [one.alt, box.height, box.width, one.naturalWidth];
})"""


@pytest.fixture(scope="module", params=notebooks(), ids=lambda path: path.stem)
def lesson(request, server, page) -> Iterator[Lesson]:
    """Each notebook with its stored outputs."""
    opened = Lesson(page, server.folder, str(request.param.relative_to(ROOT / "notebooks")), stored=True)
    opened.open(server.address)
    opened.picture("stored")
    yield opened
    opened.close()


def test_all_of_it_is_on_the_page(lesson):
    """Each code cell is shown, each stored output with it, and the page has nothing to complain of."""
    assert lesson.page.locator(".jp-Notebook .jp-CodeCell").count() >= len(lesson.cells()) > 0
    assert lesson.page.locator(OUTPUTS).count() >= len(lesson.outputs())
    assert lesson.complaints == []


def test_every_figure_is_visible(lesson):
    """Each picture of an output is drawn on the page, and says in words what it shows."""
    figures = lesson.figures().evaluate_all(MEASURED)
    assert figures or lesson.name.startswith("assignments")
    assert [words for words, high, wide, sharp in figures if min(high, wide) < 100 or sharp < 300] == []
    assert [words for words, *_ in figures if len(words) < 20] == []


def test_every_bar_has_a_colour(lesson):
    """JupyterLab does not trust stored outputs, and takes some styles away: what is left shows each bar of a table."""
    stored = sum(output.get("data", {}).get("text/html", "").count("></div></td>") for output in lesson.outputs())
    bars = lesson.page.locator(f"{OUTPUTS} td > div:empty")
    colours = bars.evaluate_all("bars => bars.map(bar => getComputedStyle(bar).backgroundColor)")
    assert colours == ["rgb(140, 140, 140)"] * stored


def test_axe_finds_no_violation_in_the_outputs(lesson):
    """Tables, figures and exercises can be read with what people with disabilities use."""
    if not lesson.outputs():
        return
    assert violations(lesson.page, OUTPUTS) == []


# Whether the keyboard is at a code cell, and whether it is in the text of one.
AT = """() => [document.querySelector(".jp-Cell.jp-mod-active").classList.contains("jp-CodeCell"),
    document.activeElement.closest(".cm-editor") !== null]"""


def test_the_keyboard_alone_runs_it(lesson):
    """From where a notebook opens, arrows lead to its code; it is edited, left and run, and the next cell follows."""
    page = lesson.page
    for _ in lesson.stored.cells:
        if not page.evaluate(AT)[0]:
            page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate(AT) == [True, True]
    page.keyboard.press("Escape")
    assert page.evaluate(AT) == [True, False]
    ran = page.locator(".jp-CodeCell.jp-mod-active .jp-InputArea-prompt").element_handle()
    page.keyboard.press("Shift+Enter")
    page.wait_for_function("prompt => prompt.textContent === '[1]:'", arg=ran)
    assert not ran.evaluate("prompt => prompt.closest('.jp-Cell').classList.contains('jp-mod-active')")
