"""What makes a simulated walk fast: sums of many steps drawn at once, scans looked up beforehand."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..ports.candidates import Candidates, stride_bound, stride_for
from .renewal import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Jumps:
    """Sums of 1, 2, 3, 4, 6, 8, 12, ... steps (`lengths`), each drawn with one random number.

    `room` says how far ahead the next position that matters must be for each. Values less likely than 2^-53
    are left out, since no random number picks them.

    The laws of the sums lie end to end as alias tables (Walker 1977): slot i of a law of n values stands
    for value i with chance `keep`, else for its alias, and all slots are equally likely.
    """

    def __init__(self, steps: tuple[float, ...], farthest: int) -> None:
        sums = _sums(steps, farthest)
        self.lengths = np.array(list(sums))
        self.room = np.array([_room(length, len(steps), *sums[length]) for length in sums])
        self._least = np.array([least for least, _ in sums.values()])
        self._count = np.array([len(law) for _, law in sums.values()])
        self._first = np.cumsum(self._count) - self._count
        tables = [_alias_table(law) for _, law in sums.values()]
        self._keep = np.concatenate([keep for keep, _ in tables])
        self._alias = np.concatenate([alias for _, alias in tables])

    def draw(self, level: Ints, rng: np.random.Generator) -> Ints:
        """Return one sum of lengths[level] steps for each level."""
        point = rng.random(len(level)) * self._count[level]
        slot = point.astype(np.int64)
        entry = self._first[level] + slot
        kept = point - slot < self._keep[entry]
        return np.asarray(np.where(kept, slot, self._alias[entry]) + self._least[level])


def _sums(steps: tuple[float, ...], farthest: int) -> dict[int, tuple[int, Floats]]:
    """Return, for each number of steps that fits into `farthest`, the least value of the sum and its law."""
    whole = {1: (1, np.asarray(steps))}
    for length in sorted({2**k for k in range(1, 17)} | {3 * 2**k for k in range(16)}):
        half = 1 << (length - 1).bit_length() - 1
        (least, law), (other_least, other_law) = whole[half], whole[length - half]
        whole[length] = _cut(least + other_least, np.convolve(law, other_law), 1e-30)
        if _room(length, len(steps), *whole[length]) > farthest:
            break
    likely = {length: _cut(*whole[length], 2.0**-53) for length in whole}
    return {n: law for n, law in likely.items() if n == 1 or _room(n, len(steps), *law) <= farthest}


def _cut(least: int, law: Floats, unlikely: float) -> tuple[int, Floats]:
    """Cut off the tails: the values of a law that are less likely than that, at both ends."""
    likely = np.flatnonzero(law > unlikely)
    kept = law[likely[0] : likely[-1] + 1]
    return least + int(likely[0]), kept / kept.sum()


def _room(length: int, longest: int, least: int, law: Floats) -> int:
    """How far ahead a position must be so that none but the last of `length` steps can stop on it."""
    return min((length - 1) * longest + 1, least + len(law) - 1)


def _alias_table(law: Floats) -> tuple[Floats, Ints]:
    """Return the chance to keep each slot, and its alias (Vose's method: fill the small from the large)."""
    keep, alias = law * len(law), np.arange(len(law))
    small, large = list(np.flatnonzero(keep < 1)), list(np.flatnonzero(keep >= 1))
    while small and large:
        low, high = small.pop(), large[-1]
        alias[low] = high
        keep[high] -= 1 - keep[low]
        if keep[high] < 1:
            small.append(large.pop())
    keep[small + large] = 1
    return keep, alias


@lru_cache(maxsize=8)
def jumps(steps: tuple[float, ...], farthest: int) -> Jumps:
    """Return the shared Jumps for these steps on a circle of `farthest` positions."""
    return Jumps(steps, farthest)


class Scans:
    """What happens at every position: which are hits, and how many taken ports are passed over there.

    `hit` and `past` (some port is taken here) are arrays over the positions. Where taken ports are passed
    by random strides (`step_width`), what is given there is drawn at each look.
    """

    def __init__(self, circle: Candidates, port: int, taken: frozenset[int], redraws: bool, step_width: int) -> None:
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
            [circle.choose(int(x), taken, stride) or (0, -1) for stride in strides] for x in np.flatnonzero(self.past)
        ]
        self._ports, self._displacements = np.moveaxis(np.array(rows, dtype=np.int64), 2, 0)
        self._port = port

    def look(self, places: Ints, rng: np.random.Generator) -> tuple[Bools, Ints]:
        """Return for each place whether the try hits, and how many taken ports it passes (-1: all)."""
        hit, passed = self.hit[places], self.passed[places]
        if self.drawn:
            met = np.flatnonzero(passed)
            row = self._row[places[met]]
            column = rng.integers(self._ports.shape[1], size=len(met))
            hit[met] = self._ports[row, column] == self._port
            passed[met] = self._displacements[row, column]
        return hit, passed
