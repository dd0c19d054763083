"""Independent references for the tests: dense Markov chains, and bounds for samples."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from tcploop_lab.ports.candidates import Candidates, Order
from tcploop_lab.ports.ranges import PortRange

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


def paced_survival(
    size: int, steps: tuple[float, ...], per_epoch: Fraction, start: str, horizon: int, phase: int | None = None
) -> np.ndarray:
    """P(T > n) at a pace: the mass is spread evenly at each new epoch; the mean over phases of 1/q tries, or of one."""
    matrix = moves(Candidates(PortRange(1, size), Order.ALL), steps, frozenset())
    phases = range(per_epoch.numerator) if phase is None else [phase]
    alive = np.zeros((len(phases), horizon + 1))
    for row, numerator in enumerate(phases):
        since, epoch = Fraction(numerator, per_epoch.denominator), 0
        mass = np.full(size, 1 / size) if start == "random" else matrix[0].copy()
        alive[row, 0] = 1.0
        for n in range(1, horizon + 1):
            now = (since + n - 1) // per_epoch
            if now != epoch:
                mass, epoch = np.full(size, mass.sum() / size), now
            mass[0] = 0
            alive[row, n] = mass.sum()
            mass = mass @ matrix
    return np.asarray(alive.mean(axis=0))


def paced_tries(size: int, pace: float, period: float, start: str, samples: int, seed: int) -> np.ndarray:
    """The tries of simulated loops of the walk of today's Linux that read a clock at every try."""
    rng = np.random.default_rng(seed)
    clock = rng.random(samples) * period
    epoch = np.zeros(samples)
    places = rng.integers(size, size=samples) if start == "random" else rng.integers(1, 9, size=samples) % size
    made, running, n = np.zeros(samples, dtype=np.int64), np.arange(samples), 0
    while len(running):
        n += 1
        anew = np.flatnonzero(clock // period != epoch)
        epoch[anew] = clock[anew] // period
        places[anew] = rng.integers(size, size=len(anew))
        made[running[places == 0]] = n
        left = places != 0
        running, clock, epoch, places = running[left], clock[left] + 1 / pace, epoch[left], places[left]
        places = (places + rng.integers(1, 9, size=len(places))) % size
    return made
