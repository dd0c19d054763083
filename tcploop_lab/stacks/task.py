"""The task that a function is part of: was it stopped? and how far is it?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Task:
    """What a running function may ask of whoever runs it. This one never stops, and nobody hears it."""

    def stopped(self) -> bool:
        """True once the task was asked to stop; it should return what it has."""
        return False

    def report(self, value: Any) -> None:
        """Tell how far the task is."""


_current = Task()


def current_task() -> Task:
    """Return the task that runs now (one that never stops, outside any)."""
    return _current


@contextmanager
def running(task: Task) -> Iterator[None]:
    """Let `task` be the current one until the end of the block."""
    global _current
    before, _current = _current, task
    try:
        yield
    finally:
        _current = before
