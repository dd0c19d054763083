"""What runs inside another kernel, beside its first process: it makes the place ready, and does what the lab sends.

It is started as root. It mounts what programs expect, becomes the user who started the kernel, and answers on
the console: the same frames as `console.py` reads. Tasks go to a `NamespaceExecutor`, as they would outside; what it
hands over as live sockets is kept here, and the lab gets their numbers.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import stat
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from . import console

_MOUNTS = (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/dev/shm"))
_APPEARS = 30.0  # seconds
_READ_ONLY = 0x21  # MS_REMOUNT | MS_RDONLY, mount(2)
_PR_CAPBSET_DROP = 24
_KEPT = {1, 31}  # CAP_DAC_OVERRIDE: whose files are on a read-only root; CAP_SETFCAP: root in a user namespace
_LAST_CAP = 40
_QUIET, _LOUD = "1", "7"  # which messages of the kernel are printed: proc_sys_kernel(5), printk
_libc = ctypes.CDLL(None, use_errno=True)


def main(settings: dict[str, Any]) -> None:
    """Make the place ready, and serve the lab until it lets go of the console. Does not return."""
    for kind, where in _MOUNTS:
        os.makedirs(where, exist_ok=True) if where == "/dev/shm" else None
        _libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None)
    _load(settings["modules"])
    _be_random(settings["random"])
    descriptor = _console(settings["console"])
    _libc.mount(None, b"/", None, _READ_ONLY, None)
    _serve_and_end(descriptor, settings)


def _console(where: str) -> int:
    """Open the console of the lab, a device of a class (sysfs(5)): the host's /dev may have no name for it."""
    import termios  # neither is there on Windows
    import tty

    end = time.monotonic() + _APPEARS
    while not (found := list(Path("/sys/class").glob(f"{where}/dev"))) and time.monotonic() < end:
        time.sleep(0.01)  # a device of a machine is found while the machine starts
    node = "/dev/shm/.console"  # this place is the guest's own
    os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(*map(int, found[0].read_text().split(":"))))
    descriptor = os.open(node, os.O_RDWR | os.O_NOCTTY)
    os.unlink(node)
    if os.isatty(descriptor):
        tty.setraw(descriptor, termios.TCSANOW)
    return descriptor


def _load(modules: Sequence[str]) -> None:
    """Load modules of the kernel, in this order; where one cannot be had, the lab says what is missing."""
    for path in modules:
        with contextlib.suppress(OSError):
            image = Path(path).read_bytes()
            if _libc.syscall(175, image, ctypes.c_ulong(len(image)), b""):
                print(path, os.strerror(ctypes.get_errno()))


def _be_random(seed: bytes) -> None:
    """Give the kernel randomness, for which an old one would wait for many seconds (random(4), RNDADDENTROPY)."""
    import fcntl  # there is none on Windows

    with open("/dev/random", "wb") as device:
        fcntl.ioctl(device, 0x40085203, struct.pack("ii", 8 * len(seed), len(seed)) + seed)


def _serve_and_end(descriptor: int, settings: dict[str, Any]) -> None:
    status = 1
    try:
        from .. import worker_process

        _become(settings["user"], settings["group"])
        os.environ.update(settings["environment"])
        with contextlib.suppress(OSError):
            os.chdir(settings["directory"])
        worker_process.START_TIMEOUT = settings["patience"]  # of every worker that starts here, a program's too
        Server(console.Channel(descriptor, guest=True)).serve()
        status = 0
    finally:
        os._exit(status)


def _become(user: int, group: int) -> None:
    """Give up the rights of this kernel's root: to mount, so that the host's files stay read-only, is one of them."""
    os.setsid()
    for right in set(range(_LAST_CAP + 1)) - _KEPT:
        _libc.prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if not user:  # the bounding set is taken into account by the next exec; it is the capabilities that count now
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        low = sum(1 << right for right in _KEPT)
        data = (ctypes.c_uint32 * 6)(low, low, low, 0, 0, 0)
        _libc.capset(header, data)


