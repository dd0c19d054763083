"""The law of tries made at a steady pace, under a kernel that draws a new start every so many seconds.

Linux since 5.18 salts the hash anew in each epoch of 10 seconds, which sets the counter on a new random place. So each
epoch is a walk of its own from a random start, cut off after as many tries as fit into it, and

    P(T > n) = product over the epochs of P(no hit in the tries that fall into it).

The first epoch is cut: the first try comes at any phase of it with equal chance, unless the phase is given.

Let s = p / q tries fit into an epoch, and the first try come u tries after the epoch's start, u uniform on [0, s). Up
to the end of the j-th epoch that is ceil(j s - u) tries. As this changes only where j s - u is whole, let u be 0, 1/q,
.. (p - 1)/q, each as likely. After the first epoch the numbers repeat every q epochs, that is every p tries:
P(T > n + p) = K P(T > n), so that a law of any length costs no more than its first p + s values.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np

from .laws import Ints, Law
from .renewal import Floats

_FINEST = 200_000  # p q at most: a pace that is no such fraction is taken to one in 200,000


def tries_in(period: float, tries_per_second: float) -> Fraction:
    """Return how many tries fit into an epoch, as a fraction of bounded size (a try every 0.15 s: 200/3).

    With less than one to an epoch each is a first one, however rare: the rarest are taken as one in 200,000 seconds.
    """
    pace = max(Fraction(tries_per_second).limit_denominator(_FINEST), Fraction(1, _FINEST))
    exact = pace * Fraction(period)
    return exact.limit_denominator(max(1, isqrt(int(_FINEST / exact))))


class Paced(Law):
    """Tries at a steady pace: `first` is the law from the start, `fresh` that from a new random start.

    `per_epoch` is s; `phase` is u, or None for any with equal chance.
    """

    def __init__(self, first: Law, fresh: Law, per_epoch: Fraction, phase: Fraction | None = None) -> None:
        self._p, self._q = per_epoch.numerator, per_epoch.denominator
        self._longest = -(-self._p // self._q)  # tries in the longest epoch
        whole = np.arange(self._longest + 1)
        self._first, self._fresh = first.sf(whole), fresh.sf(whole)
        self._per_period, self._sf = 1.0, np.zeros(0)
        self._sf = self._averaged() if phase is None else self._from(int(phase * self._q))
        repeated = self._sf[self._longest : self._longest + self._p].sum() / (1.0 - self._per_period)
        self.mean = float(self._sf[: self._longest].sum() + repeated)

    def _averaged(self) -> Floats:
        """P(T > n) for n = 0 .. p + longest - 1, the mean over the phases.

        Phases that differ by whole tries see the same epochs after the first one, later by so many tries: a sum over
        these is a convolution.
        """
        count = self._p + self._longest
        total = np.zeros(count)
        for shift in range(min(self._p, self._q)):
            most = self._longest_first(shift)
            later = self._later(shift, count)
            firsts = np.concatenate([[0.0], self._first[1 : most + 1]])
            total += _convolve(firsts, later)[:count]
            n = np.arange(most)
            total[:most] += (most - n) * self._first[:most]  # still in the first epoch
        return np.asarray(total / self._p)

    def _from(self, start: int) -> Floats:
        """P(T > n) where the first try comes start/q tries after the beginning of its epoch."""
        whole, shift = divmod(start, self._q)
        tries = self._longest_first(shift) - whole
        later = self._later(shift, self._p + self._longest)
        return np.concatenate([self._first[:tries], self._first[tries] * later])[: self._p + self._longest]

    def _longest_first(self, shift: int) -> int:
        """How many tries fall into the first epoch at most, with the first one shift/q after its start."""
        return -(-(self._p - shift) // self._q)

    def _later(self, shift: int, count: int) -> Floats:
        """P(no hit in the first k tries from the second epoch on), k = 0 .. count - 1."""
        ends = [self._longest_first(shift)]
        parts, survived, known = [np.ones(1)], 1.0, 1
        while known < max(count, self._p + 1):
            ends.append(-(-((len(ends) + 1) * self._p - shift) // self._q))
            epoch = survived * self._fresh[1 : ends[-1] - ends[-2] + 1]
            survived = float(epoch[-1]) if len(epoch) else survived
            known += len(epoch)
            parts.append(epoch)
        values = np.concatenate(parts)
        self._per_period = float(values[self._p])
        return values[:count]

    def sf(self, n: Ints) -> Floats:
        """Return P(T > n)."""
        beyond = np.maximum(n - self._longest, 0)
        within = np.where(n < self._longest, np.clip(n, 0, None), self._longest + beyond % self._p)
        periods = np.where(n < self._longest, 0, beyond // self._p)
        return np.where(n < 0, 1.0, self._sf[within] * self._per_period ** periods.astype(float))


def _convolve(left: Floats, right: Floats) -> Floats:
    """The convolution of two series, by Fourier transform where that is quicker."""
    if len(left) < 64:
        return np.convolve(left, right)
    length = 1 << (len(left) + len(right) - 2).bit_length()
    return np.fft.irfft(np.fft.rfft(left, length) * np.fft.rfft(right, length), length)
