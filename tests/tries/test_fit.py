"""The fit: honest p-values, and wrong eras rejected."""

from __future__ import annotations

import numpy as np
import pytest

from tcploop_lab.tries import simulate
from tcploop_lab.tries.fit import fit, log_likelihood, uniforms
from tcploop_lab.tries.theory import distribution

PORTS, PORT = (40000, 40199), 40100  # M = 100


def simulated(era: str, start: str, samples: int, studies: int, max_tries: int | None = None) -> simulate.Samples:
    """Samples for several studies, one after another."""
    return simulate.tries(era, PORTS, PORT, start=start, samples=samples * studies, seed=20261122, max_tries=max_tries)


@pytest.mark.parametrize(
    ("era", "start", "max_tries"),
    [("random-walk", "random", 60), ("random-walk", "return", None), ("even-sequence", "random", 60)],
)
def test_p_values_are_honest(era: str, start: str, max_tries: int | None) -> None:
    """On samples from the law itself 3 to 7 % of the fits are rejected at 5 %, censored samples or not."""
    samples, studies = 50, 2000  # the seed is fixed; drawn anew, 3 to 7 % is 4 standard deviations on each side
    drawn, law = simulated(era, start, samples, studies, max_tries), distribution(era, PORTS, PORT, start=start)
    parts = [slice(i * samples, (i + 1) * samples) for i in range(studies)]
    fits = [fit(drawn.tries[part], drawn.observed[part], law, seed) for seed, part in enumerate(parts)]
    assert 0.03 <= np.mean([one.p_value < 0.05 for one in fits]) <= 0.07


@pytest.mark.parametrize("era", ["hashed-sequence", "even-sequence", "perturbed-even-sequence", "geometric"])
def test_a_wrong_era_is_rejected(era: str) -> None:
    """A sample of 300 returns of the walk rejects every other era, and an impossible one has likelihood 0."""
    drawn = simulated("random-walk", "return", 300, 1)
    wrong, right = (distribution(name, PORTS, PORT, start="return") for name in (era, "random-walk"))
    assert fit(drawn.tries, drawn.observed, wrong).rejected(1e-6)
    assert not fit(drawn.tries, drawn.observed, right).rejected()
    if era != "geometric":
        assert fit(drawn.tries, drawn.observed, wrong).log_likelihood == -np.inf


def test_a_port_that_cannot_loop_fits_never() -> None:
    """300 censored samples of an odd port agree with "never"; one hit among them refutes it."""
    never = distribution("random-walk", PORTS, 40101)
    tries, observed = np.full(300, 1000), np.zeros(300, dtype=bool)
    assert fit(tries, observed, never).p_value > 1e-6
    observed[0] = True
    assert log_likelihood(tries, observed, never) == -np.inf


def test_the_transform_is_uniform_step_by_step() -> None:
    """A hit at n falls into the step of the distribution function at n, a censored sample above it."""
    law = distribution("even-sequence", PORTS, PORT)  # uniform on 1 to 100
    tries = np.arange(1, 101)
    numbers = uniforms(tries, np.ones(100, dtype=bool), law, seed=1)
    assert np.array_equal(np.ceil(numbers * 100), tries)
    assert (uniforms(tries, np.zeros(100, dtype=bool), law, seed=1) >= tries / 100).all()


@pytest.mark.parametrize(
    ("tries", "observed"), [([], []), ([1, 2], [True]), ([0], [True]), ([1.5], [True]), ([[1]], [[True]])]
)
def test_a_sample_that_is_none_is_one_line(tries: list[object], observed: list[object]) -> None:
    """An empty sample, wrong shapes and tries below 1 are ValueErrors."""
    with pytest.raises(ValueError, match=r"^sample"):
        fit(tries, observed, distribution("even-sequence", PORTS, PORT))
