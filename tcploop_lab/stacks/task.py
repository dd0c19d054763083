"""The task that a function is part of: was it stopped? and how far is it?"""

from __future__ import annotations

import signal
import threading
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


class Interrupts:
    """Answers Ctrl-C: `pressed` is True from the first on; it raises KeyboardInterrupt only while `raising`."""

    def __init__(self, raising: bool = False) -> None:
        self.pressed, self.raising = False, raising

    def __call__(self, *_: object) -> None:
        """Take note of one."""
        self.pressed = True
        if self.raising:
            raise KeyboardInterrupt


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Let a Ctrl-C raise nothing in the block: whoever waits there looks at `pressed`, and ends early.

    So it takes nothing away between an answer and what is done with it. Blocks may lie in one another; what was pressed
    in one that ended holds for those around it. Where the program answers by Interrupts of its own, as the command
    does, none raises any more after one that was noted. Where Ctrl-C is ignored, as in the background, it stays so. A
    thread gets no signals, and may set no handler.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield Interrupts()
        return
    noted = before if isinstance(before, Interrupts) else Interrupts()
    raised, noted.raising = noted.raising, False
    signal.signal(signal.SIGINT, noted)
    try:
        yield noted
    finally:
        noted.raising = raised and not noted.pressed
        signal.signal(signal.SIGINT, before)


@contextmanager
def raised_interrupts() -> Iterator[None]:
    """Let a Ctrl-C raise KeyboardInterrupt in the block, whatever is around it, at once if one was noted before."""
    noted = signal.getsignal(signal.SIGINT)
    if not isinstance(noted, Interrupts):
        yield
        return
    raised, noted.raising = noted.raising, True
    try:
        if noted.pressed:
            raise KeyboardInterrupt
        yield
    finally:
        noted.raising = raised


@contextmanager
def running(task: Task) -> Iterator[None]:
    """Let `task` be the current one until the end of the block."""
    global _current
    before, _current = _current, task
    try:
        yield
    finally:
        _current = before
