"""Laws of the number of tries: each answers P(T = n), P(T <= n) and P(T > n) for whole n.

`total` is P(T is finite): below 1 where the loop may never happen. `mean` is nan unless `total` is 1.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from .renewal import Floats, Renewal, mean_first_hit, renewal

Ints = NDArray[np.int64]


class Law(ABC):
    """The law of T, a number of tries counted from 1."""

    mean: float = math.nan
    total: float = 1.0
    last: int | None = None  # the largest possible T, None if there is none

    @abstractmethod
    def sf(self, n: Ints) -> Floats:
        """P(T > n), exact in the tail too."""

    def pmf(self, n: Ints) -> Floats:
        """P(T = n)."""
        return np.where(n >= 1, self.sf(n - 1) - self.sf(n), 0.0)

    def cdf(self, n: Ints) -> Floats:
        """P(T <= n)."""
        return 1.0 - self.sf(n)


class Never(Law):
    """T is infinite."""

    total = 0.0

    def sf(self, n: Ints) -> Floats:
        """Return ones."""
        return np.ones(n.shape)


class Uniform(Law):
    """T is uniform on first .. last: a sequence from a random start, or one certain number."""

    last: int

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.count = last - first + 1
        self.mean = (first + last) / 2

    def pmf(self, n: Ints) -> Floats:
        """Return 1/count within the bounds."""
        return ((n >= self.first) & (n <= self.last)) / self.count

    def cdf(self, n: Ints) -> Floats:
        """Return the share of first .. last up to n."""
        return np.clip(n - self.first + 1, 0, self.count) / self.count

    def sf(self, n: Ints) -> Floats:
        """Return the share of first .. last above n."""
        return np.clip(self.last - n, 0, self.count) / self.count


class Geometric(Law):
    """Every try hits with the same chance."""

    def __init__(self, chance: float) -> None:
        self.chance = chance
        self.mean = 1 / chance
        self.last = 1 if chance == 1 else None
        self._log_miss = math.log1p(-chance) if chance < 1 else -math.inf

    def pmf(self, n: Ints) -> Floats:
        """Return chance * (1 - chance)^(n - 1)."""
        return np.where(n >= 1, self.chance * self.sf(n - 1), 0.0)

    def cdf(self, n: Ints) -> Floats:
        """Return 1 - (1 - chance)^n."""
        return -np.expm1(self._exponent(n))

    def sf(self, n: Ints) -> Floats:
        """Return (1 - chance)^n."""
        return np.exp(self._exponent(n))

    def _exponent(self, n: Ints) -> Floats:
        tries = np.maximum(n, 0)
        return tries * self._log_miss if self.chance < 1 else np.where(tries > 0, -np.inf, 0.0)


class _Walk(Law):
    """What first hit and return of a walk share: arrays that grow as they are asked for."""

    def __init__(self, size: int, steps: tuple[float, ...]) -> None:
        self._renewal: Renewal = renewal(size, steps)

    def _read(self, values: str, n: Ints, before: float, beyond: float) -> Floats:
        """Index the array `values` of the renewal with n: `before` for n < 0, `beyond` past what is known."""
        self._renewal.reach(int(n.max(initial=0)))
        array: Floats = getattr(self._renewal, values)
        inside = array[np.clip(n, 0, len(array) - 1)]
        return np.where(n < 0, before, np.where(n >= len(array), beyond, inside))


class WalkFirstHit(_Walk):
    """First hit of a walk from a uniformly random start."""

    def __init__(self, size: int, steps: tuple[float, ...]) -> None:
        super().__init__(size, steps)
        self.mean = mean_first_hit(size, steps)

    def pmf(self, n: Ints) -> Floats:
        """Return P(return time >= n) / M."""
        return np.where(n >= 1, self._read("return_sf", n - 1, 0.0, 0.0) / self._renewal.size, 0.0)

    def cdf(self, n: Ints) -> Floats:
        """Return the sum of pmf up to n."""
        return self._read("first_cdf", n, 0.0, 1.0)

    def sf(self, n: Ints) -> Floats:
        """Return P(T > n)."""
        return self._read("first_sf", n, 1.0, 0.0)


class WalkReturn(_Walk):
    """Return of a walk to the position it just left. Its mean is exactly M (Kac's lemma)."""

    def __init__(self, size: int, steps: tuple[float, ...]) -> None:
        super().__init__(size, steps)
        self.mean = float(size)

    def sf(self, n: Ints) -> Floats:
        """Return P(T > n)."""
        return self._read("return_sf", n, 1.0, 0.0)


class FirstTryOnly(Law):
    """Another law cut off after its first try: every later try fails whatever the port."""

    last = 1

    def __init__(self, law: Law) -> None:
        self.total = float(law.pmf(np.array([1]))[0])
        self.mean = 1.0 if self.total == 1 else math.nan

    def pmf(self, n: Ints) -> Floats:
        """Return the chance of the first try, and 0."""
        return np.where(n == 1, self.total, 0.0)

    def cdf(self, n: Ints) -> Floats:
        """Return the chance of the first try from n = 1 on."""
        return np.where(n >= 1, self.total, 0.0)

    def sf(self, n: Ints) -> Floats:
        """Return what the first try leaves."""
        return 1.0 - self.cdf(n)


def walk_law(size: int, steps: tuple[float, ...], start: str) -> Law:
    """Return the law of T for a circle of `size` positions, none taken; `start` is "random" or "return"."""
    if size == 1:
        return Uniform(1, 1)
    if not steps:
        return Geometric(1 / size)
    if len(steps) == 1:
        return Uniform(1, size) if start == "random" else Uniform(size, size)
    return WalkFirstHit(size, steps) if start == "random" else WalkReturn(size, steps)


def quantile(law: Law, q: float) -> int:
    """Return the smallest n with P(T <= n) >= q, for 0 < q <= 1.

    Raises ValueError for another q, and for one that T never reaches.
    """
    if not 0 < q <= 1:
        raise ValueError(f"chance {q}: a chance here is more than 0 and at most 1")
    if q > law.total:
        raise ValueError(f"chance {q}: it stays at {law.total:.6g}, however many tries; ask for less")
    if law.last is None and 1 - q < 0.99e-9:
        raise ValueError(f"chance {q}: no number of tries makes it certain; ask for at most 1 - 1e-9")
    allowed = (1 - q) * (1 + 1e-12)
    high = _guess(law, allowed)
    while _tail(law, high) > allowed:
        high *= 2
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _tail(law, middle) > allowed else (low, middle)
    return high


def _guess(law: Law, allowed: float) -> int:
    """Where an exponential law of the same mean has this tail: near the answer, to compute little twice."""
    if allowed == 0 or math.isnan(law.mean):
        return 1
    return max(1, math.ceil(-law.mean * math.log(allowed)))


def _tail(law: Law, n: int) -> float:
    return float(law.sf(np.array([n]))[0])
