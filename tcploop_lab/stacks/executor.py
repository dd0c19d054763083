"""An executor whose workers live in private network namespaces (or, on request, on the host).

Why not concurrent.futures.ProcessPoolExecutor: its spawned workers import the caller's `__main__` again (a script
without a guard breaks), it leaves a resource-tracker process behind until the interpreter ends, its workers outlive a
killed parent, and a task can neither be stopped nor report how far it is. The interface is the same.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from ..errors import WorkerDied
from ..ports.ranges import PortRange
from . import linux, wire
from .namespace import NamespaceRefused

MAX_WORKERS = 64
_START_TIMEOUT = 20.0  # seconds; a worker is up in well under one
_END_TIMEOUT = 1.0  # seconds a worker gets to end by itself
STOPPED_TIMEOUT = 5.0  # seconds that a worker may be stopped (SIGSTOP) before it counts as dead
_LOOK_EVERY = 0.5  # seconds between two looks at a silent worker
_BOOT = "import sys; sys.path[:] = {path!r}; from tcploop_lab.stacks.worker import main; main{arguments}"


class _Worker:
    """One worker process and the channel to it."""

    def __init__(self, private: bool, port_range: PortRange | None) -> None:
        ours, theirs = socket.socketpair()
        ends = (port_range.low, port_range.high) if port_range else None
        lifeline, ours_alive = os.pipe()
        self._lifeline: int | None = ours_alive
        boot = _BOOT.format(path=sys.path, arguments=(theirs.fileno(), lifeline, private, ends))
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", boot],
                pass_fds=[theirs.fileno(), lifeline],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C at the terminal reaches the lab only
            )
        finally:
            theirs.close()
            os.close(lifeline)
        self.channel = ours
        self.info = self._wait_until_ready()

    def _wait_until_ready(self) -> dict[str, Any]:
        self.channel.settimeout(_START_TIMEOUT)
        try:
            kind, value = wire.receive(self.channel)
        except (EOFError, OSError) as error:
            self.end()
            raise WorkerDied(f"a worker process did not start: {error}") from None
        self.channel.settimeout(None)
        if kind == "refused":
            self.end()
            raise NamespaceRefused(*value)
        info: dict[str, Any] = value
        return info

    def wait_for_message(self) -> None:
        """Return when there is something to read. WorkerDied for a process that somebody has stopped (SIGSTOP)."""
        if self.channel.fileno() < 0:
            raise EOFError("the channel is closed")
        since = None
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        while not poll.poll(_LOOK_EVERY * 1000):
            since = (since or time.monotonic()) if _is_stopped(self.process.pid) else None
            if since and time.monotonic() - since >= STOPPED_TIMEOUT:
                raise WorkerDied(
                    f"the worker process was stopped from outside for {STOPPED_TIMEOUT:g} s and is ended; run it again"
                )

    def end(self) -> None:
        """Let go of the worker, which ends it; kill it if it does not."""
        if self._lifeline is None:
            return
        os.close(self._lifeline)
        self._lifeline = None
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.channel.close()


class NamespaceExecutor(Executor):
    """Runs functions in worker processes, each in a private network namespace of its own.

    `private=False` gives workers on the host's own network. Functions must be importable (not defined in a
    notebook). Raises NamespaceRefused when the system refuses namespaces.
    """

    def __init__(self, workers: int = 1, port_range: PortRange | None = None, private: bool = True) -> None:
        if not 1 <= workers <= MAX_WORKERS:
            raise ValueError(f"workers {workers!r}: give 1 to {MAX_WORKERS}")
        self._settings = (private, port_range)
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._running: dict[Future[Any], tuple[_Worker, int]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._workers = [_Worker(*self._settings)]
        self._threads: list[threading.Thread] = []
        for index in range(workers):
            thread = threading.Thread(target=self._manage, args=(index,), daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def here(self) -> linux.LinuxStack:
        """The stack of this process: its clock, and the waiting for sockets that came from a worker."""
        return linux.linux_stack()

    @property
    def closed(self) -> bool:
        """True once shutdown() was called."""
        return self._closed

    @property
    def workers(self) -> int:
        """How many worker processes there can be."""
        return len(self._threads)

    @property
    def info(self) -> dict[str, Any]:
        """What the oldest living worker says of itself: `pid` and `network`; empty once all have ended."""
        with self._lock:
            return self._workers[0].info if self._workers else {}

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(*args, **kwargs)` in a worker; its reports arrive in `future.reports`, newest last."""
        if self._closed:
            raise RuntimeError("this testbed is closed: open another one with open_testbed()")
        _importable(function)
        future: Future[Any] = Future()
        future.reports = []  # type: ignore[attr-defined]
        self._tasks.put((future, function, args, kwargs))
        return future

    def on_stack(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(stack, *args, **kwargs)` in a worker, with the stack of the worker's network."""
        _importable(function)
        return self.submit(linux.on_stack, function, args, kwargs)

    def run_beside(self, function: Callable[..., Any], *args: Any) -> threading.Thread:
        """Let a function run beside the caller, with sockets of the testbed, and return its thread."""
        return linux.linux_stack().run_beside(function, *args)

    def stop(self, future: Future[Any]) -> None:
        """Ask the task of `future` to return what it has. A task that has not begun is cancelled."""
        if future.cancel():
            return
        with self._lock:
            worker, number = self._running.get(future, (None, -1))
        if worker is not None:
            with contextlib.suppress(OSError):
                wire.send(worker.channel, ("stop", number))

    def _manage(self, index: int) -> None:
        """Own one worker for the executor's life: start it, feed it, and replace it when it dies."""
        worker: _Worker | None = self._workers[0] if index == 0 else None
        while (item := self._tasks.get()) is not None:
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
        self._tasks.put(None)  # the next thread's turn to end

    def _start(self) -> _Worker:
        worker = _Worker(*self._settings)
        with self._lock:
            self._workers.append(worker)
        return worker

    def _bury(self, worker: _Worker | None) -> None:
        if worker is not None:
            worker.end()
            with self._lock, contextlib.suppress(ValueError):
                self._workers.remove(worker)

    def _run(self, worker: _Worker, future: Future[Any], call: list[Any]) -> None:
        number = next(self._numbers)
        with self._lock:
            self._running[future] = (worker, number)
        try:
            wire.send(worker.channel, ("task", number, *call))
            kind, value = self._answer(worker, future)
        except (EOFError, OSError):
            raise WorkerDied("the worker process ended in the middle of its task; run it again") from None
        finally:
            with self._lock:
                self._running.pop(future)
        if kind == "result":
            future.set_result(value)
        else:
            future.set_exception(value)

    def _answer(self, worker: _Worker, future: Future[Any]) -> tuple[str, Any]:
        while True:
            worker.wait_for_message()
            kind, _, value = wire.receive(worker.channel)
            if kind != "progress":
                return kind, value
            future.reports.append(value)  # type: ignore[attr-defined]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all workers. Running tasks are stopped; with `wait` they may finish first."""
        if self._closed:
            return
        self._closed = True
        if cancel_futures:
            self._cancel_waiting()
        self._tasks.put(None)
        if not wait:
            self._end_workers()
        for thread in self._threads:
            thread.join(_START_TIMEOUT if wait else _END_TIMEOUT)
        self._end_workers()

    def _cancel_waiting(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._tasks.get_nowait()
                item[0].cancel()

    def _end_workers(self) -> None:
        with self._lock:
            workers, self._workers[:] = list(self._workers), []
        for worker in workers:
            worker.end()


def _importable(function: Callable[..., Any]) -> None:
    if getattr(function, "__module__", None) == "__main__":
        name = getattr(function, "__name__", function)
        raise ValueError(f"function {name}: a worker runs what it can import; put it in a module, not a notebook")


def _is_stopped(pid: int) -> bool:
    """True if a process is stopped by a signal (proc_pid_stat(5)); False where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False
