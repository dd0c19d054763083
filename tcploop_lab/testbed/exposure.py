"""What the sockets of one network say: which is connected to itself, and which ports could make one so.

Equal names alone are no proof: where NAT leads the dialled port elsewhere, a client may have the same name at both
ends, and a server answers. A self-connection is *one* socket, so that it has received what it sent. Three things
contradict that, each enough: another socket that has this one's name for its peer, and no partner of its own; more
bytes acknowledged than received, or received than sent; and segments sent that did not come in, none of them lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from ..ports.candidates import port_set, why_never_first
from ..ports.clients import ClientKind
from ..ports.eras import era_of_kernel
from ..ports.ranges import PortRange
from ..stacks.stack import Exchanged, SocketRow, Stack
from ..tcp.states import State
from ..tcp.words import counted

PLAIN = ClientKind.SAME_SOCKET  # connect(), and no bind() before it; a new socket each time makes no difference
BOUND = (State.LISTEN, State.CLOSED)  # states of sockets that called bind(), and are not connected
_LOOKS = 3  # the counters may be read between a segment's leaving and its coming in
_NOT_OPEN = (State.TIME_WAIT, State.SYN_SENT, State.CLOSED, State.LISTEN)
_AT_LEAST = 2  # a socket that is connected to itself has received its own SYN and its own SYN-ACK


@dataclass(frozen=True)
class Alike:
    """A connection with one name at both ends. `answered` says how it is known that somebody else answers, or is ""."""

    row: SocketRow
    exchanged: Exchanged | None
    answered: str = ""


@dataclass(frozen=True)
class Exposed:
    """A port of the ephemeral range that is listened on, or dialled at an address of this host.

    `why_not` says why a plain client cannot loop on it once nobody listens there; "" where it can.
    """

    port: int
    listeners: tuple[SocketRow, ...]
    dialled: tuple[SocketRow, ...]
    why_not: str = ""


@dataclass(frozen=True)
class Network:
    """What was read of one network namespace. `port_range` is None where this user may not know it."""

    kernel: str
    sockets: tuple[SocketRow, ...]
    port_range: PortRange | None = None
    reserved: tuple[PortRange, ...] = ()
    exchanged: dict[str, Exchanged] = field(default_factory=dict)

    @cached_property
    def alike(self) -> tuple[Alike, ...]:
        """Every connection with one name at both ends: to itself, or to somebody behind NAT."""
        rows = [row for row in self.sockets if _is_alike(row)]
        partners = _without_partner(self, {row.local for row in rows}) if rows else {}
        return tuple(_judged(row, self.exchanged.get(row.local), partners.get(row.local)) for row in rows)

    @cached_property
    def names(self) -> frozenset[str]:
        """The local names of all sockets, in IPv4 where that is what they mean."""
        return frozenset(_unmapped(row.local) for row in self.sockets)

    @cached_property
    def taken(self) -> frozenset[int]:
        """The ports of the range that connect() passes over: reserved, or bound by anybody."""
        assert self.port_range
        bound = {row.port for row in self.sockets if row.state in BOUND}
        return port_set((*self.reserved, *bound), self.port_range)

    @cached_property
    def left_over(self) -> tuple[SocketRow, ...]:
        """What self-connections that were closed in order have left: TIME-WAIT, one minute long."""
        return tuple(row for row in self.sockets if row.state == State.TIME_WAIT and row.to_itself)

    @cached_property
    def exposed(self) -> tuple[Exposed, ...]:
        """The ports of the range that are listened on or dialled; none without a range."""
        return tuple(_exposed(self, self.port_range)) if self.port_range else ()

    @property
    def inodes(self) -> set[int]:
        """The numbers of the sockets whose owners are of interest."""
        rows = [one.row for one in self.alike]
        for port in self.exposed:
            rows += [*port.listeners, *port.dialled]
        return {row.inode for row in rows if row.inode}


def look(stack: Stack) -> Network:
    """Read what there is on a stack; no try is made."""
    rows = stack.all_sockets()
    known = {row.local: seen for row in rows if _is_alike(row) and (seen := _settled(stack, row))}
    port_range = None
    with contextlib.suppress(FileNotFoundError):  # a /proc without settings
        port_range = stack.port_range()
    return Network(stack.kernel, rows, port_range, stack.reserved(), known)


def _is_alike(row: SocketRow) -> bool:
    return row.local == row.peer and row.state not in _NOT_OPEN


def _settled(stack: Stack, row: SocketRow) -> Exchanged | None:
    """What a socket has exchanged, looked at again where segments seem to be under way."""
    seen = None
    for _ in range(_LOOKS):
        seen = stack.exchanged(row)
        if seen is None or seen.segments_sent == seen.segments_received:
            break
    return seen


def _judged(row: SocketRow, seen: Exchanged | None, partner: str | None) -> Alike:
    if partner:
        return Alike(row, seen, f"another socket of this network, {partner}, has it for its peer")
    return Alike(row, seen, _contradiction(seen) if seen else "")


def _contradiction(seen: Exchanged) -> str:
    """What cannot be of a socket that receives what it sends; "" if all can."""
    taken, received = seen.bytes_acknowledged, seen.bytes_received
    if taken > received or (seen.bytes_sent is not None and received > seen.bytes_sent):
        return f"{counted(taken, 'byte')} that it sent were acknowledged, and it received {received:,}"
    sent, came_in = seen.segments_sent, seen.segments_received
    if came_in < _AT_LEAST or (sent != came_in and not seen.retransmitted):
        return f"it sent {counted(sent, 'segment')} and received {came_in:,}, and lost none"
    return ""


def _without_partner(network: Network, names: set[str]) -> dict[str, str]:
    """By the name that they have for a peer: sockets at whose other end there is none, as the table has it."""
    ends = {(_unmapped(row.local), _unmapped(row.peer)) for row in network.sockets if row.state not in _NOT_OPEN}
    sought = {_unmapped(name): name for name in names}
    return {
        sought[peer]: local for local, peer in ends if peer in sought and local != peer and (peer, local) not in ends
    }


def _unmapped(name: str) -> str:
    """The name in IPv4, where an IPv6 socket has one of IPv4 (RFC 4291 section 2.5.5.2)."""
    return name.replace("[::ffff:", "").replace("]", "") if name.startswith("[::ffff:") else name


def _exposed(network: Network, port_range: PortRange) -> Iterator[Exposed]:
    listeners: dict[int, list[SocketRow]] = {}
    dialled: dict[int, list[SocketRow]] = {}
    led_away: set[int] = set()
    for row in network.sockets:
        if row.state == State.LISTEN and row.port in port_range:
            listeners.setdefault(row.port, []).append(row)
    for row, port, answered in _calls(network, port_range):
        dialled.setdefault(port, []).append(row)
        led_away |= {port} if answered else set()
    held = {row.port for row in network.sockets if row.state == State.CLOSED}
    for port in sorted({*listeners, *dialled}):
        called, calling = tuple(listeners.get(port, ())), tuple(dialled.get(port, ()))
        yield Exposed(port, called, calling, _why_not(network, port_range, port, port in held, port in led_away))


def _calls(network: Network, port_range: PortRange) -> Iterator[tuple[SocketRow, int, bool]]:
    """Yield who dials a port of the range at the address that it calls from, and whether NAT leads it elsewhere."""
    listening = {row.port for row in network.sockets if row.state == State.LISTEN}
    for row in network.sockets:
        address, _, own = row.local.rpartition(":")
        target, _, dialled = row.peer.rpartition(":")
        if address != target or own == dialled or row.state == State.TIME_WAIT or int(own) in listening:
            continue
        port = int(dialled)
        if port not in port_range:
            continue
        if port in listening or row.state == State.SYN_SENT:
            yield row, port, False
        elif row.state == State.ESTABLISHED and _unmapped(row.peer) not in network.names:
            yield row, port, True


def _why_not(network: Network, port_range: PortRange, port: int, held: bool, led_away: bool) -> str:
    """Why a client that binds nothing cannot loop on `port` while nobody listens on it; "" where it can."""
    reservation = next((item for item in network.reserved if port in item), None)
    if reservation is not None:
        return f"reserved: ip_local_reserved_ports holds {reservation.setting}"
    if led_away:
        return "NAT: who dials it is led elsewhere"
    if held:
        return "held: another socket is bound to it, and does not listen"
    era = era_of_kernel(network.kernel)
    if era is None or era.never:
        return era.never if era else ""
    circle = era.candidates(port_range, PLAIN)
    return "" if circle.reaches(port, network.taken) else f"parity: {why_never_first(circle, port)}"
