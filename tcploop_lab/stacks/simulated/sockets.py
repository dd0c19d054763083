"""A simulated socket with the methods, errors and return values of `socket.socket` (Modules/socketmodule.c)."""

from __future__ import annotations

import errno
import itertools
import math
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from operator import index
from socket import MSG_PEEK
from typing import Any, TypeVar

from ...errors import NotOnThisTestbed
from . import calls, connecting, options
from .actors import in_turn
from .addresses import c_int, failure, parse, shown
from .end import End, Phase
from .kernel import CALL_SECONDS, Kernel
from .refusals import LONG_WAY, Refusals

_MSG_DONTWAIT = 0x40  # Linux's; other systems lack it
_MSG_NOSIGNAL = 0x4000
_SOCK_NONBLOCK = 0o4000
_KINDS = 0xF  # SOCK_NONBLOCK and SOCK_CLOEXEC lie above
_MOST_SECONDS = 2**63 / 1e9  # of a timeout: Python counts nanoseconds in 64 bits
_FIRST_NUMBER = 1 << 20  # no descriptor of this process is so high: select() cannot take one for another
_Result = TypeVar("_Result")
_numbers = itertools.count(_FIRST_NUMBER)


@in_turn(
    "bind", "listen", "accept", "_send", "_ask", "shutdown", "close", "dup", "setsockopt", "getsockopt",
    "settimeout",
)  # fmt: skip
class SimulatedSocket:
    """A TCP socket of the simulated kernel. Threads may share it: their calls take turns."""

    proto = 0

    def __init__(self, kernel: Kernel, family: int, end: End | None = None) -> None:
        self.family, self.type = socket.AddressFamily(family), socket.SOCK_STREAM
        self.end: End = end or End(kernel, family)
        self._kernel = kernel
        self._turn = kernel.actors.turn
        self._timeout: float | None = socket.getdefaulttimeout()
        self._number = next(_numbers)
        self._refusals: Refusals | None = None
        self._io_refs, self._closed = 0, False  # files of makefile() that are open; close() was called

    # Opening

    def bind(self, address: Any) -> None:
        """As `socket.bind`."""
        name = parse(self.family, address, "bind")
        self._check_open()
        self._refusals = None
        calls.bind(self.end, name)

    def listen(self, backlog: int = min(socket.SOMAXCONN, 128), /) -> None:
        """As `socket.listen`."""
        room = c_int(backlog)
        self._check_open()
        calls.listen(self.end, max(0, room))

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
        begins = self.end.phase is Phase.UNCONNECTED  # else the error is that of a call before, perhaps to another name
        error = self._connect(address)
        if begins and error == errno.ECONNREFUSED and self._timeout is None:
            target = parse(self.family, address, "connect")
            self._refusals = self._kernel.refusals = Refusals.after(self.end, address, target, before)
        return error

    def connect(self, address: Any, /) -> None:
        """As `socket.connect`."""
        parse(self.family, address, "connect")  # its errors are told as this call's
        error = self.connect_ex(address)
        if error == errno.EAGAIN and self._timeout:
            raise TimeoutError("timed out")
        if error:
            raise failure(error)

    def _connect(self, address: Any) -> int:
        target = parse(self.family, address, "connect_ex")
        if self._number < 0:
            return errno.EBADF
        patience = self.end.send_timeout if self._timeout is None else 0.0
        try:
            connecting.connect(self.end, target, patience)
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
        option = self.end.receive_timeout
        child = self._call(partial(calls.accept, self.end), calls.can_read, option, self._timeout)
        made = SimulatedSocket(self._kernel, self.family, child)
        return made, shown(self.family, child.peer or ("", 0))

    # Data

    def send(self, data: Any, flags: int = 0, /) -> int:
        """As `socket.send`."""
        return self._send(_buffer(data), flags, self._timeout)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As `socket.sendall`: a timeout is one for all of it."""
        rest, clock, timeout = _buffer(data), self._kernel.clock, self._timeout
        deadline = clock.now + (timeout or 0.0)
        while True:
            rest = rest[self._send(rest, flags, timeout) :]
            if not rest:
                return
            timeout = timeout and max(deadline - clock.now, sys.float_info.min)

    def sendto(self, data: Any, *more: Any) -> int:
        """As `socket.sendto`, with flags or without: TCP sends where it is connected to, whatever the address."""
        if not 1 <= len(more) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(more)} given)")
        parse(self.family, more[-1], "sendto")
        return self.send(data, *more[:-1])

    def _send(self, data: memoryview, flags: int, timeout: float | None) -> int:
        _check_flags("send", flags, _MSG_DONTWAIT | _MSG_NOSIGNAL)
        self._check_open()
        option = self.end.send_timeout
        return self._call(partial(calls.send, self.end, data), calls.can_write, option, timeout, flags)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As `socket.recv`."""
        return self._receive(_size(size, "recv"), flags)

    def recvfrom(self, size: int, flags: int = 0, /) -> tuple[bytes, None]:
        """As `socket.recvfrom`: TCP names no sender."""
        return self._ask(_size(size, "recvfrom"), flags), None

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As `socket.recv_into`."""
        view, size = memoryview(buffer).cast("B"), _size(nbytes, "recv_into")
        if view.readonly:
            kind = type(buffer).__name__
            raise TypeError(f"recv_into() argument 1 must be read-write bytes-like object, not {kind}")
        if size > len(view):
            raise ValueError("buffer too small for requested bytes")
        data = self._receive(size or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def _receive(self, size: int, flags: int) -> bytes:
        return self._ask(size, flags) if size else b""  # for nothing Python does not ask the kernel

    def _ask(self, size: int, flags: int) -> bytes:
        _check_flags("recv", flags, _MSG_DONTWAIT | MSG_PEEK)
        self._check_open()
        call = partial(calls.receive, self.end, size, flags=flags)
        return self._call(call, calls.can_read, self.end.receive_timeout, self._timeout, flags)

    makefile = socket.socket.makefile
    _decref_socketios = socket.socket._decref_socketios  # type: ignore[attr-defined]

    # Closing

    def shutdown(self, how: int, /) -> None:
        """As `socket.shutdown`."""
        direction = c_int(how)
        self._check_open()
        self._refusals = None
        calls.shutdown(self.end, direction)

    def close(self) -> None:
        """As `socket.close`: a file of makefile() keeps it open."""
        self._closed = True
        if self._number >= 0 and not self._io_refs:
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
        options.set_option(self.end, level, name, value, size)

    def getsockopt(self, level: int, name: int, size: int | None = None) -> int | bytes:
        """As `socket.getsockopt`, with Linux's numbers on every system."""
        self._check_open()
        return options.get_option(self.end, level, name, size)

    def settimeout(self, seconds: float | None) -> None:
        """As `socket.settimeout`; the seconds are those of the simulated clock."""
        self._timeout, self._refusals = _timeout(seconds), None
        self._check_open()

    def gettimeout(self) -> float | None:
        """As `socket.gettimeout`."""
        return self._timeout

    timeout = property(gettimeout)

    def setblocking(self, flag: bool) -> None:
        """As `socket.setblocking`."""
        self.settimeout(None if c_int(flag) else 0.0)

    def getblocking(self) -> bool:
        """As `socket.getblocking`."""
        return self._timeout != 0

    @property
    def can_read(self) -> bool:
        """True if select() would call it readable, which refuses one that is closed."""
        if self._number < 0:
            raise ValueError("file descriptor cannot be a negative integer (-1)")
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

    def _call(
        self, call: Callable[[float | None], _Result], ready: Callable[[End], bool],
        option: float | None, timeout: float | None, flags: int = 0,
    ) -> _Result:  # fmt: skip
        """Make a call that may block. With a timeout Python does not block in it, but waits until it would not."""
        if not timeout:
            return call(0.0 if timeout == 0 or flags & _MSG_DONTWAIT else option)
        deadline = self._kernel.clock.now + timeout
        while self._kernel.actors.wait(lambda: ready(self.end), deadline - self._kernel.clock.now, "poll()"):
            with suppress(BlockingIOError):
                return call(0.0)
        raise TimeoutError("timed out")


