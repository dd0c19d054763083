"""One simulated host: its sockets, its ports, its loopback, its counters.

A segment on lo is delivered at once, as the softirq does it: in order, never inside another delivery; one that finds
its socket inside a call waits in the socket's backlog until the call lets go (net/ipv4/tcp_ipv4.c, tcp_v4_rcv).
"""

from __future__ import annotations

import errno
import itertools
import random
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from ...ports.candidates import Order
from ...ports.era import NO_PORTS, PortsExhausted
from ...ports.eras import BY_NAME
from ...ports.ranges import PortRange
from ...tcp.input import arrive
from ...tcp.segments import Segment
from ...tcp.states import Reply, State
from ...tcp.tcb import Tcb
from ..stack import SocketRow
from . import calls, frames
from .actors import Actors
from .addresses import ANY4, ANY6, Name, Routes, failure
from .bind_table import BindTable
from .clock import Clock
from .counters import Counters
from .packet_log import PacketLog
from .time_wait import TimeWait
from .versions import Version

if TYPE_CHECKING:
    from .end import End
    from .refusals import Refusals

Key = tuple[str, int, str, int]  # a connection as its end here sees it: own address and port, the other's
SEGMENT_SECONDS = 5e-6  # of the clock, for one segment over lo
CALL_SECONDS = 1e-6  # of the clock, for one system call: no loop of calls stands still
TRY_SECONDS = 10e-6  # of the clock, for one refused try: what it costs on a machine of today


