"""Functions as answers: tried on some cases, within a time, whatever they do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from .answers import Unanswered
from .engine import shortened

SECONDS = 2.0  # for all cases together
_LONGEST = 100  # characters of an error that are repeated


class _TooLong(BaseException):
    """The time is over. No Exception, so that `except Exception` in a learner's function does not keep it."""


def a_function(cases: Sequence[tuple[Any, ...]], reads: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a reader of a function: what it returns for each of the cases, as `reads` reads it.

    The reader raises ValueError, in words, if the answer is no function, if it raises, ends the program, takes more
    than two seconds, or returns what cannot be read. What it prints is swallowed. A function that does nothing
    counts as unanswered.
    """

    def read(answer: Any) -> tuple[Any, ...]:
        if not callable(answer):
            raise ValueError("this asks for the function itself: its name, without parentheses behind it")
        printed = StringIO()
        with redirect_stdout(printed):
            returned = _all_cases(answer, cases)
        if all(value is None for value in returned):
            if not printed.getvalue():
                raise Unanswered
            raise ValueError("it prints, and returns nothing. Write `return` in place of `print`")
        return tuple(_read(reads, answer, case, value) for case, value in zip(cases, returned, strict=True))

    return read


def _all_cases(function: Callable[..., Any], cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    returned: list[Any] = []
    try:
        with at_most(SECONDS):
            for case in cases:
                returned.append(function(*case))
    except KeyboardInterrupt:
        raise  # the learner's own
    except BaseException as error:  # also SystemExit
        raise ValueError(f"{_call(function, cases[len(returned)])} {failure(error, SECONDS)}") from None
    return returned


def failure(error: BaseException, seconds: float) -> str:
    """Say in words how a call failed that had so many seconds: "raised KeyError: 'port'"."""
    if isinstance(error, _TooLong):
        return f"did not return within {seconds:.0f} s"
    return f"raised {type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST]


def _read(reads: Callable[[Any], Any], function: Callable[..., Any], case: tuple[Any, ...], value: Any) -> Any:
    try:
        return reads(value)
    except ValueError as error:
        raise ValueError(f"{_call(function, case)} returned {shortened(value)}: {error}") from None


def _call(function: Callable[..., Any], case: tuple[Any, ...]) -> str:
    return f"{getattr(function, '__name__', 'it')}({', '.join(map(repr, case))})"


@contextmanager
def at_most(seconds: float, again: float = 0.0) -> Iterator[None]:
    """Interrupt the block when the time is over: in a notebook, where cells run in the main thread.

    Where `again` is not 0 it is interrupted once more each time that so many seconds have passed since.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
