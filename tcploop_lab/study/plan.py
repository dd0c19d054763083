"""What one cell of a study is to measure."""

from __future__ import annotations

from dataclasses import dataclass

from ..ports.clients import ClientKind
from ..ports.ranges import PortRange
from ..testbed.limits import default_max_tries
from ..tries.theory import TriesDistribution, distribution

DEFAULT_ERA = "random-walk"  # what is assumed before a kernel was probed
CANNOT_LOOP_SWEEPS = 2  # tries, in multiples of M, after which a port that cannot loop by theory is left censored


@dataclass(frozen=True)
class CellPlan:
    """One cell of a study: one port in one range dialled by one kind of client."""

    port: int
    port_range: PortRange
    client: ClientKind

    def law(self, era: str = DEFAULT_ERA, start: str = "random") -> TriesDistribution:
        """Return the exact distribution of the tries in this cell, under this era."""
        return distribution(era, self.port_range, self.port, self.client, start)

    def max_tries(self, era: str = DEFAULT_ERA, start: str = "random") -> int:
        """Return the default bound of a sample.

        A port that can loop reaches it once in a million samples. One that cannot loop would reach any
        bound: two sweeps of the M candidates are enough to see that it is passed over, and the sample stays
        censored there.
        """
        law = self.law(era, start)
        if not law.can_loop:
            return CANNOT_LOOP_SWEEPS * law.candidates
        like = ClientKind.SOCKET_RANGE if era == "socket-range" else self.client  # all ports are candidates
        return default_max_tries(self.port_range, like)

    def __str__(self) -> str:
        return f"port {self.port} in {self.port_range}, {self.client}"
