"""Independent references for the tests: dense Markov chains, and bounds for samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tcploop_lab.ports.candidates import Candidates

FALSE_ALARM = 1e-6


def moves(circle: Candidates, steps: tuple[float, ...], taken: frozenset[int]) -> np.ndarray:
    """The transition matrix of the counter, written out entry by entry."""
    matrix = np.zeros((circle.size, circle.size))
    for x in range(circle.size):
        choice = circle.choose(x, taken)
        for j, chance in enumerate(steps):
            onward = x if choice is None else (x + max(choice[1], j) + 1) % circle.size
            matrix[x, onward] += chance
    return matrix


def hit_times(matrix: np.ndarray, hits: np.ndarray, start: np.ndarray, horizon: int) -> np.ndarray:
    """P(first hit = n) for n = 0 .. horizon, by moving the probability mass try by try."""
    mass, pmf = start.copy(), np.zeros(horizon + 1)
    for n in range(1, horizon + 1):
        pmf[n] = mass[hits].sum()
        mass[hits] = 0
        mass = mass @ matrix
    return pmf


def distance(sample: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> float:
    """The largest difference between the distribution function of a sample and a given one."""
    n = np.arange(sample.max() + 1)
    return float(np.abs(np.searchsorted(np.sort(sample), n, side="right") / len(sample) - cdf(n)).max())


def allowed_distance(size: int) -> float:
    """The distance that a sample exceeds with chance 1e-6 at most (Dvoretzky, Kiefer, Wolfowitz)."""
    return float(np.sqrt(np.log(2 / FALSE_ALARM) / (2 * size)))