def _buffer(data: Any) -> memoryview:
    """What Python hands to the kernel as data."""
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return memoryview(view.tobytes())


def _size(size: Any, call: str) -> int:
    number = index(size)
    if number < 0:
        raise ValueError(f"negative buffersize in {call}")
    if number > sys.maxsize:
        raise OverflowError("cannot fit 'int' into an index-sized integer")
    return number


def _timeout(seconds: Any) -> float | None:
    """What settimeout() makes of its argument (_PyTime_FromSecondsObject)."""
    if seconds is None:
        return None
    value = seconds if isinstance(seconds, float) else float(index(seconds))
    if math.isnan(value):
        raise ValueError("Invalid value NaN (not a number)")
    if abs(value) >= _MOST_SECONDS:
        raise OverflowError("timestamp too large to convert to C _PyTime_t")
    if value < 0:
        raise ValueError("Timeout value out of range")
    return value


def _check_flags(call: str, flags: Any, known: int) -> None:
    if index(flags) & ~known:
        raise NotOnThisTestbed(f"{call}(flags={flags:#x}): the simulated kernel does not know these flags")


def make_socket(kernel: Kernel, family: int, kind: int) -> SimulatedSocket:
    """Return a new TCP socket. NotOnThisTestbed for another kind."""
    family, kind = c_int(family), c_int(kind)
    if family not in (socket.AF_INET, socket.AF_INET6) or kind & _KINDS != socket.SOCK_STREAM:
        raise NotOnThisTestbed(
            f"socket(family {family}, kind {kind}): the simulated kernel has TCP over IPv4 and IPv6 only"
        )
    kernel.clock.now += CALL_SECONDS
    made = SimulatedSocket(kernel, family)
    if kind & _SOCK_NONBLOCK:
        made.setblocking(False)
    return made
