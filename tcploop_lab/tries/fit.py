"""Does a sample of tries come from that era?

Tries are whole numbers and some are censored (stopped at `max_tries` without a hit), so the usual tests do not apply as
they are. Both difficulties go away exactly with the randomised probability integral transform (Rosenblatt 1952;
Brockwell 2007, Statistics and Probability Letters 77): a hit at n becomes a uniform draw from the step of the
distribution function at n, a sample censored after c a uniform draw from everything above F(c). If the law is right,
the results are independent and uniform on (0, 1), which the Kolmogorov-Smirnov test decides with an exact p-value.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..results.shown import Shown
from ..tcp.words import counted
from .theory import TriesDistribution


@dataclass(frozen=True, repr=False)
class Fit(Shown):
    """How well one era explains a sample.

    `p_value` is the chance of a fit this bad if the era were right; `log_likelihood` is that of the sample, -inf if the
    era cannot produce it.
    """

    era: str
    samples: int
    hits: int
    p_value: float
    log_likelihood: float

    @property
    def summary(self) -> str:
        """One sentence: the era, the sample, and how well the one explains the other."""
        return (
            f"{self.era}: p-value {self.p_value:.2g} for {counted(self.samples, 'sample')}, {self.hits:,} of them hits"
        )

    def rejected(self, level: float = 0.01) -> bool:
        """True if the era is rejected at this level: a right era is rejected so often."""
        return self.p_value < level


def fit(tries: ArrayLike, observed: ArrayLike, law: TriesDistribution, seed: int = 0) -> Fit:
    """Return how well `law` explains the sample.

    `tries` are whole numbers of at least 1; `observed` is False where the sample was censored there. `seed` is that of
    the uniform draws. Raises ValueError for an empty sample or arrays that do not belong together.
    """
    with warnings.catch_warnings():  # SciPy's import sets filters, which are the caller's to set
        from scipy.stats import kstest

    counts, seen = _sample(tries, observed)
    p_value = float(kstest(uniforms(counts, seen, law, seed), "uniform").pvalue)
    return Fit(law.era, len(counts), int(seen.sum()), p_value, log_likelihood(counts, seen, law))


def uniforms(
    tries: NDArray[np.int64], observed: NDArray[np.bool_], law: TriesDistribution, seed: int
) -> NDArray[np.float64]:
    """Return one number per sample, uniform on (0, 1) and independent if `law` is right."""
    draws = np.random.default_rng(seed).random(len(tries))
    above = np.where(observed, law.sf(tries), 0.0)  # what lies above the step
    step = np.where(observed, law.pmf(tries), law.sf(tries))
    return np.asarray(1.0 - (above + draws * step))


def log_likelihood(tries: NDArray[np.int64], observed: NDArray[np.bool_], law: TriesDistribution) -> float:
    """Return the log likelihood of the sample: pmf where it hit, survival where it was censored."""
    chances = np.where(observed, law.pmf(tries), law.sf(tries))
    return float(np.log(chances).sum()) if (chances > 0).all() else -math.inf


def _sample(tries: ArrayLike, observed: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    counts, seen = np.asarray(tries), np.asarray(observed, dtype=bool)
    if counts.ndim != 1 or counts.shape != seen.shape or not len(counts):
        raise ValueError(f"sample of shape {counts.shape}: give as many tries as marks, and at least one")
    if counts.dtype.kind not in "iu" or counts.min() < 1:
        raise ValueError("sample: tries are whole numbers of at least 1")
    return counts.astype(np.int64), seen
