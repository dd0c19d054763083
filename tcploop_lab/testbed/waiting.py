"""Waiting for a task: with a progress bar when it is long, and with an interrupt that keeps what was measured."""

from __future__ import annotations

import concurrent.futures
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..stacks.stack import StackExecutor
from ..stacks.task import on_interrupt

_QUIET = 1.0  # seconds without a progress bar: most loops are over by then
_LOOK_EVERY = 0.1  # seconds


def wait_for(
    executor: StackExecutor,
    future: concurrent.futures.Future[Any],
    progress: int | Callable[[int], None] | None,
    grace: float,
) -> Any:
    """Return the result of `future`.

    `progress` is a number of tries to show a bar towards, a function that is told the tries so far, or None.
    At an interrupt the task is asked to stop and its partial result is returned; KeyboardInterrupt is raised only if
    it does not answer within `grace` seconds.
    """
    try:
        if callable(progress):
            return _wait_and_tell(future, progress)
        return _wait_with_bar(future, progress)
    except KeyboardInterrupt:
        try:
            with on_interrupt(signal.SIG_IGN):  # who presses Ctrl-C five times wants the end, and still the result
                executor.stop(future)
                return future.result(grace)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            raise KeyboardInterrupt("stopped; the loop did not answer in time") from None


def _wait_with_bar(future: concurrent.futures.Future[Any], total: int | None) -> Any:
    concurrent.futures.wait([future], timeout=None if total is None else _QUIET)
    if future.done() or total is None:
        return future.result()
    with passing_bar(total=total, unit="try", unit_scale=True, desc="dialling") as bar:
        while not future.done():
            bar.update(_newest(future) - bar.n)
            time.sleep(_LOOK_EVERY)
    return future.result()


@contextlib.contextmanager
def passing_bar(**settings: Any) -> Iterator[Any]:
    """Yield a tqdm bar of these settings, which goes away at the end of the block however far it came."""
    from tqdm.auto import tqdm

    with tqdm(**settings, leave=False) as bar:
        try:
            yield bar
        finally:
            bar.total = bar.n  # a bar that did not come to its end would stay in a notebook, and turn red


def _wait_and_tell(future: concurrent.futures.Future[Any], tell: Callable[[int], None]) -> Any:
    while not future.done():
        concurrent.futures.wait([future], timeout=_LOOK_EVERY)
        tell(_newest(future))
    return future.result()


def _newest(future: concurrent.futures.Future[Any]) -> int:
    reports = future.reports  # type: ignore[attr-defined]
    return reports[-1] if reports else 0
