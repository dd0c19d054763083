"""Exact first-hit and return times of a walk on a circle: renewal theory and Fourier transforms.

A walk on the circle of M positions advances by independent steps with probabilities p. Let S_m be the sum
of m steps, r_m = P(S_m = 0 mod M), r_0 = 1, and R(z) = sum of r_m z^m. Being back at 0 is a renewal, so the
time T of the first return has the generating function E z^T = 1 - 1/R(z), and therefore

    sum over n of P(T > n) z^n = (1 / R(z)) / (1 - z).

From a start drawn uniformly the first hit of 0, counted from 1, has P(first hit = n) = P(T >= n) / M: the
waiting time of the inspection paradox. The mean of T is M whatever the steps are (Kac's lemma).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 64
_SMALLEST_POWER = 1e-19


def transform(size: int, steps: tuple[float, ...]) -> NDArray[np.complex128]:
    """Return phi_k = E exp(2 pi i k J / size) for k = 0 .. size - 1, where J is one step."""
    wrapped = np.bincount(np.arange(1, len(steps) + 1) % size, weights=steps, minlength=size)
    return np.conj(np.fft.fft(wrapped))


def mean_first_hit(size: int, steps: tuple[float, ...]) -> float:
    """Return the mean number of tries to the first hit from a uniformly random start.

    It is 1 + sum over k = 1 .. M - 1 of 1 / (1 - phi_k): the random target lemma, in O(M log M).
    """
    phi = transform(size, steps)[1:]
    return 1.0 + float(np.sum(1.0 / (1.0 - phi)).real)


def return_probabilities(size: int, steps: tuple[float, ...], horizon: int) -> Floats:
    """Return r_0 .. r_(horizon - 1), r_m = (1/M) sum over k of phi_k^m.

    |phi_k|^m fades quickly for all k but the smallest, and is dropped below 1e-19, so that the sum costs
    O(M sqrt(horizon)) and not O(M horizon). Powers come in blocks: phi^(a B + b) = phi^(a B) * phi^b.
    """
    phi, weight = _half_spectrum(size, steps)
    modulus = np.abs(phi)
    within_block = phi[:, None] ** np.arange(_BLOCK)
    block_power = phi**_BLOCK
    current = weight.astype(np.complex128)
    result = np.empty(-(-horizon // _BLOCK) * _BLOCK)
    for start in range(0, len(result), _BLOCK):
        modulus = modulus[: len(current)]
        alive = int(np.searchsorted(-(modulus**start), -_SMALLEST_POWER, side="right"))
        current = current[:alive]
        # einsum, not @: so small a product is slower on BLAS's threads, by far where the cores are busy.
        result[start : start + _BLOCK] = np.einsum("k,kb->b", current, within_block[:alive]).real
        current = current * block_power[:alive]
    return result[:horizon] / size


def _half_spectrum(size: int, steps: tuple[float, ...]) -> tuple[NDArray[np.complex128], Floats]:
    """phi_k for k <= M/2, largest modulus first, and how often each counts (phi_(M-k) is the conjugate)."""
    phi = transform(size, steps)[: size // 2 + 1]
    weight = np.full(len(phi), 2.0)
    weight[0] = 1.0
    if size % 2 == 0:
        weight[-1] = 1.0
    order = np.argsort(-np.abs(phi), kind="stable")
    return phi[order], weight[order]


def reciprocal(series: Floats) -> Floats:
    """Return the coefficients of 1 / series, as many as `series` has, by Newton's iteration."""
    inverse = np.array([1.0 / series[0]])
    while len(inverse) < len(series):
        known = len(inverse)
        wanted = min(2 * known, len(series))
        length = 1 << (2 * known + wanted - 2).bit_length()
        spectrum = np.fft.rfft(inverse, length)
        product = np.fft.irfft(spectrum * (2.0 - np.fft.rfft(series[:wanted], length) * spectrum), length)
        inverse = np.concatenate([inverse, product[known:wanted]])
    return inverse


class Renewal:
    """The return time T and the first hit of a walk, computed as far as they are asked for.

    `steps` must not be one certain step (that is a sequence, which needs no theory) and `size` at least 2.
    """

    _FIRST_HORIZON = 1024
    _NOTHING_LEFT = 1e-13
    _ENOUGH = 40  # P(T > 40 M) is about exp(-40) or less for the steps of every era: far below rounding

    def __init__(self, size: int, steps: tuple[float, ...]) -> None:
        self.size = size
        self.steps = steps
        self.return_sf = np.ones(1)  # P(T > n)
        self.first_cdf = np.zeros(1)  # P(first hit <= n)
        self.first_sf = np.ones(1)

    def reach(self, tries: int) -> None:
        """Make the arrays hold index `tries`, or all there is to know: rounding hides what is below 1e-10."""
        while len(self.first_sf) <= tries and self._unknown():
            far = min(tries + 1, self._ENOUGH * self.size)
            self._compute(max(self._FIRST_HORIZON, self.size, far, len(self.first_sf) * 5 // 4))

    def _unknown(self) -> bool:
        if len(self.first_sf) >= self._ENOUGH * self.size:
            return False
        return bool(self.first_sf[-1] > self._NOTHING_LEFT or self.return_sf[-1] > self._NOTHING_LEFT)

    def _compute(self, horizon: int) -> None:
        pulses = reciprocal(return_probabilities(self.size, self.steps, horizon))
        self.return_sf = _descending(np.cumsum(pulses))
        self.first_cdf = np.concatenate([[0.0], np.cumsum(self.return_sf)[:-1]]) / self.size
        self.first_sf = _descending(1.0 - self.first_cdf)


def _descending(values: Floats) -> Floats:
    """`values` without what rounding does to a survival function: a rise, or a fall below 0."""
    return np.asarray(np.minimum.accumulate(np.maximum(values, 0.0)))


@lru_cache(maxsize=8)
def renewal(size: int, steps: tuple[float, ...]) -> Renewal:
    """Return the shared Renewal of this walk: what one caller computed, the next one has."""
    return Renewal(size, steps)
