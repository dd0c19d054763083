"""The pool of a study: the executor that does its tasks, and what is known of the place where it works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from ..errors import NotOnThisTestbed
from ..ports.identify import classify
from ..ports.ranges import PortRange
from ..stacks.executor import MAX_WORKERS
from ..stacks.stack import StackExecutor
from ..testbed.limits import cores
from ..testbed.opening import open_testbed
from ..testbed.sampling import Place, Samples
from ..testbed.testbed import Testbed
from .result import DEFAULT_ERA
from .tasks import Task, probe_place, probe_place_nested, run_task, run_task_nested

_TASKS_PER_WORKER = 2  # at least one waits while one is worked on
_FOREIGN_WORKERS = 32  # an executor does not say how many it has


@dataclass(frozen=True)
class Pool:
    """Who does the tasks, and where.

    `kind` is that of the testbed they run in, `width` how many tasks to hand out at once. `own` is the executor, if it
    is the lab's: it has a stack, and tasks of it can be stopped.
    """

    executor: Executor | StackExecutor
    kind: str
    place: Place
    width: int
    own: StackExecutor | None = None

    @property
    def era(self) -> str:
        """The era of the kernel, found by probing; today's Linux where there were too few tries to tell."""
        if len(self.place.source_ports) < 2:
            return DEFAULT_ERA
        return classify(self.place.source_ports, self.place.port_range).era

    def socket_ranges(self, port_range: PortRange) -> bool:
        """True if this range must be given to each socket: on the host, and where /proc/sys is read-only.

        Raises NotOnThisTestbed for a range that leaves the one in force: the kernel ignores bounds outside of it.
        """
        own = self.place.port_range
        if self.place.settable or port_range == own:
            return False
        if port_range.low not in own or port_range.high not in own:
            raise NotOnThisTestbed(
                f"range {port_range}: the range here cannot be set, and that of a socket lies within it: "
                f"take a range within {own}, or a system that allows private namespaces"
            )
        return True

    def submit(self, task: Task) -> Future[Samples]:
        """Begin a task."""
        if self.own is not None:
            return self.own.on_stack(run_task, task)
        return self.executor.submit(run_task_nested, task)

    def stop(self, futures: Iterable[Future[Samples]]) -> None:
        """Ask tasks to return what they have; another executor can only cancel those that have not begun."""
        for future in futures:
            if self.own is not None:
                self.own.stop(future)
            else:
                future.cancel()


@contextlib.contextmanager
def open_pool(place: Any, workers: int | None) -> Iterator[Pool]:
    """Yield the pool for what Study.run was given: nothing, a testbed, or an executor.

    Raises ValueError for anything else.
    """
    if hasattr(place, "on_stack"):
        yield _own_pool(place, place.kind)
    elif isinstance(place, Executor):
        kind, where = place.submit(probe_place_nested).result()
        yield Pool(place, kind, where, _TASKS_PER_WORKER * (workers or _FOREIGN_WORKERS))
    else:
        with _open(place, workers or min(cores(), MAX_WORKERS)) as testbed:
            yield _own_pool(testbed.executor, testbed.kind)


def _open(place: Any, workers: int) -> Testbed:
    """Open one more testbed like `place`; without one, that on which a study can set its ranges, or a simulated one."""
    if place is not None:
        if not isinstance(place, Testbed):
            raise ValueError(f"testbed {place!r}: give a testbed, a concurrent.futures executor, or nothing")
        return place.sibling(workers=workers)
    return open_testbed(workers=workers, needs="any-range")


def _own_pool(executor: StackExecutor, kind: str) -> Pool:
    place = executor.on_stack(probe_place, kind).result()
    return Pool(executor, kind, place, _TASKS_PER_WORKER * executor.workers, executor)
