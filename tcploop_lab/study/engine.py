"""Runs a study: cuts it into tasks, hands them to a pool, stores each as it is finished."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any

from ..errors import LabError, WorkerDied
from ..stacks.namespace import NamespaceRefused
from ..stacks.task import noted_interrupts
from ..tcp.words import counted
from ..testbed.limits import parse_whole
from ..testbed.sampling import Samples
from ..testbed.waiting import passing_bar
from .pool import Pool, open_pool
from .reading import Content
from .result import CellPlan
from .store import Store, StoreFull
from .tasks import ADDRESSES, Task

if TYPE_CHECKING:
    from .study import Study, StudyResult

TASK_TRIES = 100_000  # a task takes about a second or two: so much is lost when a worker dies
MOST_SAMPLES = 1_000  # of a task
SHORTEST_TASK, LONGEST_TASK = 0.2, 2.0  # seconds: what is finished is stored after this time
LOST_SHARE = 0.25  # of a run, that a kill may cost
SHORTEST_CHAIN = 25  # returns, to which the loop that leads to the port is added
ATTEMPTS = 3  # how often a task is begun whose worker dies
_LOOK_EVERY = 0.2  # seconds between two looks at a Ctrl-C
_QUIET = 1.0  # seconds without a progress bar: short studies are over by then
_STOP_GRACE = 3.0  # seconds that stopped tasks get to hand back what they measured
_POOL_IS_GONE = (WorkerDied, BrokenExecutor, CancelledError, NamespaceRefused)


class StudyStopped(LabError):
    """A study could not go on. The text says why and the way out; `result` holds what is there, or None.

    `reason` is the text without the way out, which is another one on the command line.
    """

    def __init__(self, reason: str, content: Content | None = None, way_out: str = "") -> None:
        super().__init__("; ".join(filter(None, (reason, way_out))))
        self.reason, self.content = reason, content
        self.result: StudyResult | None = None


def run(study: Study, place: Any, out: Any, resume: bool, workers: int | None, progress: bool) -> tuple[Content, bool]:
    """Run a study, as described at Study.run, and return what its file holds, and whether it was interrupted."""
    count = None if workers is None else parse_whole("workers", workers, 1)
    try:
        with open_pool(place, count) as pool, (Store.resume if resume else Store.create)(out, study) as store:
            return _run(study, pool, store, progress)
    except _POOL_IS_GONE as error:
        raise StudyStopped(f"the study could not begin: {_reason(error)}") from error


def _run(study: Study, pool: Pool, store: Store, progress: bool) -> tuple[Content, bool]:
    try:
        interrupted = _sample(study, pool, store, progress)
    except KeyboardInterrupt:
        interrupted = True
    except (*_POOL_IS_GONE, StoreFull) as error:
        raise _stopped(error, store, study) from error
    return store.read(), interrupted


def _stopped(error: Exception, store: Store, study: Study) -> StudyStopped:
    way_out = "run it again with resume=True to go on" if store.path else "give out=FILE to be able to go on"
    content = store.read()
    done = f"{len(content.rows):,} of {counted(study.size, 'sample')} are there"
    return StudyStopped(f"the study stopped: {_reason(error)}; {done}", content, way_out)


def _reason(error: Exception) -> str:
    return str(error) or f"the executor ended ({type(error).__name__})"


def _sample(study: Study, pool: Pool, store: Store, progress: bool) -> bool:
    """Draw all samples that are not stored yet; return True if interrupted."""
    content = store.read()
    if _is_new(content, pool, store):
        _note_where(study, pool, store)
        content = store.read()
    with sampling_bar(study.size, len(content.rows), progress) as bar:
        return _Shift(pool, store, bar).work(iter(_tasks(pool, content)))


def _is_new(content: Content, pool: Pool, store: Store) -> bool:
    """True if the study has still to begin. Where it goes on it must be where it began: two kinds do not mix."""
    if not content.settings:
        return True
    for key, value in {"testbed": pool.kind, "era": pool.era}.items():
        there = content.facts.get(key, "not told")
        if there != value:
            raise ValueError(f"file {store.path}: its {key} is {there}, here it is {value}; begin another")
    return False


def _note_where(study: Study, pool: Pool, store: Store) -> None:
    """Store where the study runs, and the era and bound of every cell."""
    here = {"testbed": pool.kind, "era": pool.era}
    eras = ["socket-range" if pool.socket_ranges(cell.port_range) else here["era"] for cell in study.cells]
    bounds = [study.max_tries or cell.max_tries(era, study.start) for cell, era in zip(study.cells, eras, strict=True)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"kernel": pool.place.kernel, **here, "date": now, "seed": study.seed, "start": study.start}
    store.set_facts({**facts, "lab_version": _lab_version()}, list(zip(eras, bounds, strict=True)))


def _lab_version() -> str:
    try:
        return metadata.version("tcploop-lab")
    except metadata.PackageNotFoundError:
        return "not installed"


def _tasks(pool: Pool, content: Content) -> list[Task]:
    """The tasks of all missing samples, in random order.

    So rate and remaining time are those of the whole, and an interrupt leaves something of every cell.
    """
    study, first_address = content.study, _any_address()
    tasks = [
        task
        for index in range(len(study.cells))
        for task in _tasks_of(index, content, pool, first_address + index * study.samples)
    ]
    random.Random(study.seed).shuffle(tasks)
    return tasks


def _any_address() -> int:
    """A place in the ring of addresses. Those of an earlier run are just past their ports for 10 s."""
    return random.SystemRandom().randrange(ADDRESSES)


def _tasks_of(index: int, content: Content, pool: Pool, first_address: int) -> Iterator[Task]:
    cell, (era, max_tries), start = content.study.cells[index], content.settings[index], content.study.start
    lead_tries = cell.max_tries(era, start) if start == "return" else 0
    size = _samples_per_task(cell, era, start, max_tries)
    for gap in content.gaps(index):
        for begin in range(gap.start, gap.stop, size):
            numbers = range(begin, min(begin + size, gap.stop))
            yield Task(
                index, cell.port, cell.port_range, cell.client, max_tries, numbers, first_address + begin,
                lead_tries, pool.kind, pool.socket_ranges(cell.port_range),
            )  # fmt: skip


def _samples_per_task(cell: CellPlan, era: str, start: str, max_tries: int) -> int:
    law = cell.law(era, start)
    tries = min(max_tries, law.mean)  # min() keeps the first where the mean is nan: the port cannot loop
    shortest = SHORTEST_CHAIN if start == "return" and law.can_loop else 1
    return max(shortest, min(MOST_SAMPLES, ceil(TASK_TRIES / tries)))


class _Shift:
    """One run of a pool: keeps it busy, and stores what it brings."""

    def __init__(self, pool: Pool, store: Store, bar: Any) -> None:
        self._pool, self._store, self._bar = pool, store, bar
        self._working: dict[Future[Samples], tuple[Task, int]] = {}
        self._tries, self._began = 0, time.monotonic()

    def work(self, tasks: Iterator[Task]) -> bool:
        """Do all tasks; return True if an interrupt ended the work before."""
        with noted_interrupts() as noted:  # none cuts a commit in two
            try:
                while not noted.pressed:
                    for task in islice(tasks, self._pool.width - len(self._working)):
                        self._begin(task, 1)
                    if not self._working:
                        return False
                    done, _ = wait(self._working, _LOOK_EVERY, FIRST_COMPLETED)
                    for future in done:
                        self._finish(future)
                self._stop()
            except BaseException:
                self._pool.stop(self._working)
                raise
        return True

    def _begin(self, task: Task, attempt: int) -> None:
        limited = replace(task, seconds=self._time_for_a_task())
        self._working[self._pool.submit(limited)] = limited, attempt

    def _time_for_a_task(self) -> float:
        """So long that a kill costs no more than a part of what this run has done, and the work is little disturbed."""
        if not self._pool.place.is_shared:  # the same must come out again
            return math.inf
        return min(max(SHORTEST_TASK, (time.monotonic() - self._began) * LOST_SHARE), LONGEST_TASK)

    def _finish(self, future: Future[Samples]) -> None:
        task, attempt = self._working[future]
        try:
            samples = future.result()
            self._keep(task, samples)
            self._begin_the_rest(task, len(samples.tries))
        except WorkerDied:
            if attempt == ATTEMPTS:
                raise
            self._begin(replace(task, first_address=_any_address()), attempt + 1)
        del self._working[future]

    def _begin_the_rest(self, task: Task, done: int) -> None:
        """Go on with the samples for which the time of a task was too short."""
        if 0 < done < len(task.numbers):
            self._begin(replace(task, numbers=task.numbers[done:], first_address=task.first_address + done), 1)

    def _keep(self, task: Task, samples: Samples) -> None:
        self._store.add(task.cell, task.numbers, samples)
        self._tries += sum(samples.tries)
        self._bar.update(len(samples.tries))
        rate = self._tries / (time.monotonic() - self._began)
        self._bar.set_postfix_str(f"{rate:,.0f} tries/s", refresh=False)

    def _stop(self) -> None:
        """After an interrupt: keep what the running tasks have by now, and nothing of those that fail."""
        self._pool.stop(self._working)
        done, _ = wait(self._working, _STOP_GRACE)
        for future in done:
            if not future.cancelled() and future.exception() is None:
                self._keep(self._working[future][0], future.result())


def sampling_bar(total: int, stored: int, progress: bool) -> AbstractContextManager[Any]:
    """Return a bar of samples, of which some are `stored` already. It comes late, and goes away at the end."""
    what = {"total": total, "initial": stored, "unit": "sample", "desc": "sampling"}
    return passing_bar(**what, delay=_QUIET, disable=not progress)
