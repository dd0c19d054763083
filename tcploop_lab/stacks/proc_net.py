"""The kernel's table of TCP sockets, read from /proc/net/tcp and /proc/net/tcp6 (proc(5))."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from ..tcp.endpoint import Endpoint
from ..tcp.states import State
from .stack import SocketRow

# The kernel's numbers (include/net/tcp_states.h) by the names of RFC 9293 section 3.3.2.
STATES = {
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
    12: State.SYN_RECEIVED,  # TCP_NEW_SYN_RECV: a request that a listener has not made a socket of
}
_FOLDER = Path("/proc/thread-self/net")  # not /proc/net, which is the main thread's


def socket_table(folder: Path = _FOLDER) -> tuple[SocketRow, ...]:
    """Return every TCP socket of this thread's network, or of the one that `folder` shows (/proc/PID/net).

    FileNotFoundError where there is no /proc.
    """
    lines = (folder / "tcp").read_text().splitlines()[1:]
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        lines += (folder / "tcp6").read_text().splitlines()[1:]
    return tuple(rows(lines))


def rows(lines: list[str]) -> Iterator[SocketRow]:
    """Yield the rows that lines of /proc/net/tcp or tcp6 tell of."""
    for _, local, peer, number, _, _, _, user, _, inode in (line.split()[:10] for line in lines):
        state = STATES[int(number, 16)]
        name = "" if state is State.LISTEN else str(_endpoint(peer))
        others = inode != "0" and int(user) != os.geteuid()  # what waits in TIME-WAIT is nobody's
        yield SocketRow(str(_endpoint(local)), name, state, int(inode), 0, others)


def _endpoint(text: str) -> Endpoint:
    """The address is words of 32 bits in the byte order of the machine, the port a number."""
    address, port = text.split(":")
    packed = b"".join(int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8))
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return Endpoint(socket.inet_ntop(family, packed), int(port, 16))
