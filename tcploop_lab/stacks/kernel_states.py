"""The state of a socket as the kernel tells it: TCP_INFO (tcp(7)), and its table of sockets (/proc/net/tcp, proc(5)).

TCP_INFO knows the socket that the lab holds. A connection in TIME-WAIT, or one that a listener is about to accept,
is an object of its own inside the kernel: it is in the table only.
"""

from __future__ import annotations

import os
import socket

from ..tcp.states import State
from .wire import OpenFile

# The kernel's numbers (include/net/tcp_states.h) by the names of RFC 9293 section 3.3.2.
_NUMBERS = {
    1: State.ESTABLISHED,
    2: State.SYN_SENT,
    3: State.SYN_RECEIVED,
    4: State.FIN_WAIT_1,
    5: State.FIN_WAIT_2,
    6: State.TIME_WAIT,
    7: State.CLOSED,
    8: State.CLOSE_WAIT,
    9: State.LAST_ACK,
    10: State.LISTEN,
    11: State.CLOSING,
}
# What TCP_INFO says, and what the table may say instead.
_ELSEWHERE = {State.CLOSED: State.TIME_WAIT, State.LISTEN: State.SYN_RECEIVED}
_LARGEST = 1 << 16  # bytes; the namespace of one host has a handful of sockets
_LOCAL, _STATE = 1, 3  # columns


def open_table() -> OpenFile:
    """Return the open socket table of the network namespace that the calling thread is in.

    It goes on showing that namespace, whichever process reads it.
    """
    return OpenFile(os.open("/proc/thread-self/net/tcp", os.O_RDONLY), "r")


def state_of(sock: socket.socket, table: OpenFile) -> State:
    """Return the state of the connection of `sock`, which is the only one of its port in `table`."""
    state = _NUMBERS[sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]]
    instead = _ELSEWHERE.get(state)
    if instead is not None and instead in _rows(table, sock.getsockname()[1]):
        return instead
    return state


def _rows(table: OpenFile, port: int) -> list[State]:
    """The states of all rows of `table` with this local port."""
    lines = os.pread(table.fileno(), _LARGEST, 0).decode("ascii").splitlines()[1:]
    columns = [line.split() for line in lines]
    return [_NUMBERS[int(row[_STATE], 16)] for row in columns if int(row[_LOCAL].rpartition(":")[2], 16) == port]
