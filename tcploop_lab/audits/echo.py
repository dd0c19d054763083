"""The control of an audit: an echo that gives back every byte, and the end, as the program's own socket would.

In a self-connection whatever is written is read again, a half close is read as the end of the stream, and a reset ends
all. An echo does the same. So a program that talks to it lives in the same world, but for the names of the two ends.

The best echo is the program's own socket, with another name for its peer: nftables gives each segment back with the
ports swapped (`stacks/redirect.py`), at once, and the port stays free. Where the kernel has none it is a listener, in a
process of its own: that answers some microseconds later, and holds the port.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import socket
from collections.abc import Iterator

from ..stacks import redirect

_ROOM = 256 << 10  # bytes of a connection that wait to be given back; then the echo reads no more, as a full socket
_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def echo(port: int, held: bool = False) -> Iterator[bool]:
    """Answer on `port` of every address of this network, until the block is left; yield True if a listener does.

    With `held` nobody else can have the port, as it is while somebody is connected to itself. The calling process has
    one thread. OSError if that is refused.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(mirror(port))
            stands_in = False
            if held:
                stack.enter_context(_bound(port))
        except OSError:
            stack.enter_context(listener(port))
            stands_in = True
        yield stands_in


@contextlib.contextmanager
def mirror(port: int) -> Iterator[None]:
    """The same by the caller's own socket, under another name. OSError where the kernel has no nftables."""
    redirect.mirror(port)
    try:
        yield
    finally:
        redirect.remove(mirrored=True)


@contextlib.contextmanager
def listener(port: int) -> Iterator[None]:
    """The same by a process that listens there."""
    with _bound(port) as server:
        server.listen(128)
        child = os.fork()
        if child == 0:
            _serve_until_killed(server)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):  # whoever ends all of the lab's ended it too
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _bound(port: int) -> socket.socket:
    """Return a socket that has the port of every address."""
    both = socket.has_dualstack_ipv6()
    server = socket.socket(socket.AF_INET6 if both else socket.AF_INET)
    if both:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("", port))
    return server


def _serve_until_killed(server: socket.socket) -> None:
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the lab's to answer
        _Echo(server).serve()
    finally:
        os._exit(1)


class _Echo:
    """All connections of one listener."""

    def __init__(self, server: socket.socket) -> None:
        server.setblocking(False)
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)
        self._waiting: dict[socket.socket, bytearray] = {}
        self._ended: set[socket.socket] = set()

    def serve(self) -> None:
        """Answer, without end."""
        while True:
            for key, events in self._selector.select():
                if key.fileobj is self._server:
                    self._accept()
                else:
                    self._answer(key.fileobj, events)  # type: ignore[arg-type]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was reset before it was accepted
            connection, _ = self._server.accept()
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._waiting[connection] = bytearray()
            self._selector.register(connection, selectors.EVENT_READ)

    def _answer(self, connection: socket.socket, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                self._read(connection)
            self._write(connection)
        except BlockingIOError:
            self._wait_for_more(connection)
        except OSError:  # a reset
            self._forget(connection)
        else:
            self._wait_for_more(connection)

    def _read(self, connection: socket.socket) -> None:
        data = connection.recv(_ROOM)
        self._waiting[connection] += data
        if not data:
            self._ended.add(connection)

    def _write(self, connection: socket.socket) -> None:
        waiting = self._waiting[connection]
        while waiting:
            del waiting[: connection.send(waiting)]

    def _wait_for_more(self, connection: socket.socket) -> None:
        waiting, ended = self._waiting[connection], connection in self._ended
        if ended and not waiting:
            self._forget(connection)  # close() sends the FIN: after the last byte, as in a self-connection
            return
        read = 0 if ended or len(waiting) >= _ROOM else selectors.EVENT_READ
        self._selector.modify(connection, read | (selectors.EVENT_WRITE if waiting else 0))

    def _forget(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        self._ended.discard(connection)
        del self._waiting[connection]
        connection.close()
