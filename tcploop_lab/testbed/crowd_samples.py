"""What several clients at once brought, and what they dial."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

TRAFFIC_PORT = 1  # what the other traffic dials: dead, and below the range of any system


@dataclass
class CrowdSamples:
    """Some samples, in the order in which they were drawn.

    `clients` dialled at once; `together` are their tries begun up to the one that connected, `own` those of the client
    that connected (0 if none did), `busy` how many of them made a try by then, `seconds` the time until then, `notice`
    the seconds until that client knew. `traffic` are the tries of the other traffic.
    """

    host: str
    kernel: str
    clients: array[int] = field(default_factory=lambda: array("Q"))
    together: array[int] = field(default_factory=lambda: array("Q"))
    own: array[int] = field(default_factory=lambda: array("Q"))
    busy: array[int] = field(default_factory=lambda: array("Q"))
    traffic: array[int] = field(default_factory=lambda: array("Q"))
    hits: array[int] = field(default_factory=lambda: array("B"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    notice: array[float] = field(default_factory=lambda: array("d"))

    def add(self, counts: Sequence[int], winner: int | None, traffic: int, seconds: float, notice: float) -> None:
        """Append a sample: the tries of each client, who connected, and what the other traffic tried."""
        self.clients.append(len(counts))
        self.together.append(sum(counts))
        self.own.append(0 if winner is None else counts[winner])
        self.busy.append(sum(count > 0 for count in counts))
        self.traffic.append(traffic)
        self.hits.append(winner is not None)
        self.seconds.append(seconds)
        self.notice.append(notice)