class Server:
    """Does what comes over the console. Calls on sockets wait in threads of their own."""

    def __init__(self, channel: console.Channel) -> None:
        self.channel = channel
        self.kept: dict[int, Any] = {}
        self.futures: dict[int, Callable[[], None]] = {}  # what stops each task
        self.executors: dict[int, Any] = {}
        self.command = 0  # the process of a command that runs
        self._stdin = -1

    def serve(self) -> None:
        """Answer until the other end is gone."""
        self.say("up", 0, None)
        with contextlib.suppress(EOFError, OSError):
            while True:
                kind, number, value = self.channel.receive(self._load)
                getattr(self, f"_do_{kind}")(number, value)
        if self.command:
            os.kill(self.command, signal.SIGKILL)

    def say(self, kind: str, number: int, value: Any) -> None:
        """Send one message; what cannot be sent is an error of its own."""
        try:
            self.channel.send((kind, number, value), self._save)
        except OSError:
            os._exit(0)
        except Exception as error:
            self.channel.send(("error", number, TypeError(f"the result cannot be sent: {error}")), self._save)

    def _save(self, value: Any) -> Any:
        """Keep a live thing here and name it; None for all else."""
        from ..linux import LivePacketSocket

        kinds = {LivePacketSocket: "packets", socket.socket: "socket"}
        for kind, name in kinds.items():
            if isinstance(value, kind):
                self.kept[id(value)] = value
                return name, id(value)
        return None

    def _load(self, name: Any) -> Any:
        return self.kept[name[1]]

    def _do_open(self, number: int, value: Any) -> None:
        self._answer(number, lambda: self._open(number, *value))

    def _open(self, number: int, workers: int, port_range: Any) -> dict[str, Any]:
        from ..executor import NamespaceExecutor

        self.executors[number] = NamespaceExecutor(workers, port_range)
        info: dict[str, Any] = self.executors[number].info
        return info

    def _do_close(self, number: int, value: Any) -> None:
        if number not in self.executors:
            return
        threading.Thread(target=self.executors.pop(number).shutdown, daemon=True).start()

    def _do_error(self, number: int, error: Exception) -> None:
        self.say("error", number, error)

    def _do_submit(self, number: int, value: Any) -> None:
        which, function, args, kwargs = value
        executor = self.executors[which]
        future = executor.submit(function, *args, **kwargs)
        future.reports = _Reports(partial(self.say, "progress", number))
        self.futures[number] = partial(executor.stop, future)
        future.add_done_callback(lambda done: self._done(number, done))

    def _done(self, number: int, future: Any) -> None:
        self.futures.pop(number, None)
        self._answer(number, future.result)

    def _do_stop(self, number: int, value: Any) -> None:
        if number in self.futures:
            self.futures[number]()

    def _do_call(self, number: int, value: Any) -> None:
        self._answer_beside(number, partial(_call, *value))

    def _do_wait(self, number: int, value: Any) -> None:
        self._answer_beside(number, partial(_readable, *value))

    def _do_drop(self, number: int, value: Any) -> None:
        with contextlib.suppress(KeyError, OSError):
            self.kept.pop(number).close()

    def _answer(self, number: int, work: Callable[[], Any]) -> None:
        try:
            self.say("result", number, work())
        except BaseException as error:
            self.say("error", number, error)

    def _answer_beside(self, number: int, work: Callable[[], Any]) -> None:
        """Answer when it is done, and meanwhile go on."""
        threading.Thread(target=self._answer, args=(number, work), daemon=True).start()

    def _do_command(self, number: int, work: Callable[[], int]) -> None:
        """Run a program, which returns its exit code, in a process of its own; what it prints is sent on."""
        stdin, self._stdin = os.pipe()
        pipes = [os.pipe(), os.pipe()]
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the program is there, which answers it
        self.command = os.fork()
        if not self.command:
            self.channel.close()
            _run_command(work, stdin, *(end for _, end in pipes))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for descriptor in (stdin, *(end for _, end in pipes)):
            os.close(descriptor)
        readers = [
            threading.Thread(target=self._pass_on, args=(which, end), daemon=True)
            for which, (end, _) in enumerate(pipes, 1)
        ]
        for reader in readers:
            reader.start()
        threading.Thread(target=self._end_of_command, args=(number, readers), daemon=True).start()

    def _pass_on(self, which: int, descriptor: int) -> None:
        while data := os.read(descriptor, 1 << 16):
            self.say("output", which, data)

    def _end_of_command(self, number: int, readers: Sequence[threading.Thread]) -> None:
        _, status = os.waitpid(self.command, 0)
        self.command = 0
        for reader in readers:
            reader.join(1.0)
        self.say("result", number, os.waitstatus_to_exitcode(status))

    def _do_input(self, number: int, data: bytes) -> None:
        """Hand on what was typed, and tell when it is taken; nothing means that no more comes."""
        self._answer_beside(number, partial(_type, self._stdin, data))

    def _do_interrupt(self, number: int, value: Any) -> None:
        """Hand on a Ctrl-C, and say that it came."""
        if self.command:
            os.kill(self.command, signal.SIGINT)
        self.say("result", number, None)


def _call(thing: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value = getattr(thing, method)
    return value(*args, **kwargs) if callable(value) else value


def _type(descriptor: int, data: bytes) -> None:
    if not data:
        os.close(descriptor)
    while data:
        data = data[os.write(descriptor, data) :]


def _readable(sockets: list[Any], timeout: float) -> list[int]:
    ready = select.select(sockets, [], [], timeout)[0]
    return [sockets.index(sock) for sock in ready]


class _Reports(list[Any]):
    """Reports of a task, each of which is told at once."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, value: Any) -> None:
        self._tell(value)


def _run_command(work: Callable[[], int], *ends: int) -> None:
    for number, end in enumerate(ends):
        os.dup2(end, number)
    code = 1
    try:
        os.closerange(3, 64)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        code = work()
    except ModuleNotFoundError as missing:
        code = 3
        print(
            f"tcploop: {missing}: a kernel in QEMU has Python and the lab alone; one of user-mode Linux has all",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)
