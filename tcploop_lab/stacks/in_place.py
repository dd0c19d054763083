"""An executor that runs functions where it is called, with a simulated stack: no process, no thread.

Its interface is that of `executor.NamespaceExecutor`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from .stack import OfOneProcess, Stack
from .task import Interrupts, Task, noted_interrupts, running

if TYPE_CHECKING:
    from ..ports.ranges import PortRange
    from .simulated import SimulatedStack


class _InterruptedTask(Task):
    """A task that a Ctrl-C stops, so that a loop returns what it measured, and no call of the kernel is cut in two."""

    def __init__(self, reports: list[Any], interrupts: Interrupts) -> None:
        self._reports, self._interrupts = reports, interrupts

    def stopped(self) -> bool:
        return self._interrupts.pressed

    def report(self, value: Any) -> None:
        self._reports.append(value)


class InPlaceExecutor(OfOneProcess, Executor):
    """Runs functions at once, on one stack, one after another whichever thread calls."""

    workers = 1
    kind = "simulated"

    def __init__(self, stack: SimulatedStack) -> None:
        super().__init__()
        self.stack = stack
        self.info: dict[str, Any] = {"pid": os.getpid(), "network": "simulated", "range_set": True}
        self._lock = threading.RLock()

    @property
    def here(self) -> Stack:
        """The stack: its clock is that of its sockets."""
        return self.stack

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(*args, **kwargs)` now and return its future, which is done; `future.reports` as a worker's."""
        self.must_be_usable()
        future: Future[Any] = Future()
        future.reports = []  # type: ignore[attr-defined]
        with self._lock, noted_interrupts() as noted, running(_InterruptedTask(future.reports, noted)):  # type: ignore[attr-defined]
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)
        return future

    def on_stack(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(stack, *args, **kwargs)` now and return its future, which is done."""
        return self.submit(function, self.stack, *args, **kwargs)

    def stop(self, future: Future[Any]) -> None:
        """Do nothing: a future of this executor is done."""

    def sibling(self, workers: int, port_range: PortRange | None) -> InPlaceExecutor:
        """Return one more, on a new kernel of the same version: one worker, however many are asked for."""
        return InPlaceExecutor(self.stack.another(port_range))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the executor."""
        self.closed = True