class Kernel:
    """A host. `changes` counts what could make another answer of a try that was refused before."""

    def __init__(
        self, version: Version, seed: int | None, clock: Clock, actors: Actors, port_range: PortRange | None = None
    ) -> None:
        self.version, self.clock, self.actors = version, clock, actors
        self.random = random.Random(seed)
        self.range = port_range or version.port_range
        self.ports = BY_NAME[version.era](self.random.getrandbits(32), lambda: clock.now)
        if version.any_parity:
            self.ports.bind_order = Order.ALL
        self.reserved: tuple[PortRange, ...] = ()
        self.routes = Routes()
        self.binds = BindTable(version.releases)
        self.connections: dict[Key, End | TimeWait] = {}
        self.listeners: dict[Name, list[End]] = {}
        self.counters = Counters(version.counts_waiting)
        self.log = PacketLog(clock)
        self.changes = 0
        self.refusals: Refusals | None = None  # the short way that was found last
        self.owner: End | None = None  # the socket that a call holds
        self.outward: Callable[[bytes], None] | None = None  # the way out of this host
        self._reserved_ports: frozenset[int] = NO_PORTS
        self._arriving: deque[tuple[Segment, bytes | None]] = deque()
        self._delivering = False
        self._abandoned: list[End] = []

    # Ports

    def set_range(self, port_range: PortRange) -> None:
        """Set the ephemeral port range."""
        self.range = port_range
        self.changes += 1

    def reserve(self, ranges: Collection[PortRange]) -> None:
        """Reserve these ports and no others (ip_local_reserved_ports)."""
        self._reserved_ports = frozenset(port for part in ranges for port in part)
        runs = itertools.groupby(enumerate(sorted(self._reserved_ports)), lambda place: place[1] - place[0])
        ports = [[port for _, port in run] for _, run in runs]
        self.reserved = tuple(PortRange(run[0], run[-1]) for run in ports)
        self.changes += 1

    def range_of(self, end: End) -> PortRange:
        """The range for this socket: bounds of its own count where they lie inside (inet_sk_get_local_port_range)."""
        low, high = end.options.local_range
        if (low, high) == (0, 0):
            return self.range
        if low not in self.range:
            low = self.range.low
        if high not in self.range:
            high = self.range.high
        return PortRange(low, high) if low <= high else self.range

    def own_steps(self, end: End) -> bool:
        """True if this socket has a port range of its own, in which no parity goes first."""
        return self.version.own_steps and end.options.local_range != (0, 0)

    def port_for_connect(self, end: End, source: str, target: Name) -> int:
        """Return the source port of a connect(); EADDRNOTAVAIL if there is none (__inet_hash_connect)."""
        taken = self.taken(source, target)
        try:
            return self.ports.connect_port(self.range_of(end), (source, *target), taken, self.own_steps(end))
        except PortsExhausted:
            raise failure(errno.EADDRNOTAVAIL) from None

    def port_for_bind(self, end: End) -> int:
        """Return the port of a bind() to port 0; EADDRINUSE if there is none (inet_csk_find_open_port)."""
        taken = Ports(self._reserved_ports, lambda port: not self.binds.is_open(end, port))
        try:
            return self.ports.bind_port(self.range_of(end), taken, end.reuse_address)
        except PortsExhausted:
            raise failure(errno.EADDRINUSE) from None

    def taken(self, source: str, target: Name) -> Collection[int]:
        """The ports that a connect() from `source` to `target` cannot have."""
        if not self.binds.buckets:
            return self._reserved_ports
        return Ports(self._reserved_ports, lambda port: not self._may_connect_from(port, source, target))

    def _may_connect_from(self, port: int, source: str, target: Name) -> bool:
        return self.binds.chosen_by_connect(port) and self.is_unique((source, port, *target), chosen=True)

    def is_unique(self, key: Key, chosen: bool) -> bool:
        """True if no connection has this key, or only one in TIME-WAIT that may be recycled.

        `chosen`: the kernel chose the port (tcp_twsk_unique; where bind() gave it, timestamps suffice).
        """
        entry = self.connections.get(key)
        if entry is None:
            return True
        return isinstance(entry, TimeWait) and (not chosen or entry.recyclable(self.version.reuse))

    # Sockets

    def enter(self, end: End | TimeWait, key: Key) -> None:
        """Let segments of this connection find `end`."""
        old = self.connections.get(key)
        if isinstance(old, TimeWait) and old is not end:
            end.time_recent = old.time_recent  # a recycled name goes on with its timestamps (tcp_twsk_unique)
            old.end()
        self.connections[key] = end
        self.changes += 1

    def leave(self, end: End | TimeWait, key: Key) -> None:
        """The connection is over."""
        if self.connections.get(key) is end:
            del self.connections[key]
        self.changes += 1

    def table(self) -> tuple[SocketRow, ...]:
        """Every socket in a state of its own, as /proc/net/tcp and tcp6 list them."""
        rows = [SocketRow(end.written(end.source, end.port), "", State.LISTEN) for end in self._listening()]
        for entry in list(self.connections.values()):
            own, other = entry.written(*entry.key[:2]), entry.written(*entry.key[2:])
            rows.append(SocketRow(own, other, entry.state))
        return tuple(rows)

    def _listening(self) -> Iterator[End]:
        for ends in self.listeners.values():
            yield from ends

    def listener(self, address: str, port: int) -> End | None:
        """Return who listens for a call to that name (inet_lookup_listener)."""
        for name in ((address, port), (ANY4, port)) if ":" not in address else ((address, port),):
            if name in self.listeners:
                return self.listeners[name][0]
        ends = self.listeners.get((ANY6, port), [])
        return next((end for end in ends if ":" in address or not end.v6_only), None)

    # Segments

    def transmit(self, segment: Segment, identification: int = 0) -> None:
        """Send a segment: over lo to this host, or out."""
        own = self.routes.is_own(segment.dst)
        datagram = None
        if not own or self.log.wanted(segment):
            datagram = frames.datagram(segment, identification)
        if not own:
            if self.outward is not None and datagram is not None:
                self.outward(datagram)
            return
        self.clock.now += SEGMENT_SECONDS
        self.log.add(datagram, outgoing=True)
        self._arriving.append((segment, datagram))
        if not self._delivering:
            self._deliver()

    def _deliver(self) -> None:
        self._delivering = True
        try:
            while self._arriving:
                segment, datagram = self._arriving.popleft()
                self.log.add(datagram, outgoing=False)
                self.arrived(segment)
        finally:
            self._delivering = False

    def arrived(self, segment: Segment) -> None:
        """Give a segment to the socket that it is for; who is for nobody is answered by a reset."""
        self.counters["InSegs"] += 1
        end = self.connections.get((segment.dst, segment.dport, segment.src, segment.sport))
        if isinstance(end, TimeWait) and end.reopens(segment):
            listener = self.listener(segment.dst, segment.dport)
            if listener is not None:
                end.end()
                end = listener
        found = end or self.listener(segment.dst, segment.dport)
        if found is None:
            self.refuse(segment)
        elif found is self.owner:
            self.owner.wait_outside(segment)
        else:
            found.receive(segment)

    def refuse(self, segment: Segment) -> None:
        """Answer what belongs to no connection (RFC 9293 section 3.10.7.1; tcp_v4_send_reset)."""
        nobody = Tcb("nobody")
        arrive(nobody, segment)
        if nobody.owed is None:
            return
        if nobody.owed.reply is Reply.RST_ACK:
            self.reset(segment, "RA", 0, segment.seq + segment.length)
        else:
            self.reset(segment, "R", segment.ack, 0)

    def reset(self, segment: Segment, flags: str, seq: int, ack: int) -> None:
        """Send a reset that no socket sends."""
        self.counters["OutRsts"] += 1
        self.answer(segment, flags, seq, ack)

    def answer(
        self, segment: Segment, flags: str, seq: int, ack: int, window: int = 0, options: tuple[object, ...] = ()
    ) -> None:
        """Send an answer to `segment` that no socket sends."""
        self.counters["OutSegs"] += 1
        ends = segment.dst, segment.dport, segment.src, segment.sport
        self.transmit(Segment(self.clock.time(), *ends, flags, seq % 2**32, ack % 2**32, window, options))  # type: ignore[arg-type]

    # Calls

    def hold(self, end: End) -> Held:
        """Let a call hold the socket: use it in a `with` block."""
        return Held(self, end)

    def release(self, end: End) -> None:
        """The call lets go: now the socket gets what came meanwhile (release_sock)."""
        while end.backlog:
            end.receive(end.backlog.popleft())
        self.owner = None
        if self._abandoned:
            self._close_abandoned()

    def abandon(self, end: End) -> None:
        """Close a socket that nobody holds any more, now or after the call that is going on."""
        self._abandoned.append(end)
        lock = self.actors.turn.lock
        if not lock.acquire(False):  # Python collects it in the middle of another thread's turn, which closes it
            return
        try:
            if self.owner is None and not self._delivering:
                self._close_abandoned()
        finally:
            lock.release()

    def _close_abandoned(self) -> None:
        while self._abandoned:
            calls.close(self._abandoned.pop())


class Held:
    """A socket inside a call."""

    __slots__ = ("_end", "_kernel")

    def __init__(self, kernel: Kernel, end: End) -> None:
        self._kernel, self._end = kernel, end

    def __enter__(self) -> None:
        clock = self._kernel.clock
        clock.now += CALL_SECONDS
        clock.catch_up()
        self._kernel.owner = self._end

    def __exit__(self, *_: object) -> None:
        self._kernel.release(self._end)


class Ports(Collection[int]):
    """Taken ports, found out one by one when asked."""

    def __init__(self, reserved: frozenset[int], is_taken: Callable[[int], bool]) -> None:
        self._reserved, self._is_taken = reserved, is_taken

    def __contains__(self, port: object) -> bool:
        return port in self._reserved or self._is_taken(port)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[int]:
        return (port for port in range(1, 65536) if port in self)

    def __len__(self) -> int:
        return 65535
