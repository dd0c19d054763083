"""Waiting for a task: with a progress bar when it is long, and with an interrupt that keeps what was measured."""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from ..stacks.stack import StackExecutor
from ..stacks.task import Interrupts, noted_interrupts

_QUIET = 1.0  # seconds without a progress bar: most loops are over by then
_LOOK_EVERY = 0.1  # seconds
_Parameters = ParamSpec("_Parameters")
_interrupted: set[int] = set()  # the last run of a cell that an interrupt ended, by its count


class _SoFar(Protocol):
    """A result that tells whether an interrupt ended it."""

    @property
    def interrupted(self) -> bool: ...


_Result = TypeVar("_Result", bound=_SoFar)


def ends_its_cell(measure: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorate what returns, at an interrupt, a result so far.

    In a notebook an interrupt is meant for the cell. The cell gets this result, and the next measurement that the same
    run of it begins, in a loop of the learner's, raises KeyboardInterrupt.
    """

    @wraps(measure)
    def measured(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        cell = _cell()
        if cell in _interrupted:
            raise KeyboardInterrupt("this cell was interrupted")
        result = measure(*args, **kwargs)
        if cell is not None and result.interrupted:
            _interrupted.clear()
            _interrupted.add(cell)
        return result

    return measured


def _cell() -> int | None:
    """The count of the cell that runs; None outside a notebook, and in a thread, as a widget has, which goes on."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or threading.current_thread() is not threading.main_thread():
        return None
    return int(shell.execution_count)


def wait_for(
    executor: StackExecutor,
    future: concurrent.futures.Future[Any],
    progress: int | Callable[[int], None] | None,
    grace: float,
) -> Any:
    """Return the result of `future`.

    `progress` is a number of tries to show a bar towards, a function that is told the tries so far, or None.
    At an interrupt, one of that function too, the task is asked to stop and its partial result is returned;
    KeyboardInterrupt is raised only if it does not answer within `grace` seconds.
    """
    with noted_interrupts() as noted:
        try:
            _wait_with_bar(future, progress, noted) if isinstance(progress, int) else _wait(future, progress, noted)
        except KeyboardInterrupt:  # of the function that is told: so a thread, which gets no signal, is stopped
            noted.pressed = True
        try:
            if noted.pressed:
                executor.stop(future)
            return future.result(grace if noted.pressed else None)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            if not noted.pressed:
                raise
            raise KeyboardInterrupt("stopped; the loop did not answer in time") from None


def _wait(
    future: concurrent.futures.Future[Any],
    tell: Callable[[int], object] | None,
    noted: Interrupts,
    seconds: float = math.inf,
) -> None:
    """Return when the future is done, a Ctrl-C was noted, or the time is over."""
    until = time.monotonic() + seconds
    while not (future.done() or noted.pressed) and time.monotonic() < until:
        concurrent.futures.wait([future], timeout=_LOOK_EVERY)
        if tell is not None:
            tell(_newest(future))


def _wait_with_bar(future: concurrent.futures.Future[Any], total: int, noted: Interrupts) -> None:
    _wait(future, None, noted, _QUIET)
    if not (future.done() or noted.pressed):
        with passing_bar(total=total, unit="try", unit_scale=True, desc="dialling") as bar:
            _wait(future, lambda tries: bar.update(tries - bar.n), noted)


@contextlib.contextmanager
def passing_bar(**settings: Any) -> Iterator[Any]:
    """Yield a tqdm bar of these settings, which goes away at the end of the block however far it came."""
    from tqdm.auto import tqdm

    with tqdm(**settings, leave=False) as bar:
        try:
            yield bar
        finally:
            bar.total = bar.n  # a bar that did not come to its end would stay in a notebook, and turn red


def _newest(future: concurrent.futures.Future[Any]) -> int:
    reports = future.reports  # type: ignore[attr-defined]
    return reports[-1] if reports else 0
