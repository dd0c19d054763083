"""Who knows of a segment? What an end sends shows what it has received; looking it up takes no time that grows.

A capture may hold 50,000 segments that fit nowhere, so nothing here reads all of them again for each.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from math import inf

from .segments import Segment
from .tcb import distance


def first_after(index: int, positions: list[int]) -> float:
    """Return the first of `positions`, which ascend, after `index`; infinity if there is none."""
    place = bisect_right(positions, index)
    return positions[place] if place < len(positions) else inf


@dataclass
class Answers:
    """What one end sends from some position on, to find who has received a segment without reading all of it again.

    `best` holds, for segments with and without an ACK, what tells more than all between: (position, how much), the
    nearest last. Who has received an ACK of its SYN sends no SYN any more, so there a SYN tells nothing.
    """

    positions: list[int] = field(default_factory=list)  # backwards
    best: tuple[list[tuple[int, float]], list[tuple[int, float]]] = field(default_factory=lambda: ([], []))
    told: int = 0  # the acknowledgment number of the nearest, counted on beyond 2**32

    def add(self, index: int, answer: Segment) -> None:
        """Put `answer` in front of those that are there."""
        much = -inf
        if answer.is_reset:
            much = inf
        elif "A" in answer.flags:
            much = self.told = self.told + distance(answer.ack, self.told)
        for best in self.best[: 1 if answer.is_syn or answer.is_syn_ack else 2]:
            while best and best[-1][1] <= much:
                best.pop()
            best.append((len(self.positions), much))
        self.positions.append(index)

    def last_before_it_knew(self, segment: Segment) -> int:
        """The position of the last one that shows no knowledge of `segment`, before the first that does; else -1."""
        needed = self.told + distance(segment.seq + segment.length, self.told) if segment.length else -inf
        best = self.best["A" in segment.flags]
        place = bisect_left(best, True, key=lambda one: one[1] < needed)
        place = best[place - 1][0] + 1 if place else 0
        return self.positions[place] if place < len(self.positions) else -1
