"""One worker process as the lab sees it: how it starts, what it says, how it ends.

It starts whatever this process has loaded: an isolated interpreter whose program comes by stdin, so that no variable
of the environment reaches it, and no debugger takes it for a program to be debugged (JupyterLab's rewrites the
arguments of each `python -c` and `python file` that is started).
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from ..errors import WorkerDied
from ..ports.ranges import PortRange
from . import wire
from .namespace import NamespaceRefused

START_TIMEOUT = 20.0  # seconds; a worker is up in well under one
END_TIMEOUT = 1.0  # seconds a worker gets to end by itself
STOPPED_TIMEOUT = 5.0  # seconds that a worker may be stopped (SIGSTOP) before it counts as dead
_LOOK_EVERY = 0.5  # seconds between two looks at a silent worker
_BOOT = "import sys; sys.path[:] = {path}; from tcploop_lab.stacks.worker import main; main{arguments}"
_NO_ROOM = {
    errno.EAGAIN: "end some of your processes, or allow more: ulimit -u",
    errno.EMFILE: "close what you no longer need, or allow more open files: ulimit -n 4096",
    errno.ENFILE: "this machine has too many open files",
    errno.ENOMEM: "free some memory",
}
_workers: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()


class WorkerProcess:
    """One worker process and the channel to it."""

    def __init__(self, private: bool, port_range: PortRange | None) -> None:
        ours, theirs = socket.socketpair()
        ends = (port_range.low, port_range.high) if port_range else None
        lifeline, ours_alive = os.pipe()
        self.channel, self._lifeline = ours, [ours_alive]
        self._sending = threading.Lock()
        _workers.add(self)
        boot = _BOOT.format(path=ascii(sys.path), arguments=(theirs.fileno(), lifeline, private, ends))
        try:
            self.process = _start(boot, theirs.fileno(), lifeline)
        except BaseException:
            self.forget()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self.info = self._wait_until_ready()

    def _wait_until_ready(self) -> dict[str, Any]:
        self.channel.settimeout(START_TIMEOUT)
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

    def send(self, message: Any) -> None:
        """Send one message, with which that of another thread does not mix. Errors are those of `wire.send`."""
        with self._sending:
            wire.send(self.channel, message)

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
        if not self._let_go():
            return
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.channel.close()

    def _let_go(self) -> bool:
        """Close the lifeline, whichever thread comes first; False if it was closed before."""
        with contextlib.suppress(IndexError):
            os.close(self._lifeline.pop())
            return True
        return False

    def forget(self) -> None:
        """Close this process's ends, and nothing else: the worker may be another process's, if this one is a fork."""
        self._let_go()
        self.channel.close()


def start_worker(private: bool, port_range: PortRange | None) -> WorkerProcess:
    """Return a new worker. WorkerDied where there is no room for one, NamespaceRefused where it may not be private."""
    if not hasattr(socket, "send_fds"):
        raise NamespaceRefused(errno.ENOSYS, "this system hands no socket from process to process, as Linux does")
    try:
        return WorkerProcess(private, port_range)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise WorkerDied(f"no worker process can be started ({error.strerror}): {_NO_ROOM[error.errno]}") from None


def _start(program: str, *descriptors: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-"],
        pass_fds=descriptors,
        stdin=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C at the terminal reaches the lab only
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # it ended at once, which the channel tells
        stdin.write(program.encode())
    return process


def _forget_all() -> None:
    """In a forked child: a copy of a lifeline would keep the worker of a lab that is gone."""
    for worker in list(_workers):
        worker.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _is_stopped(pid: int) -> bool:
    """True if a process is stopped by a signal (proc_pid_stat(5)); False where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False
