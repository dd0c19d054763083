"""The simulated stack: a kernel of one's choice, in this process, with a clock of its own."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from socket import AF_INET, AF_INET6, SOCK_STREAM
from typing import Any

from ...errors import NotOnThisTestbed
from ...ports.ranges import PortRange
from ...tcp.states import State
from ..stack import Host, SocketRow
from .actors import Actors, Beside, in_turn
from .addresses import any_of, parse, written
from .clock import Clock
from .kernel import Kernel
from .packet_log import SimulatedPacketSocket
from .sockets import SimulatedSocket, make_socket
from .versions import version as parse_version

_SEEDED_START = 1_700_000_000.0  # seconds since the epoch: a run with a seed can be repeated to the last byte


@in_turn(
    "socket", "open_packet_socket", "socket_table", "bound_only", "all_sockets", "counters", "set_port_range",
    "set_reserved", "add_address", "wait_readable", "run_beside",
)  # fmt: skip
class SimulatedStack:
    """A kernel in pure Python.

    `version` is a version of Linux, another system, or an era (`versions.version`). With a `seed` everything can be
    repeated. No real time passes in it: whoever waits winds the clock. ValueError for an unknown version, a bad range.
    """

    provenance = "simulated"
    is_shared = False
    look_seconds = 0.5  # its clock stands still unless somebody waits
    address = "127.0.0.1"

    def __init__(self, version: Any = "6.18", seed: int | None = None, port_range: Any = None) -> None:
        known = parse_version(version)
        own = None if port_range is None else PortRange.parse(port_range)
        self._seed = seed
        self._clock = Clock(time.time() if seed is None else _SEEDED_START)
        self._actors = Actors(self._clock)
        self._turn = self._actors.turn
        self._kernel = Kernel(known, seed, self._clock, self._actors, own)
        self.version = known
        self.kernel = f"simulated {known.name}"

    def another(self, port_range: PortRange | None) -> SimulatedStack:
        """Return a new kernel of this version, not seeded."""
        return SimulatedStack(self.version, port_range=port_range)

    def socket(self, family: int = AF_INET, kind: int = SOCK_STREAM) -> SimulatedSocket:
        """Return a new TCP socket. NotOnThisTestbed for another kind."""
        return make_socket(self._kernel, family, kind)

    def open_packet_socket(self, port: int | None, both_ends: bool = True) -> SimulatedPacketSocket:
        """Return a capture of the segments of `port` (None: all); `both_ends`: from the port to the same one only."""
        self._kernel.changes += 1
        return self._kernel.log.open(port, both_ends)

    def socket_table(self) -> tuple[SocketRow, ...]:
        """Return the sockets that have a state, also LISTEN and TIME-WAIT."""
        self._clock.catch_up()
        return self._kernel.table()

    def bound_only(self, port: int) -> tuple[str, ...] | None:
        """Return the names of the sockets that only called bind() on `port`; None if this kernel does not tell."""
        return self._kernel.binds.only_bound(port) if self.version.tells_bound else None

    def all_sockets(self) -> tuple[SocketRow, ...]:
        """Return the socket table, and each socket that is only bound as CLOSED, where this kernel tells."""
        bound = self._kernel.binds.all_bound() if self.version.tells_bound else ()
        return (*self.socket_table(), *(SocketRow(name, "", State.CLOSED) for name in bound))

    def exchanged(self, row: SocketRow) -> None:
        """Return None: a simulated socket has no TCP_INFO, and no NAT to be told from."""

    def counters(self) -> dict[str, int]:
        """Return the counters of /proc/net/snmp."""
        self._clock.catch_up()
        return self._kernel.counters.totals()

    def port_range(self) -> PortRange:
        """Return the ephemeral port range."""
        return self._kernel.range

    def set_port_range(self, port_range: PortRange) -> None:
        """Set the ephemeral port range."""
        self._kernel.set_range(PortRange.parse(port_range))

    def reserved(self) -> tuple[PortRange, ...]:
        """Return the reserved ports."""
        return self._kernel.reserved

    def set_reserved(self, ranges: Sequence[PortRange]) -> None:
        """Reserve these ports and no others."""
        self._kernel.reserve(ranges)

    def set_step_width(self, width: int) -> None:
        """No width but that of the era is simulated: raises FileNotFoundError."""
        raise FileNotFoundError(errno.ENOENT, "no other step width is simulated")

    def redirect(self, port: int, to: int | None) -> None:
        """NAT is not simulated: raises NotOnThisTestbed."""
        raise NotOnThisTestbed(f"port {port} is not led to port {to}: no NAT is simulated; the Linux stack has one")

    def source_for(self, address: str) -> str | None:
        """Return the address from which a call to `address` is sent; None without a route."""
        family, routes = AF_INET6 if ":" in address else AF_INET, self._kernel.routes
        with suppress(OSError):
            target, _ = parse(family, (address, 9), "connect")
            return written(family, routes.source(routes.target(target, any_of(family))))
        return None

    def has_ipv6(self) -> bool:
        """Return True."""
        return True

    def add_address(self, address: str) -> None:
        """Give lo one more address. ValueError for what is none."""
        self._kernel.routes.add(address)
        self._kernel.changes += 1

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self._clock.time()

    def monotonic(self) -> float:
        """Return seconds since the simulated boot."""
        return self._clock.now

    def sleep(self, seconds: float) -> None:
        """Wind the clock."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self._actors.wait(lambda: False, seconds, "sleep()")

    def wait_readable(self, sockets: Sequence[SimulatedSocket], timeout: float) -> list[SimulatedSocket]:
        """Return those that can be read, as soon as there is one; none after `timeout` seconds."""
        self._actors.wait(lambda: any(sock.can_read for sock in sockets), max(0.0, timeout), "select()")
        return [sock for sock in sockets if sock.can_read]

    def run_beside(self, function: Callable[..., Any], *args: Any) -> Beside:
        """Let a function run beside the caller: while the one waits, the other goes on."""
        return self._actors.start(function, args)

    def two_hosts(self) -> tuple[Host, Host]:
        """Return two hosts of this version with a cable between them."""
        from .network import make_two_hosts

        return make_two_hosts(self.version, self._seed, self._clock, self._actors)
