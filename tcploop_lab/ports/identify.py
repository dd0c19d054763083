"""Tell the era of a kernel from the source ports of some hundred tries to one destination.

The version of a kernel does not tell it: the random walk of Linux 5.18 was back-ported to most long-term
kernels in 2022. The differences between successive source ports do. Each kind of allocator has a law for
them; the one under which the sample is likeliest wins, and a share of 1 % is left for differences that no
law explains (a port that somebody held, a new start every 10 seconds).

Some eras look alike from one destination; one of them stands for all (`probed_as` of an era), unless the range is the
default of another: steps of 1 in 49152-65535 are those of macOS. A fresh start within one parity is `geometric`; so is
bind(0) on Linux.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..results.description import Bar, Description, Item, Said, Table, plainly
from ..results.shown import Shown
from ..tcp.words import counted
from .candidates import Order
from .era import Era
from .eras import BY_NAME
from .preconditions import parity_of
from .ranges import PortRange, parse_port

_NOISE = 0.01
_KINDS = tuple(era for era in BY_NAME.values() if not era.probed_as and not era.guessed)


@dataclass(frozen=True, repr=False)
class ProbeResult(Shown):
    """What a probe found.

    `increments` counts the steps between successive source ports, modulo the range. `parity` is that of the
    source ports: even, odd or both. `confidence` is the probability of the era among all kinds, each as
    likely beforehand. `alike` names the eras that one destination cannot tell from this one. `tries` is the
    number of source ports.
    """

    era: str
    increments: dict[int, int]
    parity: str
    confidence: float
    tries: int
    port_range: PortRange
    alike: tuple[str, ...] = ()
    source_ports: tuple[int, ...] = field(default=(), repr=False)
    label: str = ""  # what it must be shown with, if it is not live

    figure = "increments"

    @property
    def summary(self) -> str:
        """One sentence: the era, and those that look the same."""
        alike = f" (or {', '.join(self.alike)}: they look the same from here)" if self.alike else ""
        return f"era: {self.era}{alike}"

    def describe(self) -> Description:
        """Return what was found; `increments` counts the steps between successive source ports."""
        sure = f"{self.confidence:.1%}, from {counted(self.tries, 'try')} in {self.port_range}"
        items = (
            *plainly(self, "era", "alike", "tries", "increments"),
            Item("parity", self.parity, "parity"),
            Item("confidence", Said(self.confidence, sure), "confidence"),
            Item("range", self.port_range),
        )
        most = max(self.increments.values(), default=1)
        rows = [(step, count, Bar(count / most)) for step, count in self.increments.items()]
        steps = Table("", (("", "step"), ("", "count"), ("", "share of the steps")), rows)
        return Description(self.summary, None, self.label, items, (steps,))

    @property
    def expected(self) -> dict[int, float]:
        """The chance of each step by the law of the era, in ports; empty where every port is a fresh draw."""
        stride = 2 if self.parity in ("even", "odd") and self.port_range.width > 1 else 1
        return {j * stride: chance for j, chance in enumerate(BY_NAME[self.era].steps, start=1)}


def classify(source_ports: Iterable[int], port_range: Any) -> ProbeResult:
    """Return the era that explains best the source ports of successive tries to one destination.

    Raises ValueError if there are fewer than two ports, or one is outside the range.
    """
    whole = PortRange.parse(port_range)
    ports = tuple(parse_port(port) for port in source_ports)
    _check(ports, whole)
    evidence = {era: _log_likelihood(era, ports, whole) for era in _KINDS}
    best = max(evidence, key=lambda era: evidence[era])
    confidence = 1 / sum(math.exp(value - evidence[best]) for value in evidence.values())
    counts = _increments(ports, _modulus(best, whole))
    name, alike = _name(best, whole)
    return ProbeResult(
        name, dict(sorted(counts.items())), parity_of(ports), confidence, len(ports), whole, alike, ports
    )


def _check(ports: tuple[int, ...], whole: PortRange) -> None:
    if len(ports) < 2:
        raise ValueError(f"{len(ports)} source ports: a probe needs at least 2, and some hundred to be sure")
    for port in ports:
        if port not in whole:
            raise ValueError(f"source port {port}: outside the range {whole}; give the range that was in force")


def _modulus(era: type[Era], whole: PortRange) -> int:
    """The kernel counts modulo the width; made even where it goes by parity."""
    return whole.width & ~1 or 1 if era.order is Order.LOW_PARITY else whole.width


def _increments(ports: tuple[int, ...], modulus: int) -> Counter[int]:
    return Counter((after - before) % modulus for before, after in pairwise(ports))


def _log_likelihood(era: type[Era], ports: tuple[int, ...], whole: PortRange) -> float:
    modulus = _modulus(era, whole)
    stride = 2 if era.order is Order.LOW_PARITY and modulus > 1 else 1
    law: Counter[int] = Counter()
    for j, chance in enumerate(era.steps, start=1):
        law[j * stride % modulus] += chance  # type: ignore[assignment]
    fresh = 0.0 if era.steps else stride / modulus
    total = 0.0
    for step, count in _increments(ports, modulus).items():
        expected = law[step] if era.steps else fresh * (step % stride == 0)
        total += count * math.log((1 - _NOISE) * expected + _NOISE / modulus)
    return total


def _name(best: type[Era], whole: PortRange) -> tuple[str, tuple[str, ...]]:
    """Let the range decide where nothing else can; return the name and the eras that look the same."""
    alike = [best, *(era for era in BY_NAME.values() if era.probed_as == best.name)]
    named = next((era for era in alike if era.default_range == whole), best)
    return named.name, tuple(era.name for era in alike if era is not named)
