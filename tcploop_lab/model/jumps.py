"""What makes a simulated walk fast: sums of many steps drawn at once, scans looked up beforehand."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidates, stride_bound, stride_for
from .renewal import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_LONGEST = 4096


class Jumps:
    """Sums of 1, 2, 3, 4, 6, 8, 12, ... steps: `lengths`, and a table of their distribution functions.

    The functions lie end to end in one rising table (that of level l in l .. l + 1), so that one binary
    search serves loops at different levels.
    """

    def __init__(self, steps: tuple[float, ...], farthest: int) -> None:
        self.lengths = _lengths(1 + (farthest - 1) // len(steps), len(steps) == 1)
        laws = [_sum_law(steps, int(length)) for length in self.lengths]
        starts = np.cumsum([0, *(len(law) for law in laws[:-1])])
        self._least = self.lengths - starts
        self._table = np.concatenate([_rising(law) + level for level, law in enumerate(laws)])

    def draw(self, level: Ints, rng: np.random.Generator) -> Ints:
        """Return one sum of lengths[level] steps for each level."""
        found = np.searchsorted(self._table, rng.random(len(level)) + level, side="right")
        return np.asarray(found + self._least[level])


def _lengths(most: int, certain: bool) -> Ints:
    """Return the numbers of steps that can be drawn at once, up to `most`."""
    doubling = [2**k for k in range(17)]
    wanted = sorted({*doubling, *(3 * length // 2 for length in doubling[1:])})
    limit = most if certain else min(most, _LONGEST)
    return np.array([length for length in wanted if length <= max(1, limit)])


def _sum_law(steps: tuple[float, ...], length: int) -> Floats:
    """Return the law of the sum of `length` steps, from its least value (`length`) on."""
    if len(steps) == 1:
        return np.ones(1)
    size = length * (len(steps) - 1) + 1
    law = np.fft.irfft(np.fft.rfft(steps, 2 * size) ** length, 2 * size)[:size]
    return np.asarray(np.maximum(law, 0.0))


def _rising(law: Floats) -> Floats:
    rising = np.cumsum(law)
    rising /= rising[-1]
    return np.asarray(rising)


@lru_cache(maxsize=8)
def jumps(steps: tuple[float, ...], farthest: int) -> Jumps:
    """Return the shared Jumps for these steps on a circle of `farthest` positions."""
    return Jumps(steps, farthest)


class Scans:
    """What happens at every position: which are hits, and how many taken ports are passed over there.

    `hit` and `past` (some port is taken here) are arrays over the positions. Where taken ports are passed
    by random strides (`step_width`), what is given there is drawn at each look.
    """

    def __init__(
        self, circle: Candidates, port: int, taken: frozenset[int], redraws: bool, step_width: int
    ) -> None:
        choices = circle.choices(taken)
        self.hit = np.array([choice is not None and choice[0] == port for choice in choices])
        self.passed = np.array([-1 if choice is None else choice[1] for choice in choices], dtype=np.int64)
        self.past = self.passed != 0
        self.drawn = step_width > 0 and bool(self.past.any())
        if redraws or self.drawn:
            self.hit &= ~self.past
        if self.drawn:
            self._learn_strides(circle, port, taken, step_width)

    def _learn_strides(self, circle: Candidates, port: int, taken: frozenset[int], step_width: int) -> None:
        """Note the outcome of every stride at every position whose own port is taken."""
        bound = stride_bound(circle.size, step_width)
        strides = [stride_for(drawn, bound, circle.size) for drawn in range(1, bound + 1)]
        self._row = np.cumsum(self.past) - 1
        rows = [
            [circle.choose(int(x), taken, stride) or (0, -1) for stride in strides]
            for x in np.flatnonzero(self.past)
        ]
        self._ports, self._displacements = np.moveaxis(np.array(rows, dtype=np.int64), 2, 0)
        self._port = port

    def look(self, places: Ints, rng: np.random.Generator) -> tuple[Bools, Ints]:
        """Return for each place whether the try hits, and how many taken ports it passes (-1: no free one)."""
        hit, passed = self.hit[places], self.passed[places]
        if self.drawn:
            met = np.flatnonzero(passed)
            row = self._row[places[met]]
            column = rng.integers(self._ports.shape[1], size=len(met))
            hit[met] = self._ports[row, column] == self._port
            passed[met] = self._displacements[row, column]
        return hit, passed
