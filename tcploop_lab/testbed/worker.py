"""The worker process: enters its place, then runs one task after another until the lab lets go.

It is started by `executor.py` as a program of its own, because a namespace can only be entered by a process with one
thread, which a notebook kernel never is. When the lab's process ends, however it ends, the channel closes and the
worker ends at once.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from ..model.ports import PortRange
from . import namespace, wire

REPORT_EVERY = 0.1  # seconds between two reports of progress


@dataclass
class Task:
    """What a running function may ask of the process it runs in: was I stopped? and: report this."""

    number: int = -1
    channel: socket.socket | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    _last: float = 0.0

    def stopped(self) -> bool:
        """True once the lab asked this task to stop; it should return what it has."""
        return self.stop.is_set()

    def report(self, value: Any) -> None:
        """Tell the lab how far the task is; at most every `REPORT_EVERY` seconds one report is sent."""
        now = time.monotonic()
        if self.channel is not None and now - self._last >= REPORT_EVERY:
            self._last = now
            with self.lock:
                wire.send(self.channel, ("progress", self.number, value))


_current = Task()


def current_task() -> Task:
    """Return the task this process is working on (an idle one that never stops, outside a worker)."""
    return _current


def main(descriptor: int, private: bool, port_range: tuple[int, int] | None) -> None:
    """Run as a worker on the channel `descriptor`; `private` asks for namespaces of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the lab's; it tells us to stop
    channel = socket.socket(fileno=descriptor)
    try:
        greeting = ("ready", _enter(private, port_range))
    except OSError as error:
        greeting = ("refused", error.strerror or str(error))
    with contextlib.suppress(OSError):  # the lab may be gone before its worker is up
        wire.send(channel, greeting)
        _serve(channel)


def _enter(private: bool, port_range: tuple[int, int] | None) -> dict[str, Any]:
    if private:
        namespace.enter_private_network()
    network = namespace.network_id() if os.path.exists("/proc/self/ns/net") else "the host's"
    return {"pid": os.getpid(), "network": network, "range_set": private and _set_range(port_range)}


def _set_range(port_range: tuple[int, int] | None) -> bool:
    """Set the namespace's own range; False if /proc/sys is read-only, so that each socket must get it."""
    if port_range is None:
        return True
    try:
        namespace.write_port_range(PortRange(*port_range))
    except OSError:
        return False
    return True


def _serve(channel: socket.socket) -> None:
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lock = threading.Lock()
    threading.Thread(target=_listen, args=(channel, lock, tasks), daemon=True).start()
    while True:
        task, function, args, kwargs = tasks.get()
        _send_answer(task, _run(task, function, args, kwargs))


def _listen(channel: socket.socket, lock: threading.Lock, tasks: queue.SimpleQueue[Any]) -> None:
    newest = Task()  # a worker has one task at a time, so a stop is always for the newest
    while True:
        try:
            kind, number, *rest = wire.receive(channel)
        except (EOFError, OSError):
            os._exit(0)  # the lab is gone: end with it, whatever the task is doing
        except Exception as error:  # a message that cannot be unpickled is an answer, not a crash
            tasks.put((Task(-1, channel, lock), _reraise, (error,), {}))
            continue
        if kind == "task":
            newest = Task(number, channel, lock)
            tasks.put((newest, *rest))
        elif number == newest.number:
            newest.stop.set()


def _reraise(error: Exception) -> None:
    raise error


def _run(task: Task, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any]:
    global _current
    _current = task
    try:
        return "result", function(*args, **kwargs)
    except BaseException as error:
        error.remote_traceback = traceback.format_exc()  # type: ignore[attr-defined]
        return "error", error
    finally:
        _current = Task()


def _send_answer(task: Task, answer: tuple[str, Any]) -> None:
    kind, value = answer
    assert task.channel is not None
    with task.lock:
        try:
            wire.send(task.channel, (kind, task.number, value), hand_over=True)
        except OSError:
            os._exit(0)
        except Exception as error:
            wire.send(task.channel, ("error", task.number, TypeError(f"the result cannot be sent: {error}")))
