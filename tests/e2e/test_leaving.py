"""A widget at work is left in each way there is, and nothing of it stays."""

from __future__ import annotations

import pytest

from ..waiting import wait_until
from .lab import Server
from .widgets import press, sees, write

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

CELLS = (
    "import tcploop_lab as lab\ntestbed = lab.open_testbed()",
    "console = lab.loop_console(testbed=testbed)\nconsole",
    "print('the notebook is', 'free')",
)


def settled(server: Server, count: int) -> None:
    """Wait until there are just so many workers."""
    wait_until(lambda: len(server.workers()) == count)


def test_nothing_stays_of_a_widget_at_work(lesson, server):
    """A loop goes on while other cells run; the same cell again, and the end of the kernel, end it."""
    shown = lesson.cell(1)
    write(shown, "port to dial", "33333")
    press(shown, "Start")
    sees(shown, "It cannot succeed")
    settled(server, 2)  # the testbed's own, and the loop's

    sees(lesson.run_cell(2), "the notebook is free")

    lesson.run_cell(1)
    settled(server, 1)
    sees(shown, "This run was made to begin with")

    write(shown, "port to dial", "33333")
    press(shown, "Start")
    sees(shown, "It cannot succeed")
    lesson.shut_down()
    settled(server, 0)
