"""What several eras of other systems and of the literature share."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable
from typing import ClassVar

from ..candidates import Candidates
from ..era import FRESH_START, Era


class Counting(Era):
    """One port after another: a counter, plus what a hash of the destination adds."""

    counters: ClassVar[int] = 1

    def __init__(self, seed: int | None = None, clock: Callable[[], float] | None = None) -> None:
        super().__init__(seed, clock)
        self._next = [self.random.randrange(2**16) for _ in range(self.counters)]

    def _place(self, destination: Hashable) -> tuple[int, int]:
        """Return which counter serves the destination, and what is added to it."""
        return 0, 0

    def _pick(self, circle: Candidates, destination: Hashable, taken: Container[int]) -> int:
        """Return the first free port from the counter on."""
        index, added = self._place(destination)
        port, displacement = self._choose(circle, (self._next[index] + added) % circle.size, taken)
        self._next[index] += displacement + 1
        return port


class FreshStart(Era):
    """A random start for every port, then a scan."""

    steps = FRESH_START

    def _pick(self, circle: Candidates, destination: Hashable, taken: Container[int]) -> int:
        """Return the first free port from a random place on."""
        return self._choose(circle, self.random.randrange(circle.size), taken)[0]
