"""What is known of a testbed's ports from the calls that were made: who holds, listens, is connected, waits.

A recorded answer fits only where the same was so when it was recorded: a loop beside a listener has another end than
one without. Recording and replaying keep the books with the same code.
"""

from __future__ import annotations

import socket
import time
import weakref
from collections.abc import Sequence
from typing import Any

from ..ports.ranges import PortRange
from ..results.run import RESET

_BLOCKS = 1.0  # seconds for which TIME-WAIT keeps a port on loopback (tcp_tw_reuse_delay)
_STAYS = 60.0  # seconds for which the kernel's table shows it


class WatchedSocket(socket.socket):
    """A socket whose calls tell what it does to its port."""

    situation: Situation
    port: int = 0
    word: str = ""  # held, listening, open, shut
    resets: bool = False

    def enter(self, situation: Situation) -> None:
        """Belong to a testbed."""
        self.situation = situation
        situation.sockets.add(self)

    def noted(self, method: str, args: Sequence[Any], result: Any) -> None:
        """Keep the books after a call that succeeded."""
        if method == "bind" and args[0][1]:
            self.port, self.word = args[0][1], "held"
        elif method == "listen":
            self.word = "listening"
        elif method == "connect" or (method == "connect_ex" and result == 0):
            if self.word != "held" or self.port == args[0][1]:  # else it goes on holding its port
                self.port, self.word = args[0][1], "open"
        elif method == "shutdown":
            self.word = "shut"

    def setsockopt(self, *args: Any) -> None:
        """Note whether a close will reset; the kernel gets the option as well."""
        super().setsockopt(*args)
        if args[:2] == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.resets = args[2] == RESET

    def close(self) -> None:
        """Close, and remember that an orderly close leaves TIME-WAIT."""
        if self.fileno() >= 0 and self.word in ("open", "shut") and not self.resets:
            self.situation.waiting[self.port] = time.monotonic()
        super().close()


class Situation:
    """The books of one testbed, which was opened with this range (None: the kernel's default)."""

    def __init__(self, port_range: PortRange | None = None) -> None:
        self.port_range = port_range
        self.sockets: weakref.WeakSet[WatchedSocket] = weakref.WeakSet()
        self.reserved: Sequence[PortRange] = ()
        self.waiting: dict[int, float] = {}

    def of(self, port: int, connections: bool) -> list[str]:
        """Return what holds for `port`, in sorted words; with `connections` also who is connected on it."""
        here = [sock for sock in self.sockets if sock.fileno() >= 0 and sock.port == port]
        words = {sock.word for sock in here if connections or sock.word in ("held", "listening")}
        if any(port in item for item in self.reserved):
            words.add("reserved")
        if time.monotonic() - self.waiting.get(port, -_STAYS) < (_STAYS if connections else _BLOCKS):
            words.add("time-wait")
        return sorted(words - {""})

    def done(self, name: str, args: Sequence[Any], result: Any) -> None:
        """Keep the books after a worker's function of this name returned."""
        if name == "set_reserved":
            self.reserved = args[0]
        elif name == "set_port_range":
            self.port_range = args[0]
        elif name == "run_loop" and isinstance(result[1], WatchedSocket):
            to_itself = result[0].local == result[0].peer
            result[1].port, result[1].word = result[0].local[1] if to_itself else 0, "open"
