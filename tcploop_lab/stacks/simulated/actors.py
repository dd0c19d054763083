"""Who acts in the simulated world: the caller, and functions that run beside it, one at a time.

A function beside goes on only while the caller waits, and until it has to wait itself; when all wait, the clock is
wound. So the order of everything is the same in each run.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import Deadlock
from .clock import Clock

Ready = Callable[[], bool]
_Class = TypeVar("_Class", bound=type)


class Turn:
    """Lets one thread into the kernel at a time. What runs beside the caller acts in the caller's turn."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.beside: set[int] = set()  # threads that carry functions beside: they run only while a caller waits

    def __enter__(self) -> None:
        if threading.get_ident() not in self.beside:
            self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() not in self.beside:
            self.lock.release()


def in_turn(*names: str) -> Callable[[_Class], _Class]:
    """Let the methods of these names wait for their turn (`_turn`), whichever thread calls."""

    def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            with self._turn:
                return method(self, *args, **kwargs)

        return call

    def change(changed: _Class) -> _Class:
        for name in names:
            setattr(changed, name, wrap(vars(changed)[name]))
        return changed

    return change


class Beside:
    """A function that runs beside the caller. A thread carries it, but never runs together with another."""

    def __init__(self, actors: Actors, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.done = False
        self.ready: Ready = lambda: True
        self.deadline = math.inf
        self._actors, self._function, self._args = actors, function, args
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()

    def join(self, timeout: float) -> None:
        """Wait until it has ended, at most so many seconds of the simulated clock."""
        self._actors.wait(lambda: self.done, timeout, "join()")

    def go_on(self) -> None:
        """Let it act until it waits or ends."""
        self._turn.release()
        self._back.acquire()

    def pause(self, ready: Ready, deadline: float) -> None:
        """Wait, in its own thread, until the others let it go on."""
        self.ready, self.deadline = ready, deadline
        self._back.release()
        self._turn.acquire()

    def _run(self) -> None:
        self._turn.acquire()
        self._actors.turn.beside.add(threading.get_ident())
        try:
            self._function(*self._args)
        finally:  # an error is told as any thread tells it, and ends this function alone
            self._actors.turn.beside.discard(threading.get_ident())
            self.done = True
            self._back.release()


class Actors:
    """All that act by one clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.turn = Turn()
        self._beside: list[Beside] = []
        self._acting: Beside | None = None

    def start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Beside:
        """Let a function act whenever the caller waits."""
        beside = Beside(self, function, args)
        self._beside.append(beside)
        return beside

    def wait(self, ready: Ready, patience: float | None, call: str, who: Callable[[], str] = str) -> bool:
        """Let time pass until `ready`; False after `patience` seconds. Deadlock if that cannot ever be."""
        with self.turn:
            return self._wait(ready, patience, call, who)

    def _wait(self, ready: Ready, patience: float | None, call: str, who: Callable[[], str]) -> bool:
        deadline = math.inf if patience is None else self._clock.now + patience
        while not ready():
            if self._clock.now >= deadline:
                return False
            if self._acting is not None:
                self._acting.pause(ready, deadline)
            elif not self._let_act():
                self._wind(deadline, call, who)
        return True

    def _let_act(self) -> bool:
        """Let all go on that can; False if nobody could."""
        able = [one for one in self._beside if one.ready() or self._clock.now >= one.deadline]
        for one in able:
            self._acting = one
            try:
                one.go_on()
            finally:
                self._acting = None
        self._beside = [one for one in self._beside if not one.done]
        return bool(able)

    def _wind(self, deadline: float, call: str, who: Callable[[], str]) -> None:
        until = min([deadline, self._clock.next_event(), *(one.deadline for one in self._beside)])
        if until == math.inf:
            raise Deadlock(
                f"{call} would wait for ever{who()}: no timer runs and nobody is there to end it; "
                "let the other end act first, or set a timeout"
            )
        self._clock.wind(until)
