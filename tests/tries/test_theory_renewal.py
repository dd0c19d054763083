"""The mathematics under the laws: power series and renewal probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcploop_lab.ports.eras import BY_NAME
from tcploop_lab.tries.renewal import Renewal, mean_first_hit, reciprocal, return_probabilities

WALK, PERTURBED, RANDOM_INCREMENTS = (
    BY_NAME[era].steps for era in ("random-walk", "perturbed-even-sequence", "rfc6056-5")
)


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=70))
def test_a_series_times_its_reciprocal_is_one(tail: list[float]) -> None:
    """Newton's iteration gives the power series inverse, whatever the length."""
    series = np.array([1.0, *tail])
    product = np.convolve(series, reciprocal(series))[: len(series)]
    scale = np.abs(reciprocal(series)).max()
    assert np.abs(product - np.eye(1, len(series))[0]).max() < 1e-10 * scale


@pytest.mark.parametrize("steps", [WALK, PERTURBED, RANDOM_INCREMENTS], ids=["walk", "perturbed", "rfc6056-5"])
@pytest.mark.parametrize("size", [2, 5, 8, 97, 300])
def test_the_chance_to_be_back_is_that_of_the_convolution(size: int, steps: tuple[float, ...]) -> None:
    """r_m by Fourier transform is what m convolutions of the steps on the circle give."""
    once = np.bincount(np.arange(1, len(steps) + 1) % size, weights=steps, minlength=size)
    circulant = np.array([np.roll(once, x) for x in range(size)])
    mass, expected = np.eye(1, size)[0], []
    for _ in range(400):
        expected.append(mass[0])
        mass = mass @ circulant
    assert np.abs(return_probabilities(size, steps, 400) - expected).max() < 1e-13


@pytest.mark.parametrize("steps", [WALK, PERTURBED], ids=["walk", "perturbed"])
def test_the_mean_return_is_the_number_of_positions(steps: tuple[float, ...]) -> None:
    """Kac's lemma: M, whatever the steps are; the first hit has another mean."""
    walk = Renewal(50, steps)
    walk.reach(5000)
    assert walk.return_sf.sum() == pytest.approx(50)
    assert walk.first_sf.sum() == pytest.approx(mean_first_hit(50, steps))
    assert mean_first_hit(50, steps) < 50


def test_what_is_known_grows_as_it_is_asked_for() -> None:
    """A longer horizon changes nothing of what a shorter one said."""
    walk = Renewal(1000, WALK)
    walk.reach(1000)
    early = walk.first_sf.copy()
    walk.reach(10 * len(early))
    assert len(walk.first_sf) > 10 * len(early)
    assert np.abs(walk.first_sf[: len(early)] - early).max() < 1e-12


def test_the_growth_ends_where_nothing_is_left() -> None:
    """Asking for a far tail does not compute for ever: the rest is below 1e-13."""
    walk = Renewal(20, WALK)
    walk.reach(10**9)
    assert len(walk.first_sf) < 10**5
    assert walk.first_sf[-1] <= 1e-13
