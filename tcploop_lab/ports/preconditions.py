"""The preconditions of a self-connection as rules over observed facts.

The article names three: the same address on both sides, a port of the ephemeral range, nobody listening. On Linux
since 4.2 there are more: the parity that connect() prefers, reserved ports, ports held by bind(), and four numbers that
no other connection has, be it open or in TIME-WAIT. A port that connections to others use is free.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..results.description import Description, Item, Table, plainly
from ..results.shown import Shown
from ..tcp.words import counted
from .clients import Binds, ClientKind
from .ranges import PortRange


@dataclass(frozen=True)
class Rule:
    """One precondition: does it hold, and what was seen."""

    name: str
    ok: bool
    evidence: str

    def __str__(self) -> str:
        return f"{'yes' if self.ok else 'NO':3} {self.name}: {self.evidence}"


@dataclass(frozen=True)
class Facts:
    """What was observed about one port of one host, for one kind of client.

    `source` is the address the kernel really uses; `sampled` holds the source ports of some refused tries; `given` says
    whether the kernel hands the port out when asked for exactly this one (None: it could not be asked). `once`: only
    the first connect() of this client's socket counts; `refused`: the errno of a socket that dials its own name.
    `bound`: the sockets that only hold the port, where that was asked and is told. `past_taken`: it is no first choice,
    but all before it are reserved or held.
    """

    port: int
    host: str
    client: ClientKind
    port_range: PortRange
    source: str | None
    sampled: tuple[int, ...] = ()
    reserved: tuple[PortRange, ...] = ()
    listeners: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    time_wait: tuple[str, ...] = ()
    given: bool | None = None
    bindable: bool = True
    once: bool = False
    refused: str = ""
    bound: tuple[str, ...] | None = None
    past_taken: bool = False


@dataclass(frozen=True, repr=False)
class Verdict(Shown):
    """Can this port loop, and because of which rules not? `candidates` is M, the ports tried first."""

    port: int
    host: str
    client: ClientKind
    port_range: PortRange
    rules: tuple[Rule, ...]
    candidates: int
    label: str = ""  # what it must be shown with, if it is not live

    @property
    def can_loop(self) -> bool:
        """True if every rule holds."""
        return all(rule.ok for rule in self.rules)

    @property
    def broken(self) -> tuple[Rule, ...]:
        """The rules that do not hold."""
        return tuple(rule for rule in self.rules if not rule.ok)

    @property
    def summary(self) -> str:
        """One sentence: can loop, or cannot and because of which rules."""
        where = f"{self.label}: {self.host} port {self.port}" if self.label else f"{self.host} port {self.port}"
        if self.can_loop:
            return f"{where} can loop: all {len(self.rules)} preconditions hold"
        return f"{where} cannot loop: " + "; ".join(f"{rule.name}: {rule.evidence}" for rule in self.broken)

    def describe(self) -> Description:
        """Return the answer, and each precondition with its evidence."""
        items = (
            *plainly(self, "port", "host", "client", "can_loop", "candidates"),
            Item("range", self.port_range),
        )
        columns = (("name", "precondition"), ("ok", "holds"), ("evidence", "evidence"))
        rules = Table("rules", columns, [(rule.name, rule.ok, rule.evidence) for rule in self.rules])
        title = f"{self.host} port {self.port} {'can' if self.can_loop else 'cannot'} loop"
        first = f"candidates (M): {self.candidates:,} ports are tried first in {self.port_range}"
        return Description(title, self.can_loop, self.label, items, (rules,), (first,))


def judge(facts: Facts) -> Verdict:
    """Return the verdict on observed facts: every rule with its evidence, in the order of the course."""
    rules = (
        _same_address(facts),
        _in_range(facts),
        _parity(facts),
        _not_reserved(facts),
        _not_listening(facts),
        _not_held(facts),
        _not_in_time_wait(facts),
    )
    return Verdict(facts.port, facts.host, facts.client, facts.port_range, rules, _candidates(facts))


def parity_of(ports: Iterable[int]) -> str:
    """Return "even", "odd", or "both" for the parity of some ports ("none" if there are none)."""
    seen = {port % 2 for port in ports}
    return {frozenset(): "none", frozenset({0}): "even", frozenset({1}): "odd"}.get(frozenset(seen), "both")


def _candidates(facts: Facts) -> int:
    """M: how many ports are tried first. One parity of the range, or all of it."""
    if facts.client.binds is Binds.TARGET:
        return 1
    if parity_of(facts.sampled) == "both":
        return facts.port_range.width
    return max(1, facts.port_range.width // 2)


def _same_address(facts: Facts) -> Rule:
    if facts.refused:
        return Rule("same address", False, f"this kernel refuses a socket its own address and port: {facts.refused}")
    same = facts.source == facts.host
    seen = f"connecting to {facts.host}, the kernel uses source {facts.source or 'none: no route'}"
    return Rule("same address", same, seen)


def _chooses_itself(facts: Facts) -> bool:
    return facts.client.binds is Binds.TARGET


def _in_range(facts: Facts) -> Rule:
    if _chooses_itself(facts):
        return Rule("in range", True, "does not matter: this client binds the port itself")
    inside = facts.port in facts.port_range
    word = "is in" if inside else "is not in"
    more = "; but only the first connect() of a socket counts on this kernel" if facts.once else ""
    return Rule("in range", inside, f"{facts.port} {word} the ephemeral range {facts.port_range}{more}")


def _parity(facts: Facts) -> Rule:
    name = "parity"
    if _chooses_itself(facts):
        return Rule(name, True, "does not matter: this client binds the port itself")
    if facts.port_range.width == 1:
        return Rule(name, True, "does not matter: the range has one port")
    if not facts.sampled:
        return _parity_by_rule(facts)
    parity, tries = parity_of(facts.sampled), len(facts.sampled)
    if parity == "both":
        return Rule(name, True, f"by trying: {counted(tries, 'try')} used even and odd source ports")
    mine = parity_of([facts.port])
    evidence = f"by trying: all {counted(tries, 'try')} used an {parity} source port, and {facts.port} is {mine}"
    if mine == parity and _left_over(facts):
        return Rule(name, False, f"{facts.port} is the last port of a range with an odd number of ports: {_LAST}")
    return Rule(name, mine == parity, evidence)


_LAST = "it is no first choice, the kernel reaches it only past a busy port"


def _left_over(facts: Facts) -> bool:
    """Linux rounds the number of ports down to an even one, which leaves the last port of an odd count over."""
    return facts.port == facts.port_range.high and facts.port_range.width % 2 == 1


def _parity_by_rule(facts: Facts) -> Rule:
    binds = facts.client.binds is Binds.ZERO
    first = facts.port_range.low % 2 ^ binds
    word, since = "odd" if first else "even", "4.6" if binds else "4.2"
    ok = facts.client.own_range or (facts.port % 2 == first and not _left_over(facts))
    evidence = f"by the rule of Linux since {since}, not by trying: {word} ports go first in {facts.port_range}"
    if facts.past_taken:
        evidence += ", but those before it are reserved or held"
    return Rule("parity", ok or facts.past_taken, evidence)


def _not_reserved(facts: Facts) -> Rule:
    hit = next((item for item in facts.reserved if facts.port in item), None)
    if hit is not None:
        if _chooses_itself(facts):
            return Rule("not reserved", True, f"reserved ({hit}), but this client binds the port itself")
        return Rule("not reserved", False, f"ip_local_reserved_ports holds {hit}")
    return Rule("not reserved", True, f"{facts.port} is not in ip_local_reserved_ports")


def _not_listening(facts: Facts) -> Rule:
    if facts.listeners:
        return Rule("nobody listens", False, f"a socket listens on {', '.join(facts.listeners)}")
    return Rule("nobody listens", True, f"no listening socket on port {facts.port}")


def _not_held(facts: Facts) -> Rule:
    name = "not held"
    if facts.listeners:
        return Rule(name, False, f"the listener on {', '.join(facts.listeners)} holds the port with bind()")
    if facts.others:
        return Rule(name, False, f"in use by an open connection {', '.join(facts.others)}")
    if facts.bound is not None:
        return Rule(name, not facts.bound, f"only bound to it, by inet_diag: {', '.join(facts.bound) or 'no socket'}")
    if facts.given is True or (facts.bindable and facts.given is None):
        how = "the kernel hands it out when asked for just this port" if facts.given else "bind() to it succeeds"
        return Rule(name, True, f"no socket holds port {facts.port}: {how}")
    if facts.bindable or facts.time_wait:
        return Rule(name, True, "no socket holds it with bind()")
    return Rule(name, False, f"bind() to port {facts.port} fails: a socket holds it that called bind()")


def _not_in_time_wait(facts: Facts) -> Rule:
    if facts.time_wait:
        return Rule("not in TIME-WAIT", False, f"a closed connection waits: {', '.join(facts.time_wait)}")
    return Rule("not in TIME-WAIT", True, f"no connection of port {facts.port} is in TIME-WAIT")
