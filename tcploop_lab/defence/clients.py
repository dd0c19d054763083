"""The defences themselves: clients and servers of a few lines each, as one would write them in a program.

Each takes the function that makes its sockets, `socket.socket` unless told otherwise, so that the lab can hand it
sockets of a private network. A client that refuses its own connection raises what a refused connect() raises: whoever
called it retries as for any server that is down.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable

Address = tuple[str, int]
NewSocket = Callable[[], socket.socket]
Wait = Callable[[float], None]

_NOT_ME = "that was my own socket"


def __dir__() -> list[str]:
    """Return the functions, which Tab offers, and nothing that they use."""
    return [name for name, value in globals().items() if getattr(value, "__module__", "") == __name__]


def dial(address: Address, new_socket: NewSocket = socket.socket) -> socket.socket:
    """Return a connected socket. No defence at all: it may be connected to itself."""
    sock = new_socket()
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def close_with_reset(sock: socket.socket) -> None:
    """Close the socket by a reset, which leaves no TIME-WAIT behind: SO_LINGER on, 0 seconds (socket(7))."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def dial_and_compare(address: Address, new_socket: NewSocket = socket.socket) -> socket.socket:
    """Detect and reset: both ends have one name, so it is my own socket."""
    sock = dial(address, new_socket)
    if sock.getsockname() == sock.getpeername():
        close_with_reset(sock)
        raise ConnectionRefusedError(errno.ECONNREFUSED, _NOT_ME)
    return sock


def dial_and_close(address: Address, new_socket: NewSocket = socket.socket) -> socket.socket:
    """Detect, and close in order: the client is safe, but TIME-WAIT keeps the port from the server."""
    sock = dial(address, new_socket)
    if sock.getsockname() == sock.getpeername():
        sock.close()
        raise ConnectionRefusedError(errno.ECONNREFUSED, _NOT_ME)
    return sock


def dial_and_greet(address: Address, new_socket: NewSocket = socket.socket) -> socket.socket:
    """Check who is there: ask with a number used once, and want an answer that only a server gives."""
    sock, question = dial(address, new_socket), os.urandom(8).hex().encode() + b"\n"
    sock.sendall(question)
    if read_line(sock) != b"server " + question:
        close_with_reset(sock)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "whoever answers is no server")
    return sock


def dial_and_ping(address: Address, new_socket: NewSocket = socket.socket) -> socket.socket:
    """Check only that somebody answers: a server sends the ping back, and so does one's own socket."""
    sock, question = dial(address, new_socket), os.urandom(8).hex().encode() + b"\n"
    sock.sendall(question)
    if not read_line(sock).endswith(question):
        close_with_reset(sock)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody answers")
    return sock


def dial_with_back_off(
    address: Address,
    new_socket: NewSocket = socket.socket,
    tries: int = 10,
    delay: float = 1,
    wait: Wait = time.sleep,
) -> socket.socket:
    """Wait after a refusal, twice as long each time, up to 64 times `delay`. Raises after `tries`."""
    for number in range(tries):
        try:
            return dial(address, new_socket)
        except ConnectionRefusedError:
            wait(delay * min(2**number, 64))
    raise ConnectionRefusedError(errno.ECONNREFUSED, f"refused {tries} times")


def hold(address: Address, new_socket: NewSocket = socket.socket) -> socket.socket:
    """Hold the port without listening. SO_REUSEADDR lets the server start beside it."""
    holder = new_socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(address)
    return holder


def start_server(address: Address, new_socket: NewSocket = socket.socket, reuse: bool = False) -> socket.socket:
    """Return a listening socket, with or without SO_REUSEADDR. Raises OSError (EADDRINUSE) if it cannot start."""
    server = new_socket()
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        server.bind(address)
        server.listen()
    except OSError:
        server.close()
        raise
    return server


def serve(server: socket.socket) -> None:
    """Answer one client after the other, each line by "server " and the line, until the socket is shut down."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            while line := read_line(connection):
                connection.sendall(b"server " + line)


def read_line(sock: socket.socket) -> bytes:
    """Return the bytes up to a newline, or what came before the other end closed."""
    line = b""
    while not line.endswith(b"\n") and (byte := sock.recv(1)):
        line += byte
    return line
