"""The state of a socket as the kernel tells it: TCP_INFO (tcp(7)), and its table of sockets (/proc/net/tcp, proc(5)).

TCP_INFO knows the socket that the lab holds. A connection in TIME-WAIT, or one that a listener is about to accept,
is an object of its own inside the kernel: it is in the table only.
"""

from __future__ import annotations

import os
import socket

from ..tcp.states import State
from . import proc_net
from .proc_net import STATES
from .wire import OpenFile

# What TCP_INFO says, and what the table may say instead.
_ELSEWHERE = {State.CLOSED: State.TIME_WAIT, State.LISTEN: State.SYN_RECEIVED}
_LARGEST = 1 << 16  # bytes; the namespace of one host has a handful of sockets


def open_table() -> OpenFile:
    """Return the open socket table of the network namespace that the calling thread is in.

    It goes on showing that namespace, whichever process reads it.
    """
    return OpenFile(os.open("/proc/thread-self/net/tcp", os.O_RDONLY), "r")


def state_of(sock: socket.socket, table: OpenFile) -> State:
    """Return the state of the connection of `sock`, which is the only one of its port in `table`."""
    state = STATES[sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]]
    instead = _ELSEWHERE.get(state)
    if instead is not None and instead in _rows(table, sock.getsockname()[1]):
        return instead
    return state


def _rows(table: OpenFile, port: int) -> list[str]:
    """The states of all rows of `table` with this local port."""
    lines = os.pread(table.fileno(), _LARGEST, 0).decode("ascii").splitlines()[1:]
    return [row.state for row in proc_net.rows(lines) if row.port == port]
