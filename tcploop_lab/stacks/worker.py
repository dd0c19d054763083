"""The worker process: enters its place, then runs one task after another until the lab lets go.

It is started by `executor.py` as a program of its own, because a namespace can only be entered by a process with one
thread, which a notebook kernel never is. It keeps to one thread: beside a second one, even an idle one, every system
call that takes a file descriptor costs more (fdget() in the kernel counts references only when a table is shared), and
the connect loop is made of such calls.

When the lab's process ends, however it ends, its end of the `lifeline` closes, and the worker ends at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from typing import Any

from ..ports.ranges import PortRange
from . import namespace, wire
from .task import Task, running

NAME = "tcploop-worker"  # what ps and top show
REPORT_EVERY = 0.1  # seconds between two reports of progress


class WorkerTask(Task):
    """A task of this process, whose lab listens on the channel."""

    def __init__(self, number: int, channel: socket.socket) -> None:
        self.number, self.channel = number, channel
        self._stopped, self._last = False, 0.0

    def stopped(self) -> bool:
        """True once the lab asked this task to stop."""
        while not self._stopped and _something_waits(self.channel):
            kind, number, *_ = _receive(self.channel)
            self._stopped = (kind, number) == ("stop", self.number)  # else a stop that came too late for its task
        return self._stopped

    def report(self, value: Any) -> None:
        """Tell the lab how far the task is; at most every `REPORT_EVERY` seconds one report is sent."""
        now = time.monotonic()
        if now - self._last >= REPORT_EVERY:
            self._last = now
            wire.send(self.channel, ("progress", self.number, value))


def main(descriptor: int, lifeline: int, private: bool, port_range: tuple[int, int] | None) -> None:
    """Run as a worker on the channel `descriptor`; `private` asks for namespaces of its own.

    `lifeline` is the reading end of a pipe on which nothing is ever written.
    """
    _end_with(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the lab's; it tells us to stop
    channel = socket.socket(fileno=descriptor)
    channel.setblocking(True)  # socket.setdefaulttimeout() in the lab's program made it one that does not wait
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:  # its command line is that of any Python
        name.write(NAME)
    try:
        greeting: tuple[str, Any] = ("ready", _enter(private, port_range))
    except OSError as error:
        greeting = ("refused", (error.errno or 0, error.strerror or str(error)))
    with contextlib.suppress(OSError):  # the lab may be gone before its worker is up
        wire.send(channel, greeting)
        _serve(channel)


def _end_with(lifeline: int) -> None:
    """Have the kernel end this process, whatever it is doing, when the other end of the pipe closes.

    fcntl(2), O_ASYNC: SIGIO comes when a pipe's last writer is gone; its default action is to end the process.
    PR_SET_PDEATHSIG would not do: it follows the thread that started this process, not the lab.
    """
    import fcntl

    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


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
    while True:
        try:
            kind, number, *call = _receive(channel)
        except Exception as error:  # a message that cannot be unpickled is an answer, not a crash
            kind, number, call = "task", -1, [_reraise, (error,), {}]
        if kind == "task":  # a stop that came too late for its task is for nobody
            task = WorkerTask(number, channel)
            _send_answer(task, _run(task, *call))


def _receive(channel: socket.socket) -> Any:
    try:
        return wire.receive(channel)
    except (EOFError, OSError):
        os._exit(0)  # the lab is gone


def _something_waits(channel: socket.socket) -> bool:
    try:
        channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        pass  # the lab is gone, which _receive() finds too
    return True


def _reraise(error: Exception) -> None:
    raise error


def _run(task: Task, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any]:
    try:
        with running(task):
            return "result", function(*args, **kwargs)
    except BaseException as error:
        return "error", error


def _send_answer(task: WorkerTask, answer: tuple[str, Any]) -> None:
    kind, value = answer
    try:
        wire.send(task.channel, (kind, task.number, value), hand_over=True)
    except OSError:
        os._exit(0)
    except Exception as error:
        wire.send(task.channel, ("error", task.number, TypeError(f"the result cannot be sent: {error}")))
