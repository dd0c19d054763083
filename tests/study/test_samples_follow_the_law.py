"""The samples of this kernel against the exact theory, and against the theory it is not.

False alarms: a standardised mean beyond 5.5 comes by chance less than once in 2 million runs of the test (26
million by the normal law; more, because tries are skewed); a p-value below 1e-7 once in 10 million.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import tcploop_lab as lab
from tcploop_lab.tries.theory import TriesDistribution, distribution

pytestmark = pytest.mark.slow

RANGE, PORT = (40000, 40999), 40500
BOUND = 5.5  # standard errors
NEVER = 1e-7


def sample(samples: int, start: str) -> lab.study.result.Cell:
    """Samples of the one cell, all of them hits."""
    cell = lab.Study(PORT, RANGE, samples=samples, start=start).run(progress=False).cells[0]
    assert cell.hits == cell.samples == samples
    return cell


def p_value(tries: NDArray[np.int64], law: TriesDistribution, bins: int = 20) -> float:
    """The p-value of a chi-square test over bins that are about equally likely under the law."""
    edges = np.array([law.quantile(q) for q in np.arange(1, bins) / bins])
    expected = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]])) * len(tries)
    counted = np.bincount(np.searchsorted(edges, tries), minlength=bins)
    return float(stats.chisquare(counted, expected).pvalue)


@pytest.fixture(scope="module")
def first_hits() -> lab.study.result.Cell:
    """2000 independent first hits."""
    return sample(2000, "random")


def test_the_mean_of_first_hits_is_that_of_the_walk(first_hits: lab.study.result.Cell) -> None:
    """8M/9 tries and a little more: 444.8 for M = 500, by the exact theory; within 5.5 standard errors."""
    law = first_hits.law
    assert law.mean == pytest.approx(8 * 500 / 9, rel=0.002)
    assert abs(first_hits.mean - law.mean) < BOUND * first_hits.standard_error


def test_first_hits_follow_the_walk(first_hits: lab.study.result.Cell) -> None:
    """The whole distribution of 2000 first hits, in 20 bins, is that of the theory."""
    assert first_hits.law.era == "random-walk"
    assert p_value(first_hits.tries, first_hits.law) > NEVER


def test_returns_follow_the_walk_and_not_a_lottery() -> None:
    """400 returns fit the walk, whose mean is M; a memoryless kernel of the same mean is rejected."""
    cell = sample(400, "return")
    assert cell.law.mean == 500
    assert abs(cell.mean - 500) < BOUND * cell.standard_error
    assert p_value(cell.tries, cell.law) > NEVER
    assert p_value(cell.tries, distribution("geometric", RANGE, PORT, start="return")) < 1e-30


def test_a_client_that_binds_port_zero_plays_a_lottery() -> None:
    """bind(0) draws afresh for every try: geometric on the odd ports, and not the walk's returns."""
    study = lab.Study(PORT + 1, RANGE, "bind-zero", samples=400, start="return")
    cell = study.run(progress=False).cells[0]
    assert cell.law.mean == 500
    assert p_value(cell.tries, cell.law) > NEVER
    assert p_value(cell.tries, distribution("random-walk", RANGE, PORT, start="return")) < 1e-30
