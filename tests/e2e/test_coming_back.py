"""A learner who closes the tab in the middle, one who begins in the middle, and one who switches the debugger on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from ..waiting import wait_until
from .lesson import NOTHING_RUNS, OUTPUTS, Lesson
from .widgets import sees

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

CELLS = (
    "import tcploop_lab as lab\ntestbed = lab.open_testbed()",
    "run = testbed.connect_loop(33333, max_tries=500_000)",
    "run",
    "here = lab.open_testbed()\n"
    "on = get_ipython().kernel.debugger.is_started\n"
    "print('debugger', on, here.kind, here.connect_loop(45000).self_connected)",
)


@pytest.fixture(scope="module", autouse=True)
def load_anew_after(page: Page) -> Iterator[None]:
    """The debugger leaves its side bar open."""
    yield
    page.goto("about:blank")


def said_by(lesson: Lesson, number: int) -> str:
    """What one cell shows once it has run."""
    cell = lesson.run_cell(number)
    lesson.page.wait_for_function(NOTHING_RUNS)
    return cell.locator(OUTPUTS).last.inner_text()


@pytest.mark.private_network
def test_the_debugger_leaves_the_lab_as_it_is(lesson):
    """With the debugger on, and off again, a testbed opens in a network of its own and meets itself there."""
    for wanted in (True, False):
        lesson.page.locator(".jp-DebuggerBugButton").first.click()
        wait_until(lambda words=f"debugger {wanted} namespace True": words in said_by(lesson, 3))
        lesson.picture(f"debugger-{wanted}")


def test_a_tab_that_was_closed_in_a_loop_loses_nothing(lesson, server):
    """The page is left while a loop runs; opened again, the next cell shows what was measured."""
    lesson.save()
    lesson.run_cell(1).get_by_text("[*]").wait_for()
    lesson.page.goto("about:blank")
    lesson.open(server.address)
    sees(lesson.run_cell(2).locator(OUTPUTS), "within 500,000 tries")


def test_begun_in_the_middle_the_first_cell_says_what_to_run(lesson):
    """After a restart a cell that needs those above it answers in one line, which names them."""
    lesson.restart()
    output = lesson.run_cell(1).locator(OUTPUTS)
    sees(output, "Run the cells above first")
    assert len(output.inner_text().strip().splitlines()) == 1
