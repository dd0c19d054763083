"""A simulated socket with the methods, errors and return values of `socket.socket` (Modules/socketmodule.c)."""

from __future__ import annotations

import errno
import itertools
import socket
from collections.abc import Callable
from socket import MSG_PEEK
from typing import Any, TypeVar

from ...errors import NotOnThisTestbed
from . import calls, connecting, options
from .actors import in_turn
from .addresses import failure, parse, shown
from .end import End
from .kernel import CALL_SECONDS, Kernel
from .refusals import LONG_WAY, Refusals

_MSG_DONTWAIT = 0x40  # Linux's; other systems lack it
_MSG_NOSIGNAL = 0x4000
_KINDS = 0xF  # SOCK_NONBLOCK and SOCK_CLOEXEC lie above
_FIRST_NUMBER = 1 << 20  # no descriptor of this process is so high: select() cannot take one for another
_Result = TypeVar("_Result")
_numbers = itertools.count(_FIRST_NUMBER)


@in_turn(
    "bind", "listen", "accept", "send", "recv", "shutdown", "close", "dup", "setsockopt", "getsockopt", "settimeout"
)  # fmt: skip
class SimulatedSocket:
    """A TCP socket of the simulated kernel. Threads may share it: their calls take turns."""

    proto = 0

    def __init__(self, kernel: Kernel, family: int, end: End | None = None) -> None:
        self.family, self.type = socket.AddressFamily(family), socket.SOCK_STREAM
        self.end: End = end or End(kernel, family)
        self.receive_timeout: float | None = None  # SO_RCVTIMEO
        self.send_timeout: float | None = None  # SO_SNDTIMEO
        self.kept: dict[tuple[int, int], int] = {}
        self._kernel = kernel
        self._turn = kernel.actors.turn
        self._timeout: float | None = socket.getdefaulttimeout()
        self._number = next(_numbers)
        self._refusals: Refusals | None = None

    # Opening

    def bind(self, address: Any) -> None:
        """As `socket.bind`."""
        self._check_open()
        self._refusals = None
        calls.bind(self.end, parse(self.family, address, "bind"))

    def listen(self, backlog: int = min(socket.SOMAXCONN, 128)) -> None:
        """As `socket.listen`."""
        self._check_open()
        calls.listen(self.end, max(0, backlog))

    def connect_ex(self, address: Any) -> int:
        """As `socket.connect_ex`. A try that is refused like the one before it takes a short way."""
        lock = self._turn.lock
        if not lock.acquire(False):  # another thread's turn, or this one acts in it
            with self._turn:
                return self._connect_ex(address)
        try:
            return self._connect_ex(address)
        finally:
            lock.release()

    def _connect_ex(self, address: Any) -> int:
        refusals = self._refusals
        if refusals is None and self._timeout is None:
            latest = self._kernel.refusals
            refusals = latest if latest is not None and latest.fit(self.end) else None
        if refusals is not None and refusals.hold(address):
            self._refusals = refusals
            error = refusals.again(self.end)
            if error != LONG_WAY:
                return error
        self._refusals, before = None, self._kernel.changes
        error = self._connect(address)
        if error == errno.ECONNREFUSED and self._timeout is None:
            target = parse(self.family, address, "connect")
            self._refusals = self._kernel.refusals = Refusals.after(self.end, address, target, before)
        return error

    def connect(self, address: Any) -> None:
        """As `socket.connect`."""
        error = self.connect_ex(address)
        if error == errno.EAGAIN and self._timeout:
            raise TimeoutError("timed out")
        if error:
            raise failure(error)

    def _connect(self, address: Any) -> int:
        target = parse(self.family, address, "connect")
        if self._number < 0:
            return errno.EBADF
        try:
            connecting.connect(self.end, target, self._patience(self.send_timeout, polled=True))
        except OSError as error:
            number = error.errno or errno.EIO
            return self._poll_connect() if number == errno.EINPROGRESS and self._timeout else number
        return 0

    def _poll_connect(self) -> int:
        """With a timeout, Python calls once without blocking, then waits and asks for SO_ERROR."""
        if not self._kernel.actors.wait(lambda: not self.end.opening, self._timeout, "connect()"):
            return errno.EAGAIN
        return self.end.take_error()

    def accept(self) -> tuple[SimulatedSocket, tuple[Any, ...]]:
        """As `socket.accept`."""
        self._check_open()
        child = self._blocking(lambda patience: calls.accept(self.end, patience), self.receive_timeout)
        made = SimulatedSocket(self._kernel, self.family, child)
        return made, shown(self.family, child.peer or ("", 0))

    # Data

    def send(self, data: Any, flags: int = 0) -> int:
        """As `socket.send`."""
        self._check_open()
        view = bytes(memoryview(data).cast("B"))
        self._check_flags("send", flags, _MSG_DONTWAIT | _MSG_NOSIGNAL)
        return self._blocking(lambda patience: calls.send(self.end, view, patience), self.send_timeout, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """As `socket.sendall`."""
        view = bytes(memoryview(data).cast("B"))
        sent = 0
        while True:
            sent += self.send(view[sent:], flags)
            if sent >= len(view):
                return

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As `socket.recv`."""
        self._check_open()
        if size < 0:
            raise ValueError("negative buffersize in recv")
        self._check_flags("recv", flags, _MSG_DONTWAIT | MSG_PEEK)
        options = self.receive_timeout, flags
        return self._blocking(lambda patience: calls.receive(self.end, size, patience, flags), *options)

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """As `socket.recv_into`."""
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view), flags)
        view[: len(data)] = data
        return len(data)

    # Closing

    def shutdown(self, how: int) -> None:
        """As `socket.shutdown`."""
        self._check_open()
        self._refusals = None
        calls.shutdown(self.end, how)

    def close(self) -> None:
        """As `socket.close`."""
        if self._number >= 0:
            self._number, self._refusals = -1, None
            self.end.descriptors -= 1
            if not self.end.descriptors:
                calls.close(self.end)

    def dup(self) -> SimulatedSocket:
        """As `socket.dup`: one socket with two descriptors, which ends with the last of them."""
        self._check_open()
        self.end.descriptors += 1
        copy = SimulatedSocket(self._kernel, self.family, self.end)
        copy.settimeout(self._timeout)
        return copy

    def __enter__(self) -> SimulatedSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A socket that nobody holds any more is closed, as Python closes a real one.
        if getattr(self, "_number", -1) >= 0:
            self._number = -1
            self.end.descriptors -= 1
            if not self.end.descriptors:
                self._kernel.abandon(self.end)

    # Questions and settings

    def fileno(self) -> int:
        """Return a number that no descriptor of this process has; -1 once closed."""
        return self._number

    def getsockname(self) -> tuple[Any, ...]:
        """As `socket.getsockname`: after a refused connect() it still shows the port that was tried."""
        self._check_open()
        end = self.end
        return shown(self.family, (end.source, end.shown_port))

    def getpeername(self) -> tuple[Any, ...]:
        """As `socket.getpeername`."""
        self._check_open()
        if self.end.peer is None or self.end.state.value in ("CLOSED", "SYN-SENT", "LISTEN"):
            raise failure(errno.ENOTCONN)
        return shown(self.family, self.end.peer)

    def setsockopt(self, level: int, name: int, value: Any, size: int | None = None) -> None:
        """As `socket.setsockopt`, with Linux's numbers on every system."""
        self._check_open()
        self._refusals = None
        options.set_option(self, level, name, value)

    def getsockopt(self, level: int, name: int, size: int | None = None) -> int | bytes:
        """As `socket.getsockopt`, with Linux's numbers on every system."""
        self._check_open()
        return options.get_option(self, level, name, size)

    def settimeout(self, seconds: float | None) -> None:
        """As `socket.settimeout`; the seconds are those of the simulated clock."""
        self._check_open()
        if seconds is not None and seconds < 0:
            raise ValueError("Timeout value out of range")
        self._timeout, self._refusals = seconds, None

    def gettimeout(self) -> float | None:
        """As `socket.gettimeout`."""
        return self._timeout

    timeout = property(gettimeout)

    def setblocking(self, flag: bool) -> None:
        """As `socket.setblocking`."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """As `socket.getblocking`."""
        return self._timeout != 0

    @property
    def can_read(self) -> bool:
        """True if select() would call it readable."""
        self._check_open()
        return calls.can_read(self.end)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(socket.socket, name):
            raise NotOnThisTestbed(f"socket.{name}: the simulated kernel does not know this call; use a live testbed")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        if self._number < 0:
            return "<SimulatedSocket [closed]>"
        return f"<SimulatedSocket {self.end.state}, {self.end.written(self.end.source, self.end.shown_port)}>"

    # Inside

    def _check_open(self) -> None:
        if self._number < 0:
            raise failure(errno.EBADF)

    def _check_flags(self, call: str, flags: int, known: int) -> None:
        if flags & ~known:
            raise NotOnThisTestbed(f"{call}(flags={flags:#x}): the simulated kernel does not know these flags")

    def _patience(self, option: float | None, flags: int = 0, polled: bool = False) -> float | None:
        """How long a call may block: settimeout() comes before SO_RCVTIMEO and SO_SNDTIMEO."""
        if flags & _MSG_DONTWAIT or self._timeout == 0 or (polled and self._timeout is not None):
            return 0.0
        return option if self._timeout is None else self._timeout

    def _blocking(self, call: Callable[[float | None], _Result], option: float | None, flags: int = 0) -> _Result:
        try:
            return call(self._patience(option, flags))
        except BlockingIOError:
            if self._timeout and not flags & _MSG_DONTWAIT:
                raise TimeoutError("timed out") from None
            raise


def make_socket(kernel: Kernel, family: int, kind: int) -> SimulatedSocket:
    """Return a new TCP socket. NotOnThisTestbed for another kind."""
    if family not in (socket.AF_INET, socket.AF_INET6) or kind & _KINDS != socket.SOCK_STREAM:
        raise NotOnThisTestbed(
            f"socket(family {family}, kind {kind}): the simulated kernel has TCP over IPv4 and IPv6 only"
        )
    kernel.clock.now += CALL_SECONDS
    return SimulatedSocket(kernel, family)
