"""The distribution explorer without its widgets: the law at once, samples of it on demand.

Every sample is a loop from and to a fresh address of 127.0.0.0/8, so that each begins at a random place of the
kernel's counter. The testbed that measures is one of its own, and ends with the measurement.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...ports.clients import ClientKind, parse_client
from ...ports.eras import ERAS
from ...ports.ranges import PortRange
from ...tcp.words import counted
from ...tries.theory import TriesDistribution, distribution
from ..figures import Curve
from .background import Background, in_words, must_be_there, parse_count

with warnings.catch_warnings():  # SciPy's import sets filters, which are the caller's to set
    import scipy.stats  # noqa: F401  (loaded now: the first curve of a measurement would wait for it)

MOST_SAMPLES = 10_000
MISSED = 1e-6  # the chance that a sample of a port that can loop is cut off by its bound
_SWEEPS = 2  # of the candidates, after which a port that cannot loop is left


@dataclass
class Sampled:
    """The law of one client, and what was measured of it so far."""

    law: TriesDistribution
    tries: list[int] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)

    @property
    def curve(self) -> Curve:
        """Law and samples as a curve to draw."""
        mean = "cannot loop"
        if self.law.can_loop:
            mean = f"mean {self.law.mean:,.0f} expected" if self.law.ever == 1 else f"{self.law.ever:.2%} ever connect"
        if self.hits and all(self.hits):
            mean += f",\n{np.mean(self.tries):,.0f} measured"
        elif any(self.hits):  # the mean of the hits alone is another quantity
            mean += f",\n{self.hits.count(False)} of {len(self.hits)} not met in {counted(self.most_tries, 'try')}"
        samples = np.array(self.tries, dtype=np.int64), np.array(self.hits, dtype=bool)
        return Curve(f"{self.law.client}\n{mean}", self.law, *samples)

    @property
    def most_tries(self) -> int:
        """The bound of a sample."""
        return (
            self.law.tries_needed((1 - MISSED) * self.law.ever) if self.law.can_loop else _SWEEPS * self.law.candidates
        )

    def add(self, tries: int, hit: bool) -> None:
        """Append a sample."""
        self.tries.append(tries)
        self.hits.append(hit)


class DistributionExplorer:
    """The laws of some clients for one port, range and era, with the samples measured under them."""

    def __init__(self, testbed: Any = None) -> None:
        self.testbed = testbed
        self.work = Background()
        self.series: tuple[Sampled, ...] = ()
        self.goal = 0
        self._note = ""

    @property
    def laws(self) -> tuple[TriesDistribution, ...]:
        """The laws, one for each client."""
        return tuple(one.law for one in self.series)

    @property
    def curves(self) -> list[Curve]:
        """What there is to draw."""
        return [one.curve for one in self.series]

    @property
    def measured(self) -> int:
        """How many samples each client has at least."""
        return min((len(one.tries) for one in self.series), default=0)

    @property
    def words(self) -> str:
        """How things stand."""
        if problem := self.work.problem or self._note:
            return problem
        if not self.series:
            return "Ready."
        laws = "; ".join(map(_law_words, self.laws))
        if self.work.busy:
            return f"Measuring: {self.measured:,} of {counted(self.goal, 'sample')}. Theory: {laws}."
        found = f" {counted(self.measured, 'sample')} for each client. {self._finding()}" if self.measured else ""
        return f"Theory: {laws}.{found}"

    def choose(self, port: Any, port_range: Any, era: Any, clients: Iterable[Any]) -> bool:
        """Compute the laws for what was typed; False if that cannot be, and `words` says why. Samples are forgotten."""
        self.stop()
        self.series, self._note, self.work.problem = (), "", ""
        try:
            kinds = [parse_client(client) for client in clients]
            if not kinds:
                raise ValueError("clients: none is chosen; choose at least one")
            ports = PortRange.parse(port_range)
            self.series = tuple(Sampled(distribution(era, ports, port, kind)) for kind in kinds)
        except ValueError as reason:
            self._note = in_words(reason)
        self.work.changed()
        return bool(self.series)

    def measure(self, samples: Any = 100) -> bool:
        """Begin to add samples for each client; False if that cannot be, and `words` says why."""
        if self.work.busy or not self.series:
            return False
        self._note = ""
        try:
            must_be_there(self.testbed, "to measure on", "distribution_explorer")
            count = parse_count("samples", samples, MOST_SAMPLES)
        except ValueError as reason:
            self._note = in_words(reason)
            return False
        self.goal = self.measured + count
        return self.work.start(lambda: self._measure(self.series, count))

    def stop(self) -> None:
        """End the measurement under way; the samples stay."""
        self.work.stop()
        self.work.wait(3.0)

    def close(self) -> None:
        """End the measurement under way."""
        self.stop()

    def plot(self, ax: Any = None) -> Any:
        """Draw laws and samples: shares above, histogram below; only the shares on a given `ax`. Return the Axes.

        Raises ValueError if there is nothing to draw.
        """
        if not self.series:
            raise ValueError(self.words)
        from .explorer_figure import draw_both

        return draw_both(self.curves, ax)

    def _measure(self, series: tuple[Sampled, ...], count: int) -> None:
        with self.testbed.sibling(series[0].law.port_range) as place:
            for _ in range(count):
                for one in series:
                    self._sample(place, one)
                    if self.work.stopped:
                        return

    def _sample(self, place: Any, one: Sampled) -> None:
        here = _fresh_address()
        run = place.connect_loop(
            one.law.port, here, one.law.client, one.most_tries, source=here, progress=self.work.tick
        )
        run.close(reset=True)
        if run.stopped == "error":
            raise RuntimeError(f"The measurement ended: {run.summary}.")
        if not run.interrupted:
            one.add(run.tries, run.self_connected)
        self.work.tell()

    def _finding(self) -> str:
        off = [one.law.client for one in self.series if not one.curve.follows]
        if not off:
            return "They stay within the band in which 999 of 1,000 such measurements lie."
        if getattr(self.testbed, "kind", "") == "host":
            return "They leave the band of this era. On a host testbed each socket has its own range: try socket-range."
        return f"They leave the band of this era ({', '.join(off)}): is your kernel of another one?"


def _law_words(law: TriesDistribution) -> str:
    if not law.can_loop:
        return f"{law.client} cannot loop: {law.reason}"
    mean = f"mean {law.mean:,.0f} tries" if law.ever == 1 else f"ever connects in {law.ever:.2%}"
    return f"{law.client}: {mean}, half by {law.quantile(law.ever / 2):,}, 99 % by {law.quantile(0.99 * law.ever):,}"


def _fresh_address() -> str:
    """Any address of 127.0.0.0/8 but those that people use: one that was dialled just now has its own counter."""
    draw = random.SystemRandom().randint
    return f"127.{draw(1, 254)}.{draw(0, 255)}.{draw(1, 254)}"


def known(clients: Any) -> tuple[str, ...]:
    """Those of the clients that there are, to begin with; the first kind if there are none."""
    wanted = (clients,) if isinstance(clients, str) else tuple(clients)
    return tuple(str(kind) for kind in ClientKind if str(kind) in wanted) or (str(ClientKind.SAME_SOCKET),)


def known_era(era: Any) -> str:
    """The era, to begin with, if there is such a one; else that of today's Linux."""
    return str(era) if era in ERAS else "random-walk"
