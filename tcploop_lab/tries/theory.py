"""How many tries until a socket connects to itself: the exact distribution, era by era.

    law = distribution("random-walk", (32768, 60999), 33334)
    law.mean, law.quantile(0.5), law.chance(10_000), law.tries_needed(1 - 1e-6)

The tries are those of one client that nobody disturbs, with the kernel's counter at a uniformly random place
(`start="random"`) or just past the port after a loop (`start="return"`). `tries_per_second` is the client's pace: Linux
5.18 and later draw a new start every 10 seconds, which matters to whoever is slow. Without it the loop is a tight one,
over before that (it takes a tenth of 10 seconds). A 32-bit counter that overflows is left out: it breaks the sequence
once in 2^32 ports.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..ports.candidates import Candidates, port_set, why_never_first
from ..ports.clients import Binds, Client, ClientKind, parse_client
from ..ports.era import Era
from ..ports.eras import ERAS, parse_era
from ..ports.ranges import Port, PortRange, Range, parse_port
from ..results.description import Description, Item, Said, Table, plainly
from ..results.shown import Shown
from .laws import FirstTryOnly, Geometric, Law, Never, Uniform, quantile, walk_law
from .paced import Paced, tries_in

__all__ = ["ERAS", "STARTS", "TriesDistribution", "distribution"]

START_WORDS = {"random": "first hit from a random start", "return": "return to the port just left"}
STARTS = tuple(START_WORDS)
QUANTILES = (5, 25, 50, 75, 95, 99)  # percent
MOST_PER_SECOND = 1e5
LONGEST_PHASE = 3600.0


@dataclass(frozen=True, repr=False)
class TriesDistribution(Shown):
    """The law of T, the number of tries to success, with what it was asked for.

    `candidates` is M. `can_loop` is False where P(T is finite) is 0; `reason` says why, or why it can.
    `mean` is E T in tries, nan unless the loop is certain to happen. `ever` is P(T is finite). `tries_per_second` is
    the pace, None for a tight loop.
    """

    era: str
    port_range: PortRange
    port: int
    client: ClientKind
    start: str
    can_loop: bool
    reason: str
    candidates: int
    mean: float
    ever: float
    law: Law = field(repr=False, compare=False)
    tries_per_second: float | None = None
    figure = "chances"

    @property
    def name(self) -> str:
        """What tables and legends call this law: its era, or the lottery that a geometric law is."""
        return "lottery" if self.era == "geometric" else self.era

    @property
    def summary(self) -> str:
        """One sentence: whether the port can loop, and why."""
        return f"port {self.port} {'can' if self.can_loop else 'cannot'} loop: {self.reason}"

    def describe(self) -> Description:
        """Return the distribution of the tries; null for what is not finite, and for what is never reached."""
        reached = {p: self.quantile(p / 100) if self.ever >= p / 100 else None for p in QUANTILES}
        pace = self.tries_per_second
        lasts = f", {self.mean / pace:,.0f} s at {pace:g} tries a second" if pace else ""
        items = (
            *plainly(self, "port", "can_loop", "reason", "tries_per_second"),
            Item("era", self.era, "era"),
            Item("range", self.port_range, "range"),
            Item("client", self.client, "client"),
            Item("start", Said(self.start, START_WORDS[self.start]), "start"),
            Item("candidates", self.candidates, "candidates (M)"),
            Item("mean", Said(self.mean, f"{self.mean:,.1f}{lasts}"), "mean tries" if self.can_loop else ""),
            Item("quantiles", reached),
        )
        rows = [(f"{percent} %", "never" if tries is None else tries) for percent, tries in reached.items()]
        table = Table("", (("", "share of runs"), ("", "have looped after tries")), rows if self.can_loop else ())
        return Description(self.summary, self.can_loop, "", items, (table,))

    def pmf(self, n: ArrayLike) -> Any:
        """Return P(T = n); n is a whole number or an array of them, and so is the answer."""
        return self._ask(self.law.pmf, n)

    def cdf(self, n: ArrayLike) -> Any:
        """Return P(T <= n)."""
        return self._ask(self.law.cdf, n)

    def sf(self, n: ArrayLike) -> Any:
        """Return P(T > n), to about 1e-10."""
        return self._ask(self.law.sf, n)

    def chance(self, n: int) -> float:
        """Return the chance that n tries are enough."""
        return float(self.cdf(n))

    def mean_of_hits(self, limit: int) -> float:
        """Return E(T | T <= limit), the mean tries of the loops that happen within `limit` tries; nan if none can.

        What the mean of a sample's hits is to be compared with where loops are given up after `limit` tries.
        """
        hits = self.chance(limit)
        return float(self.sf(np.arange(limit)).sum() - limit * self.sf(limit)) / hits if hits > 0 else math.nan

    def quantile(self, q: float) -> int:
        """Return the smallest n with P(T <= n) >= q.

        Raises ValueError if q is not in (0, 1] or P(T <= n) never gets there.
        """
        if not self.can_loop:
            raise ValueError(f"port {self.port}: it cannot loop ({self.reason})")
        return quantile(self.law, q)

    def tries_needed(self, chance: float) -> int:
        """Return how many tries give this chance of a loop: quantile(chance)."""
        return self.quantile(chance)

    @staticmethod
    def _ask(function: Any, n: ArrayLike) -> Any:
        values = np.asarray(n)
        if values.dtype.kind not in "iu":
            raise ValueError(f"tries {n!r}: a number of tries is a whole number")
        answer = function(np.atleast_1d(values).astype(np.int64)).reshape(values.shape)
        return answer if values.shape else float(answer)


def distribution(
    era: str,
    port_range: Range,
    port: Port,
    client: Client = "same-socket",
    start: str = "random",
    busy: Iterable[Port | PortRange] = (),
    reserved: Iterable[Port | PortRange] = (),
    tries_per_second: float | None = None,
    phase: float | None = None,
) -> TriesDistribution:
    """Return the exact law of the tries that a client needs to connect to itself on `port`.

        lab.distribution("random-walk", (32768, 60999), 33334).quantile(0.5)

    `busy` are ports that bound sockets hold, `reserved` those of ip_local_reserved_ports (ports or PortRanges). At a
    pace of `tries_per_second`, `phase` is how many seconds before the first try the kernel has drawn its start (None:
    any, as likely as any other). Raises ValueError for an unknown era, client, start, port, range or pace, and where
    ports are taken among more candidates than an exact computation bears: tcploop_lab.tries.simulate counts those.
    """
    if start not in STARTS:
        raise ValueError(f"start {start!r}: a start is one of {', '.join(STARTS)}")
    ports = PortRange.parse(port_range)
    target = parse_port(port)
    everywhere = PortRange(min(ports.low, target), max(ports.high, target))
    return _distribution(
        parse_era(era).name,
        ports,
        target,
        parse_client(client),
        start,
        port_set(busy, everywhere),
        port_set(reserved, everywhere),
        None if tries_per_second is None else parse_pace(tries_per_second),
        None if phase is None else _number("phase", phase, LONGEST_PHASE),
    )


def parse_pace(tries_per_second: float) -> float:
    """Return a pace above 0 and at most 100,000 tries a second; ValueError names it otherwise."""
    return _number("tries per second", tries_per_second, MOST_PER_SECOND)


def _number(name: str, value: float, most: float) -> float:
    """Return a number above 0 (a phase may be 0) and at most `most`; ValueError names it otherwise."""
    least = 0.0 if name == "phase" else math.ulp(0.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(
            f"{name} {value!r}: give a number {'of at least' if least == 0 else 'above'} 0, up to {most:g}"
        )
    return float(value)


@lru_cache(maxsize=256)
def _distribution(
    era: str,
    port_range: PortRange,
    port: int,
    client: ClientKind,
    start: str,
    busy: frozenset[int],
    reserved: frozenset[int],
    pace: float | None,
    phase: float | None,
) -> TriesDistribution:
    rules = parse_era(era)
    circle = rules.candidates(port_range, client)
    period = rules.salt_period if pace is not None and rules.law_of(client)[1] else None
    per_epoch = tries_in(period, pace) if period and pace is not None else None
    tries = math.ceil(per_epoch) if per_epoch else None
    law, reason = _law(rules, circle, port, client, start, busy, reserved, tries)
    if period and per_epoch and law.last != 1 and law.total > 0:
        fresh = law if start == "random" else _law(rules, circle, port, client, "random", busy, reserved, tries)[0]
        law = _at_pace(law, fresh, period, per_epoch, phase)
    candidates = 1 if client.binds is Binds.TARGET else circle.size
    mean = law.mean if law.total == 1 else math.nan
    return TriesDistribution(
        era, port_range, port, client, start, law.total > 0, reason, candidates, mean, law.total, law, pace
    )


def _at_pace(law: Law, fresh: Law, period: float, per_epoch: Fraction, phase: float | None) -> Law:
    """Return the law of so many tries per epoch, where a new start is drawn every `period` seconds."""
    if phase is not None and phase >= period:
        raise ValueError(f"phase {phase:g}: the kernel draws a new start every {period:g} s; give less")
    if per_epoch <= 1 and law is fresh:  # no try has the start of the one before
        return Geometric(float(fresh.pmf(np.array([1]))[0]))
    since = None if phase is None else Fraction(phase) * per_epoch / Fraction(period)
    return Paced(law, fresh, per_epoch, since)


def _law(
    era: type[Era],
    circle: Candidates,
    port: int,
    client: ClientKind,
    start: str,
    busy: frozenset[int],
    reserved: frozenset[int],
    tries: int | None,
) -> tuple[Law, str]:
    """Return the law, which is asked for that many tries at most (None: for any), and the reason in one sentence."""
    if era.never:
        return Never(), era.never
    if port in busy:
        return Never(), f"another socket holds port {port}"
    if client.binds is Binds.TARGET:
        return Uniform(1, 1), "the client binds to the very port that it dials: certain on the first try"
    if client.own_range and not era.has_socket_range:
        return Never(), f"the era {era.name} has no IP_LOCAL_PORT_RANGE (Linux 6.3 and later)"
    if port not in circle.port_range:
        return Never(), f"port {port} is outside the range {circle.port_range}"
    if port in reserved:
        return Never(), f"port {port} is reserved (ip_local_reserved_ports)"
    law, reason = _law_in_range(era, circle, port, client, start, busy | reserved, tries)
    if era.connects_once and not client.new_socket and law.total > 0:
        reason += f"; but only on the first try: the second connect() of a socket fails with {era.connects_once}"
        return FirstTryOnly(law), reason
    return law, reason


def _law_in_range(
    era: type[Era],
    circle: Candidates,
    port: int,
    client: ClientKind,
    start: str,
    taken: frozenset[int],
    tries: int | None,
) -> tuple[Law, str]:
    steps = era.law_of(client)[1]
    position = circle.position(port)
    if any(circle.position(other) is not None for other in taken):
        with warnings.catch_warnings():  # SciPy's import sets filters, which are the caller's to set
            from .markov import law_with_taken  # the free range does not need it

        return law_with_taken(era, circle, steps, port, start, taken, tries)
    if position is None:
        return Never(), why_never_first(circle, port)
    return walk_law(circle.size, steps, start), f"port {port} is one of {circle.size} candidates, all free"
