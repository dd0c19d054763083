"""The distribution explorer: theory at once, real samples on demand, bad input in words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tcploop_lab.render.widgets.explorer_figure import histogram, histogram_html, shares_html
from tcploop_lab.render.widgets.explorer_model import DistributionExplorer

from ...waiting import wait_until
from .conftest import workers

pytestmark = pytest.mark.usefixtures("nothing_left")

ERA = "random-walk"
SAMPLES = 150
# Massart 1990: the largest gap of n samples exceeds this with a chance of at most 1e-6.
GAP = math.sqrt(math.log(2 / 1e-6) / 2 / SAMPLES)


@pytest.fixture
def explorer(testbed):
    """An explorer of port 40100 in 40000-40199, closed at the end."""
    model = DistributionExplorer(testbed)
    assert model.choose("40100", "40000-40199", ERA, ["same-socket"])
    yield model
    model.close()


def test_the_law_is_there_at_once():
    """Without a testbed theory is shown all the same, and measuring says what is missing."""
    explorer = DistributionExplorer()
    assert explorer.choose("40500", "40000-40999", ERA, ["same-socket", "bind-zero"])
    assert "same-socket: mean 445 tries" in explorer.words
    assert "bind-zero cannot loop: port 40500 has the wrong parity" in explorer.words
    assert not explorer.measure()
    assert "lab.open_testbed()" in explorer.words


def test_samples_follow_the_law(explorer, testbed):
    """Measured loops follow the law of the kernel's own era (false alarms: 1e-6)."""
    explorer.choose("40100", "40000-40199", testbed.probe().era, ["same-socket"])
    assert explorer.measure(str(SAMPLES)) and explorer.work.wait(60)
    (curve,) = explorer.curves
    tries = np.sort(curve.tries)
    steps = np.arange(1, SAMPLES + 1) / SAMPLES
    assert curve.observed.all() and len(tries) == SAMPLES
    assert np.abs(steps - curve.law.cdf(tries)).max() < GAP + curve.law.pmf(tries).max() + 1 / SAMPLES


def test_a_port_that_cannot_loop_gives_censored_samples(explorer):
    """Samples of an odd port end at two sweeps without a hit."""
    explorer.choose("40101", "40000-40199", ERA, ["same-socket"])
    assert explorer.measure(3) and explorer.work.wait(60)
    (curve,) = explorer.curves
    assert (curve.tries.tolist(), curve.observed.any()) == ([200] * 3, False)


def test_progress_and_stop_are_answered(explorer):
    """A long measurement counts its samples soon, ends when told to, and keeps what it has."""
    before = workers()
    explorer.measure(10_000)
    wait_until(lambda: explorer.measured > 0)
    explorer.stop()
    wait_until(lambda: not explorer.work.busy)
    kept = explorer.measured
    assert 0 < kept < 10_000 and f"{kept:,} samples" in explorer.words
    assert workers() == before


def test_another_choice_ends_the_measurement_and_forgets(explorer):
    """Samples of one range never mix with those of another."""
    explorer.measure(10_000)
    assert explorer.choose("40100", "40000-40099", ERA, ["same-socket"]) is True
    assert not explorer.work.busy
    assert explorer.measured == 0


TYPED = [
    (("", "1-9", ERA, ["same-socket"]), "port '': a TCP port is 1 to 65535"),
    ((float("nan"), "1-9", ERA, ["same-socket"]), "port nan: a TCP port"),
    (("5", "9-1", ERA, ["same-socket"]), "range 9-1: it is reversed"),
    (("5", f"1-{10**30}", ERA, ["same-socket"]), "write LOW-HIGH"),
    (("5", "1-9", "stone-age", ["same-socket"]), "era 'stone-age'"),
    (("5", "1-9", ERA, []), "clients: none is chosen"),
    (("5", "1-9", ERA, ["nobody"]), "client 'nobody'"),
]


def test_what_is_typed_wrong_is_answered_in_words(explorer):
    """The words name the value and what is allowed; there is nothing to measure or to draw."""
    for samples in ("", "0", "1.5", "10001", "9" * 5000, None):
        assert not explorer.measure(samples) and explorer.measured == 0
        assert "give a whole number from 1 to 10,000" in explorer.words
    for typed, words in TYPED:
        assert not explorer.choose(*typed)
        assert words in explorer.words
        assert not explorer.measure() and explorer.curves == []


def test_a_measurement_that_cannot_be_made_says_so(explorer, monkeypatch):
    """What goes wrong on the way is told in one line, and the explorer is free again."""

    def refuse(_range):
        raise RuntimeError("no network\nto be had")

    monkeypatch.setattr(explorer.testbed, "sibling", refuse)
    assert explorer.measure(5) and explorer.work.wait(5)
    assert explorer.words == "no network to be had"
    monkeypatch.undo()
    assert explorer.measure(5) and explorer.work.wait(60) and explorer.measured == 5


def test_measured_and_expected_shares_add_up(explorer):
    """The bins of the histogram hold every sample once, and nearly all of the law."""
    explorer.measure(50)
    explorer.work.wait(60)
    _edges, (heights,), (expected,) = histogram(explorer.curves)
    assert 0.98 < expected.sum() <= 1.0
    assert heights.sum() <= 1.0 + 1e-9
    assert heights.sum() * 50 == pytest.approx((explorer.curves[0].tries <= _edges[-1]).sum())


def test_the_charts_say_in_words_what_they_show(explorer):
    """Both charts carry an alternative text with the port, the range and each client."""
    for chart in (shares_html(explorer.curves), histogram_html(explorer.curves)):
        assert 'role="img"' in chart
        assert "for port 40100 in 40000-40199: same-socket mean" in chart


def test_samples_under_the_wrong_era_are_told_from_the_law(explorer):
    """Where every loop should end within a sweep, those of the walk do not (false alarms: none, all are above 1)."""
    explorer.choose("40100", "40000-40199", ERA, ["bind-self"])
    (series,) = explorer.series
    for tries in range(2, 52):
        series.add(tries, True)
    assert "is your kernel of another one?" in explorer.words
    explorer.testbed.kind = "host"
    assert "try socket-range" in explorer.words
