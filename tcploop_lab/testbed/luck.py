"""Two sockets of one machine that dial each other until their SYNs cross: simultaneous open by luck.

On the loopback delivery is part of sending, so a SYN meets a socket that dials only if another core called connect()
within the same few microseconds. `crossing.py` does it without luck.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from ..errors import NotOnThisTestbed
from ..ports.clients import ClientKind
from ..stacks.stack import SocketRow, Stack
from ..tcp import closing
from ..tcp.words import counted
from .loop import LoopSpec, OneSocket, run_loop
from .sockets import SocketTable
from .testbed import Testbed

_TIMEOUT = 600.0  # seconds: a bound that only a machine without time for it reaches


@dataclass(frozen=True)
class ByLuck:
    """How it went: which try of either socket connected (None: none of them did), and the kernel's rows of both."""

    tries: tuple[int | None, ...]
    tables: tuple[SocketTable, ...]
    most: int

    @property
    def met(self) -> bool:
        """True if they are connected to each other: two rows, each of which names the other."""
        rows: list[SocketRow] = [row for table in self.tables for row in table.rows]
        return len(rows) == 2 and (rows[0].local, rows[0].peer) == (rows[1].peer, rows[1].local)

    def __repr__(self) -> str:
        if not self.met:
            return f"they did not meet in {counted(self.most, 'try')} each"
        return "\n".join([f"they met at tries {self.tries[0]:,} and {self.tries[1]:,}", *map(repr, self.tables)])


def crossing_by_luck(testbed: Testbed, ports: tuple[int, int] = (40301, 40303), most: int = 400_000) -> ByLuck:
    """Let two sockets dial each other, each from the port that it holds, at most `most` times, and return how it went.

    Nobody listens. Raises OSError if a port is taken, NotOnThisTestbed where one thread alone calls the kernel.
    """
    if not testbed.executor.here.is_shared:
        raise NotOnThisTestbed("a simulated kernel has one core, and delivers a SYN before the next call: none cross")
    with testbed.hold(ports[0]) as left, testbed.hold(ports[1]) as right, ThreadPoolExecutor(2) as both:
        tries = tuple(both.map(partial(_dial, testbed.executor.here, most), (left, right), reversed(ports)))
        met = ByLuck(tries, tuple(testbed.sockets(port) for port in ports), most)
        for sock in (left, right):
            closing.by_reset(sock)
    return met


def _dial(stack: Stack, most: int, sock: socket.socket, port: int) -> int | None:
    spec = LoopSpec("127.0.0.1", port, ClientKind.BIND_SELF, most, _TIMEOUT)
    outcome, connected = run_loop(stack, spec, OneSocket(sock))
    return None if connected is None else outcome.tries
