"""The task that a function is part of: was it stopped? and how far is it?"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
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
def on_interrupt(handler: Callable[[int, Any], object] | signal.Handlers) -> Iterator[None]:
    """Let `handler` answer a Ctrl-C until the end of the block, and no KeyboardInterrupt.

    Where Ctrl-C is ignored, as in the background, it stays so. A thread gets no signals, and may set none.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def running(task: Task) -> Iterator[None]:
    """Let `task` be the current one until the end of the block."""
    global _current
    before, _current = _current, task
    try:
        yield
    finally:
        _current = before
