"""A widget at work is left in each way there is, and nothing of it stays."""

from __future__ import annotations

import pytest

from ..waiting import wait_until
from .lab import Server, new_notebook
from .lesson import Lesson
from .widgets import press, sees, write

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

NAME = "leaving.ipynb"
CELLS = (
    "import tcploop_lab as lab\ntestbed = lab.open_testbed()",
    "console = lab.loop_console(testbed=testbed)\nconsole",
    "print('the notebook is', 'free')",
)


def settled(server: Server, count: int) -> None:
    """Wait until there are just so many workers."""
    wait_until(lambda: len(server.workers()) == count)


@pytest.fixture
def lesson(server, open_lesson) -> Lesson:
    """A notebook whose second cell shows a loop console, after Run All."""
    new_notebook(server.folder / "notebooks" / NAME, CELLS)
    return open_lesson(NAME)


def test_nothing_stays_of_a_widget_at_work(lesson, server):
    """A loop goes on while other cells run; the same cell again, and the end of the kernel, end it."""
    cells = lesson.page.locator(".jp-Notebook .jp-CodeCell")
    write(cells.nth(1), "port to dial", "33333")
    press(cells.nth(1), "Start")
    sees(cells.nth(1), "It cannot succeed")
    settled(server, 2)  # the testbed's own, and the loop's

    cells.nth(2).locator(".jp-InputArea-prompt").click()
    lesson.page.keyboard.press("Control+Enter")
    sees(cells.nth(2), "the notebook is free")

    cells.nth(1).locator(".jp-InputArea-prompt").click()
    lesson.page.keyboard.press("Control+Enter")
    settled(server, 1)
    sees(cells.nth(1), "This run was made to begin with")

    write(cells.nth(1), "port to dial", "33333")
    press(cells.nth(1), "Start")
    sees(cells.nth(1), "It cannot succeed")
    lesson.shut_down()
    settled(server, 0)
