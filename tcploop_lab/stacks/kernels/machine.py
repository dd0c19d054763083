"""A kernel that runs as an ordinary process of this user, and the channel to the lab's part in it.

The process needs no right. It has no network but its own loopback, it and all its processes end when the lab lets go of
a pipe, and nothing of it stays. What starts it is `user_mode.py` or `emulated.py`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from ...errors import NotOnThisTestbed, WorkerDied
from ..task import Interrupts
from . import console, emulated, user_mode
from .program import no_place
from .table import Release

END_TIMEOUT = 2.0  # seconds it gets to switch itself off
_LOOK_EVERY = 0.1  # seconds, in which a Ctrl-C is noticed while it starts
_LAST_LINES = 4  # of what the kernel printed, when something went wrong
_NO_SPACE = "ran out of space"  # so says user-mode Linux, whose memory is a file
_GUEST = """import os, sys
sys.path[:] = {path!r}
child = os.fork()  # before the lab is loaded: a fork of user-mode Linux costs by the page
if not child:
    from tcploop_lab.stacks.kernels.guest import main
    main({settings!r})
while os.wait()[0] != child:  # of what is left behind the first process is the parent
    pass
import ctypes
ctypes.CDLL(None).reboot(0x4321FEDC)  # RB_POWER_OFF, reboot(2)
"""


class Machine:
    """One kernel that runs, and the channel to the lab's part in it."""

    def __init__(self, release: Release, files: Path, environment: dict[str, str]) -> None:
        self.release = release
        self._how = emulated if release.emulated else user_mode
        self._place = _new_place()
        self._printed: deque[str] = deque(maxlen=50)
        self._end = "ended"
        ours, theirs = socket.socketpair()
        lifeline, alive = os.pipe()
        self._alive = [alive]
        try:
            self.process = self._start(files, environment, theirs.fileno(), lifeline)
            _end_with(lifeline, self.process.pid)
        except BaseException:
            os.close(alive)
            ours.close()
            shutil.rmtree(self._place, ignore_errors=True)
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        with contextlib.suppress(OSError):
            self._place.rmdir()  # a machine needs no file of it, and who is killed removes nothing
        self._socket = ours
        self.channel = console.Channel(ours.fileno())
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def start_timeout(self) -> float:
        """Seconds that it may take until the lab's part answers."""
        return float(self._how.START_TIMEOUT)

    def wait_until_up(self, ctrl_c: Interrupts) -> None:
        """Wait until the lab's part answers, or somebody presses Ctrl-C: then it is ended.

        Raises NotOnThisTestbed if it panics or says nothing in time.
        """
        timeout, up = self.start_timeout, threading.Event()
        end = time.monotonic() + timeout
        threading.Thread(target=self._kill_unless, args=(up, end, ctrl_c), daemon=True).start()
        try:
            self.channel.receive(lambda name: None)
        except (EOFError, OSError):
            late = time.monotonic() >= end
            self.end()
            how = f"was not up within {timeout:g} s" if late else "ended while it started"
            if not ctrl_c.pressed:
                raise NotOnThisTestbed(f"kernel {self.release.version} {how}{self.last_words()}") from None
        finally:
            up.set()
        shutil.rmtree(self._place, ignore_errors=True)  # now, since who is killed removes nothing

    def _kill_unless(self, up: threading.Event, end: float, ctrl_c: Interrupts) -> None:
        while not up.wait(_LOOK_EVERY) and not ctrl_c.pressed and time.monotonic() < end:
            pass
        if not up.is_set():
            self.kill()

    def last_words(self) -> str:
        """Return what it printed last, or when it panicked, for an error."""
        self._listener.join(1.0)
        lines = [line for line in self._printed if line.strip()]
        panic = next((number for number, line in enumerate(lines) if "Kernel panic" in line), len(lines))
        told = " | ".join(lines[max(0, min(panic - 1, len(lines) - _LAST_LINES)) :][:_LAST_LINES])
        more = "; TMPDIR names another place for its memory" if _NO_SPACE in told else ""
        return f"; its last lines: {told}{more}" if told else "; it printed nothing"

    def died(self) -> WorkerDied:
        """Return the error for a kernel that is gone in the middle of a task."""
        return WorkerDied(f"kernel {self.release.version} {self._end}{self.last_words()}")

    def end(self) -> None:
        """Switch it off, or kill it if it does not within a moment, and remove what it kept in files."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_TIMEOUT)
        self.kill()
        self._socket.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def kill(self, why: str = "ended") -> None:
        """End every process of it at once; `why` is told to whom it breaks off."""
        self._end = why
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with contextlib.suppress(IndexError):
            os.close(self._alive.pop())

    def _settings(self, files: Path, environment: dict[str, str]) -> dict[str, Any]:
        return {
            "user": os.geteuid(),
            "group": os.getegid(),
            "environment": {**environment, "TMPDIR": "/dev/shm"},
            "directory": os.getcwd(),
            "random": os.urandom(64),
            "modules": [str(path) for path in sorted((files / "modules").glob("*.ko"))],
            "console": self._how.CONSOLE,
            "patience": self.start_timeout,  # what starts in it is slower by as much as it is itself
        }

    def _start(self, files: Path, environment: dict[str, str], channel: int, lifeline: int) -> subprocess.Popen[bytes]:
        guest = _GUEST.format(path=[*map(os.path.abspath, sys.path)], settings=self._settings(files, environment))
        program = self._how.program(self.release, files, self._place, guest, channel)
        kept = {"PATH": os.environ["PATH"]} if "PATH" in os.environ else {}
        place = os.path.abspath(tempfile.gettempdir())
        if (named := os.environ.get("TMPDIR")) and os.path.abspath(named) == place:  # else nothing can be kept there
            kept["TMPDIR"] = place  # for the file that is its memory
        try:
            return subprocess.Popen(
                program.arguments, cwd=files, env={**kept, **program.environment, "HOME": str(self._place)},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                pass_fds=(channel, lifeline, *program.descriptors), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            if error.filename is None:  # there is no room for a process
                raise
            why = "remove this folder and fetch it again, or name one where programs may run: XDG_CACHE_HOME"
            raise NotOnThisTestbed(f"{files}: {program.arguments[0]}: {error.strerror}; {why}") from None
        finally:
            for descriptor in program.descriptors:
                os.close(descriptor)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as printed:
            for line in printed:
                self._printed.append(line.decode(errors="replace").strip())


def _new_place() -> Path:
    """Make a folder that the kernel sees from the beginning, and whose name is one word of its command line."""
    try:
        place = os.path.realpath(tempfile.gettempdir())
        odd = place.startswith("/dev/") or len(place.split()) != 1  # over /dev it puts its own devices
        return Path(tempfile.mkdtemp(prefix="tcploop-kernel-", dir="/tmp" if odd else place))
    except OSError as error:
        raise no_place(error) from None


def _end_with(lifeline: int, group: int) -> None:
    """Have the system kill the process group when the other end of the pipe closes, however this process ends.

    fcntl(2): with F_SETSIG the signal of O_ASYNC is any; the settings belong to the open pipe, which the kernel's
    processes keep.
    """
    import fcntl  # there is none on Windows

    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -group)
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def environment() -> dict[str, Any]:
    """Return the variables that a program in the other kernel gets."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "COLUMNS", "NO_COLOR", "PYTHONPATH", "PYTHONUTF8")
    return {name: os.environ[name] for name in names if name in os.environ}
