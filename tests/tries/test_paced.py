"""The law of tries at a steady pace, against chains moved try by try and against loops with a clock."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tcploop_lab.ports.eras import BY_NAME, ERAS
from tcploop_lab.tries.theory import distribution

from .chains import allowed_distance, distance, paced_survival, paced_tries

DEFAULT = (32768, 60999)
PERIOD = 10  # seconds, from the kernel


def narrow(candidates: int) -> tuple[int, int]:
    """A range with so many candidates."""
    return 40000, 39999 + 2 * candidates


@pytest.mark.parametrize("start", ["random", "return"])
@pytest.mark.parametrize(
    ("candidates", "pace"),
    [(20, "1/2"), (20, "2/3"), (33, "77/100"), (7, "1/10"), (33, "1/20"), (100, "17"), (50, "0.03")],
)
def test_the_law_is_that_of_a_chain_that_starts_anew(candidates: int, pace: str, start: str) -> None:
    """Walk inside an epoch, anywhere at its end, the mean over every phase: to 1e-12."""
    rate = Fraction(pace)
    law = distribution("random-walk", narrow(candidates), 40000, start=start, tries_per_second=float(rate))
    expected = paced_survival(candidates, BY_NAME["random-walk"].steps, PERIOD * rate, start, 300)
    assert np.abs(law.sf(np.arange(301)) - expected).max() < 1e-12
    assert law.pmf(np.arange(1, 301)) == pytest.approx(-np.diff(expected), abs=1e-12)


@pytest.mark.parametrize(("phase", "thirds"), [(0.0, 0), (3.0, 6), (9.9, 19)])  # of a try, 1.5 s
def test_a_known_phase_is_one_of_the_mean(phase: float, thirds: int) -> None:
    """With the first try so long after the last new start, the first epoch is cut there and nowhere else."""
    law = distribution("random-walk", narrow(20), 40000, tries_per_second=2 / 3, phase=phase)
    expected = paced_survival(20, BY_NAME["random-walk"].steps, Fraction(20, 3), "random", 200, phase=thirds)
    assert np.abs(law.sf(np.arange(201)) - expected).max() < 1e-12


@pytest.mark.parametrize(("pace", "start"), [(1.3, "return"), (2.5, "random")])
def test_a_million_loops_with_a_clock_follow_the_law(pace: float, start: str) -> None:
    """10^6 loops that read a clock at every try lie within 0.27 % of the law: once in 10^6 seeds they would not."""
    law = distribution("random-walk", narrow(40), 40000, start=start, tries_per_second=pace)
    sample = paced_tries(40, pace, PERIOD, start, samples=1_000_000, seed=20261125)
    assert distance(sample, law.cdf) < allowed_distance(1_000_000)
    assert sample.mean() == pytest.approx(law.mean, abs=5 * sample.std() / 1000)


@pytest.mark.parametrize("rare", [0.1, 1e-9])
def test_the_pace_leads_from_a_lottery_to_the_walk(rare: float) -> None:
    """A try an epoch is the lottery itself; ten thousand a second are a tight loop but for a few in a thousand."""
    n = np.arange(60_000)
    slow, lottery = (distribution(era, DEFAULT, 33334, tries_per_second=rare) for era in ("random-walk", "geometric"))
    assert slow.mean == pytest.approx(lottery.mean)
    assert np.abs(slow.cdf(n) - lottery.cdf(n)).max() < 1e-9
    quick, tight = (distribution("random-walk", DEFAULT, 33334, tries_per_second=pace) for pace in (10_000, None))
    assert np.abs(quick.cdf(n) - tight.cdf(n)).max() < 0.005
    means = [distribution("random-walk", DEFAULT, 33334, tries_per_second=pace).mean for pace in (1, 10, 100, 1000)]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("era", [era for era in ERAS if not BY_NAME[era].salt_period])
def test_only_the_walk_knows_a_clock(era: str) -> None:
    """Other kernels draw no new start, so that the pace changes nothing."""
    paced, tight = (distribution(era, narrow(20), 40010, "new-socket", tries_per_second=pace) for pace in (1, None))
    assert paced.law.sf(np.arange(200)).tolist() == tight.law.sf(np.arange(200)).tolist()


@pytest.mark.parametrize("client", ["bind-zero", "bind-self"])
def test_a_port_of_bind_knows_no_clock(client: str) -> None:
    """bind() has no memory that could end."""
    paced, tight = (distribution("random-walk", narrow(20), 40001, client, tries_per_second=r) for r in (1, None))
    assert paced.mean == tight.mean


def test_taken_ports_and_a_pace_go_together() -> None:
    """Past taken ports too each epoch starts anywhere: at one try an epoch each hits with the same chance."""
    law = distribution("random-walk", narrow(50), 40020, tries_per_second=0.1, busy=range(40000, 40020))
    assert law.pmf(np.array([1, 2])) == pytest.approx([11 / 50, 11 / 50 * 39 / 50])


def test_a_block_before_the_port_counts_in_a_wide_range_too() -> None:
    """Whoever would get one of 1,000 reserved candidates gets the port behind them; ten tries a second are exact."""
    slow, quick = (distribution("random-walk", DEFAULT, 42000, reserved=range(40000, 42000), tries_per_second=pace)
                   for pace in (0.1, 10))  # fmt: skip
    assert slow.pmf(np.array([1])) == pytest.approx([1001 / 14116])
    assert 10 * quick.quantile(0.5) < distribution("random-walk", DEFAULT, 42000, tries_per_second=10).quantile(0.5)


@pytest.mark.parametrize("pace", [0, -1, float("nan"), float("inf"), True, "ten", 2e5])
def test_a_pace_that_is_none_is_one_line(pace: object) -> None:
    """The value and what is allowed."""
    with pytest.raises(ValueError, match=r"tries per second .*: give a number above 0, up to 100000"):
        distribution("random-walk", DEFAULT, 33334, tries_per_second=pace)  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", [-1, 10, float("nan")])
def test_a_phase_outside_the_epoch_is_one_line(phase: float) -> None:
    """Between 0 and the kernel's 10 seconds."""
    with pytest.raises(ValueError, match="phase"):
        distribution("random-walk", DEFAULT, 33334, tries_per_second=1, phase=phase)
