"""A port of this machine as it is: can it loop, for which clients, after how long, and how to keep it from that.

No try is made and nothing is written. The range, the reserved ports and the sockets are those of the network that this
process is in; the rule by which the kernel chooses is known by its version.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import NotOnThisTestbed
from ..ports.candidates import Candidates, port_set
from ..ports.clients import Binds, ClientKind, parse_client
from ..ports.eras import era_of_kernel
from ..ports.preconditions import Facts, Verdict, judge
from ..ports.ranges import Port, PortRange, parse_port
from ..results.description import Description, Item, Lines, Said, Table, plainly
from ..results.shown import Shown, enumerated
from ..stacks.linux import linux_stack
from ..stacks.stack import SocketRow, Stack
from ..tcp.endpoint import Endpoint
from ..tcp.states import State
from ..tcp.words import counted
from .check import keeps_off, source_of
from .exposure import BOUND
from .hosts import resolve_own
from .loop import LoopSpec

if TYPE_CHECKING:
    from ..tries.theory import TriesDistribution

PACE = 10.0  # tries a second: a client that waits a tenth of a second between two
_PERCENT = (5, 50, 95)
_NUMBERS = ("no", "one", "two", "three")
_SETTINGS = "a reservation and a range keep connect() off a port: bind-self, which binds it, needs the last repair"
_ADVISED = 1 << 10  # ports, the least that is to be left of a range

_LEFT_OUT = (
    "the times leave out that other ports are reserved or bound: who would get one gets the next that is not, so a "
    "port just past many of them loops far sooner"
)
_LEFT = (
    "of this port, open or in TIME-WAIT: if a server accepted them, or a client called bind() for them, connect() "
    "passes over it until the last has ended"
)


@dataclass(frozen=True)
class Prospect:
    """A kind of client: can it loop, and after how many seconds 5, 50 and 95 % of such clients have; None for never."""

    client: ClientKind
    can_loop: bool
    why: str
    seconds: tuple[float | None, ...] = (None, None, None)


@dataclass(frozen=True, repr=False)
class Outlook(Shown):
    """What is to be expected of one port of this machine while nobody listens on it.

    `verdict` has the preconditions of the client that was asked about, `prospects` a line for each kind of client;
    `listening` is who listens now; `to_itself` the states of connections that have the port's name at both ends now:
    it has looped, and can again. `repairs` are commands, each enough by itself.
    """

    verdict: Verdict
    prospects: tuple[Prospect, ...]
    pace: float
    listening: tuple[str, ...]
    repairs: tuple[tuple[str, str], ...]
    kernel: str
    era: str
    reserved: tuple[PortRange, ...]
    notes: tuple[str, ...] = ()
    to_itself: tuple[str, ...] = ()
    stack: str = "live"

    @property
    def can_loop(self) -> bool:
        """True if the client that was asked about can loop while nobody listens."""
        return self.verdict.can_loop

    @property
    def summary(self) -> str:
        """One sentence: can it loop while nobody listens, and if not, why not."""
        where = f"{self.verdict.host} port {self.verdict.port} of this machine"
        now = f"; now a server listens on {enumerated(self.listening)}" if self.listening else ""
        if self.to_itself:
            now += f"; now a connection has this name at both ends ({self.to_itself[0]}): tcploop find tells more"
        if self.can_loop:
            return f"{where} can loop while nobody listens{now}"
        why = "; ".join(f"{rule.name}: {rule.evidence}" for rule in self.verdict.broken)
        others = [one.client for one in self.prospects if one.can_loop]
        but = f"; but it can for {', '.join(others)}" if others else ""
        return f"{where} cannot loop for {self.verdict.client} ({why}){but}{now}"

    def describe(self) -> Description:
        """Return the answer for each kind of client, how long it takes, and the repairs."""
        items = (
            *self.verdict.describe().items,
            *plainly(self, "stack", "kernel", "era", "pace", "listening", "to_itself"),
            Item("reserved", self.reserved),
            Item("repairs", Said([dict(zip(("name", "command"), one, strict=True)) for one in self.repairs],
                                 Lines(tuple(f"{name}:  {command}" for name, command in self.repairs), True)),
                 f"{_NUMBERS[len(self.repairs)]} repairs, each enough by itself" if self.repairs else ""),
        )  # fmt: skip
        columns = (
            ("client", "client"), ("can_loop", "can loop"), ("seconds", ""), ("", "5 % after"), ("", "median"),
            ("", "95 % after"), ("why", "why"),
        )  # fmt: skip
        rows = [
            (one.client, one.can_loop, dict(zip(map(str, _PERCENT), one.seconds, strict=True)),
             *map(lasting, one.seconds), one.why)
            for one in self.prospects
        ]  # fmt: skip
        table = Table("clients", columns, rows, f"at {self.pace:g} tries a second:")
        rules = self.verdict.describe().tables
        return Description(self.summary, not self.can_loop, "", items, (*rules, table), self.notes)


def check_here(
    port: Port, host: str = "127.0.0.1", client: ClientKind | str = "same-socket", pace: float = PACE
) -> Outlook:
    """Return whether `port` of this machine, as it is, can loop, for whom, and after how long at `pace` tries a second.

    Raises ValueError for a bad port, host, client or pace, NotOnThisTestbed where this is not Linux with a /proc.
    """
    from ..tries.theory import parse_pace

    number, target, asked, pace = parse_port(port), resolve_own(host), parse_client(client), parse_pace(pace)
    stack = linux_stack()
    try:
        return _outlook(stack, number, target.address, asked, pace)
    except FileNotFoundError as missing:
        raise NotOnThisTestbed(
            f"the port range of this machine is not told ({missing.filename}): that is Linux's; the simulated testbed "
            "answers for any kernel: tcploop check PORT --kernel 6.18"
        ) from None


def _outlook(stack: Stack, port: int, host: str, asked: ClientKind, pace: float) -> Outlook:
    # The range first: another system has neither its file nor netlink, and says so by the file.
    kernel, port_range, reserved = stack.kernel, stack.port_range(), stack.reserved()
    every = stack.all_sockets()
    rows = [row for row in every if row.port == port]
    listening = tuple(dict.fromkeys(row.local for row in rows if row.state == State.LISTEN))
    era = era_of_kernel(kernel)
    assert era is not None  # it is a Linux
    bound = [row for row in every if row.state in BOUND and row.port in port_range and row.port != port]
    busy = {kind: {row.port for row in bound if keeps_off(row.local, host, kind)} for kind in ClientKind}
    facts = {kind: _facts(stack, port, host, kind, rows) for kind in ClientKind}
    past = {kind: _reached_past(era.candidates(port_range, kind), port, (*reserved, *busy[kind])) for kind in facts}
    verdicts = {kind: judge(replace(facts[kind], past_taken=past[kind])) for kind in facts}
    law = _Law(era.name, port_range, port, reserved, busy, pace)
    prospects = tuple(law.prospect(verdict) for verdict in verdicts.values())
    able, itself = [one.client for one in prospects if one.can_loop], str(Endpoint(host, port))
    repairs = _repairs(able, port, port_range, reserved)
    rule = f"by the rule of {kernel} ({era.name}), not by trying: tcploop check {port} tries; nor is NAT looked at"
    left = sum(bool(row.peer) and not row.to_itself for row in rows)
    said = {_SETTINGS: len(repairs) == 3, f"{counted(left, 'connection')} {_LEFT}": left and not listening}
    notes = (rule, *law.notes, *(note for note, applies in said.items() if applies))
    return Outlook(
        verdicts[asked], prospects, pace, listening, repairs, kernel,
        era.name, reserved, notes, tuple(str(row.state) for row in rows if row.to_itself and row.peer == itself),
    )  # fmt: skip


def _facts(stack: Stack, port: int, host: str, client: ClientKind, rows: Sequence[SocketRow]) -> Facts:
    """What is known of the port for such a client, were nobody to listen on it, nor connected to himself on it."""
    same = [row for row in rows if row.peer == str(Endpoint(host, port)) and not row.to_itself]
    spec = LoopSpec(host, port, client, max_tries=1, timeout=1.0)
    return Facts(
        port,
        host,
        client,
        stack.port_range(),
        source_of(stack, spec) if _can_be_bound(stack, spec) else None,
        reserved=stack.reserved(),
        others=tuple(f"{row.local} -> {row.peer} ({row.state})" for row in same if row.state != State.TIME_WAIT),
        time_wait=tuple(f"{row.local} -> {row.peer}" for row in same if row.state == State.TIME_WAIT),
        bound=tuple(row.local for row in rows if row.state == State.CLOSED and keeps_off(row.local, host, client)),
    )


def _reached_past(circle: Candidates, port: int, taken: Sequence[Port | PortRange]) -> bool:
    """Whether a port that is no first choice is given past those that are reserved or bound."""
    return circle.position(port) is None and circle.reaches(port, port_set(taken, circle.port_range))


def _can_be_bound(stack: Stack, spec: LoopSpec) -> bool:
    """False where the address is on no interface, as 127.0.0.1 with IPv6 alone. UDP takes none of TCP's ports."""
    with stack.socket(spec.family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((spec.host, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


class _Law:
    """How long it takes on this port, for each kind of client."""

    def __init__(
        self,
        era: str,
        port_range: PortRange,
        port: int,
        reserved: tuple[PortRange, ...],
        busy: Mapping[ClientKind, set[int]],
        pace: float,
    ) -> None:
        self._asked = era, port_range, port
        self._reserved, self._busy, self._pace = reserved, busy, pace
        self.notes: tuple[str, ...] = ()

    def prospect(self, verdict: Verdict) -> Prospect:
        """Return what a client of this kind has to expect."""
        if not verdict.can_loop:
            return Prospect(verdict.client, False, "; ".join(rule.evidence for rule in verdict.broken))
        law = self._law(verdict.client)
        if not law.can_loop:
            return Prospect(verdict.client, False, law.reason)
        seconds = [law.quantile(p / 100) / self._pace if law.ever >= p / 100 else None for p in _PERCENT]
        return Prospect(verdict.client, True, verdict.client.description, tuple(seconds))

    def _law(self, client: ClientKind) -> TriesDistribution:
        from ..tries.theory import distribution

        busy, reserved, pace = self._busy[client], self._reserved, self._pace
        try:
            return distribution(*self._asked, client, busy=busy, reserved=reserved, tries_per_second=pace)
        except ValueError:  # too many candidates, at this pace, for an exact law with some of them taken
            self.notes = (_LEFT_OUT,)
            return distribution(*self._asked, client, tries_per_second=pace)


def _repairs(
    able: Sequence[ClientKind], port: int, port_range: PortRange, reserved: tuple[PortRange, ...]
) -> tuple[tuple[str, str], ...]:
    """What keeps those clients from looping there, each enough by itself; the commands are run in test_outlook.py."""
    if not any(client.binds is not Binds.TARGET for client in able):  # no setting keeps a socket off what it binds
        return (_LEAVE, _NOTICE) if able else ()
    kept = ",".join(one.setting for one in (*reserved, PortRange(port, port)))
    return (
        ("reserve it", f"sudo sysctl -w net.ipv4.ip_local_reserved_ports={kept}"),
        ("move it out of the range", _move(port, port_range)),
        _NOTICE,
    )


_LEAVE = ("let connect() choose the port", "no bind() to the port that the client dials")
_NOTICE = (
    "let the client notice",
    "after connect(): if s.getsockname() == s.getpeername(): s.setsockopt(SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)); "
    "s.close(); try again later",
)


def _move(port: int, port_range: PortRange) -> str:
    """The range on the wider side of the port, where enough of it is left there; else another port for the server."""
    below, above = (port_range.low, port - 1), (port + 1, port_range.high)
    low, high = max(below, above, key=lambda side: side[1] - side[0])
    if high - low + 1 < _ADVISED:
        return f"let the server listen on the port that tcploop port prints, outside {port_range}"
    return f"sudo sysctl -w net.ipv4.ip_local_port_range='{low} {high}'"


def lasting(seconds: float | None) -> str:
    """Return a time in words, in the unit that gives it one to three digits; "never" for None."""
    if seconds is None:
        return "never"
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"
