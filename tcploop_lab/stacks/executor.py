"""An executor whose workers live in private network namespaces (or, on request, on the host).

Why not concurrent.futures.ProcessPoolExecutor: its spawned workers import the caller's `__main__` again (a script
without a guard breaks), it leaves a resource-tracker process behind until the interpreter ends, its workers outlive a
killed parent, and a task can neither be stopped nor report how far it is. The interface is the same.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from ..errors import WorkerDied
from ..ports.ranges import PortRange
from . import linux, wire
from .namespace import network_id
from .stack import OfOneProcess
from .worker_process import END_TIMEOUT, START_TIMEOUT, WorkerProcess, start_worker

MAX_WORKERS = 64


class InWorkers(OfOneProcess, Executor):
    """What executors have in common whose functions run in worker processes, here or in another kernel."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        if not 1 <= workers <= MAX_WORKERS:
            raise ValueError(f"workers {workers!r}: give 1 to {MAX_WORKERS}")
        self.workers = workers  # how many worker processes there can be

    def on_stack(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(stack, *args, **kwargs)` in a worker, with the stack of the worker's network."""
        importable(function)
        return self.submit(linux.on_stack, function, args, kwargs)


class NamespaceExecutor(InWorkers):
    """Runs functions in worker processes, each in a private network namespace of its own.

    `private=False` gives workers on the host's own network. Functions must be importable (not defined in a
    notebook). Its processes end with `shutdown`, with this process, and when nobody refers to it any more and what was
    submitted is done. Raises NamespaceRefused when the system refuses namespaces.
    """

    def __init__(self, workers: int = 1, port_range: PortRange | None = None, private: bool = True) -> None:
        super().__init__(workers)
        self._crew = _Crew(private, port_range)
        self._threads = [
            threading.Thread(target=self._crew.manage, args=(n == 0,), daemon=True) for n in range(workers)
        ]
        self._start_threads()
        weakref.finalize(self, self._crew.tasks.put, None).atexit = False

    def _start_threads(self) -> None:
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:  # the limit of threads and processes
            self._crew.end_workers()
            raise WorkerDied(f"{error}: end some of your processes, or allow more: ulimit -u") from None

    @property
    def here(self) -> linux.LinuxStack:
        """The stack of this process: its clock, and the waiting for sockets that came from a worker."""
        return linux.linux_stack()

    @property
    def kind(self) -> str:
        """Namespace or host: whether it really has a network of its own."""
        return "host" if self.info["network"] in ("the host's", network_id()) else "namespace"

    @property
    def info(self) -> dict[str, Any]:
        """What the oldest living worker says of itself: `pid` and `network`; empty once all have ended."""
        self.must_be_at_home()
        with self._crew.lock:
            return self._crew.workers[0].info if self._crew.workers else {}

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(*args, **kwargs)` in a worker; its reports arrive in `future.reports`, newest last."""
        self.must_be_usable()
        importable(function)
        future: Future[Any] = Future()
        future.reports = []  # type: ignore[attr-defined]
        self._crew.tasks.put((future, function, args, kwargs))
        return future

    def stop(self, future: Future[Any]) -> None:
        """Ask the task of `future` to return what it has. A task that has not begun is cancelled."""
        if self.elsewhere or future.cancel():
            return
        self._crew.stop(future)

    def sibling(self, workers: int, port_range: PortRange | None) -> NamespaceExecutor:
        """Return one more, on private networks or on the host as this one. Raises NamespaceRefused."""
        return NamespaceExecutor(workers, port_range, self._crew.private)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all workers. Running tasks are stopped; with `wait` they may finish first. A fork of it ends nothing."""
        if self.closed or self.elsewhere:
            return
        self.closed = True
        if cancel_futures:
            self._crew.cancel_waiting()
        self._crew.tasks.put(None)
        if not wait:
            self._crew.end_workers()
        for thread in self._threads:
            thread.join(START_TIMEOUT if wait else 2 * END_TIMEOUT)
        self._crew.end_workers()


class _Crew:
    """The workers of an executor and what is to be done. Its threads refer to it, so that nobody keeps the executor."""

    def __init__(self, private: bool, port_range: PortRange | None) -> None:
        self.private = private
        self._settings = (private, port_range)
        self.tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self._stoppable: dict[Future[Any], tuple[WorkerProcess, int]] = {}  # sent to its worker, and not stopped yet
        self._stopped: weakref.WeakSet[Future[Any]] = weakref.WeakSet()
        self._numbers = itertools.count()
        self.workers = [start_worker(*self._settings)]

    def manage(self, is_first: bool) -> None:
        """Own one worker for the executor's life: start it, feed it, and replace it when it dies."""
        worker: WorkerProcess | None = self.workers[0] if is_first else None
        while (item := self.tasks.get()) is not None:
            future, *call = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                worker = worker or self._start()
                self._run(worker, future, call)
            except WorkerDied as error:
                self._bury(worker)
                worker = None
                future.set_exception(error)
            except BaseException as error:
                future.set_exception(error)
            del item, future, call  # what they hold is not held until the next task
        self.tasks.put(None)  # the next thread's turn to end
        self._bury(worker)

    def _start(self) -> WorkerProcess:
        worker = start_worker(*self._settings)
        with self.lock:
            self.workers.append(worker)
        return worker

    def _bury(self, worker: WorkerProcess | None) -> None:
        if worker is not None:
            worker.end()
            with self.lock, contextlib.suppress(ValueError):
                self.workers.remove(worker)

    def _run(self, worker: WorkerProcess, future: Future[Any], call: list[Any]) -> None:
        number = next(self._numbers)
        try:
            worker.send(("task", number, *call))
            with self.lock:
                self._stoppable[future] = worker, number
                stopped = future in self._stopped
            if stopped:
                self.stop(future)
            kind, value = self._answer(worker, future)
        except (EOFError, OSError):
            raise WorkerDied("the worker process ended in the middle of its task; run it again") from None
        finally:
            with self.lock:
                self._stoppable.pop(future, None)
        if kind == "result":
            future.set_result(value)
        else:
            future.set_exception(value)

    def stop(self, future: Future[Any]) -> None:
        """Pass one stop on to the worker that has the task; until one has it whole, keep it, and wait for nobody."""
        with self.lock:
            self._stopped.add(future)
            worker, number = self._stoppable.pop(future, (None, -1))
        if worker is not None:
            with contextlib.suppress(OSError):
                worker.send(("stop", number))

    def _answer(self, worker: WorkerProcess, future: Future[Any]) -> tuple[str, Any]:
        while True:
            worker.wait_for_message()
            kind, _, value = wire.receive(worker.channel)
            if kind != "progress":
                return kind, value
            future.reports.append(value)  # type: ignore[attr-defined]

    def cancel_waiting(self) -> None:
        """Cancel what nobody has begun."""
        with contextlib.suppress(queue.Empty):
            while True:
                item = self.tasks.get_nowait()
                item[0].cancel()

    def end_workers(self) -> None:
        """End every worker, whatever it does."""
        with self.lock:
            workers, self.workers[:] = list(self.workers), []
        for worker in workers:
            worker.end()


def importable(function: Callable[..., Any]) -> None:
    """Raise ValueError for a function that a worker could not import."""
    if getattr(function, "__module__", None) == "__main__":
        name = getattr(function, "__name__", function)
        raise ValueError(f"function {name}: a worker runs what it can import; put it in a module, not a notebook")
