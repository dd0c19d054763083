"""Two sockets of one machine that dial each other, and nobody listens."""

from __future__ import annotations

import os

import pytest

import tcploop_lab as lab
from tcploop_lab.testbed.testbed import Testbed

ROUNDS = 12  # beside six busy processes on two cores one round of ten did not meet; if it were three: 0.3 ** 12 = 5e-7


@pytest.mark.may_skip("needs two cores")
@pytest.mark.anyuser
def test_syns_cross_on_the_loopback(testbed: Testbed) -> None:
    """In one of some rounds they meet: both are connected, to each other, and no listener took a connection."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: the second socket calls only when the first is not calling")
    before = testbed.counters()["PassiveOpens"]
    rounds = (lab.crossing_by_luck(testbed) for _ in range(ROUNDS))
    met = next((each for each in rounds if each.met), None)
    assert met is not None
    assert None not in met.tries
    assert "127.0.0.1:40301  127.0.0.1:40303  ESTABLISHED" in repr(met)
    assert testbed.counters()["PassiveOpens"] == before


def test_what_did_not_meet_says_so(testbed: Testbed) -> None:
    """Without a single try nothing met, the sockets are gone, and the ports free again."""
    assert repr(lab.crossing_by_luck(testbed, most=0)) == "they did not meet in 0 tries each"
    assert testbed.holders(40301).rows == ()


def test_a_simulated_kernel_has_no_luck() -> None:
    """There is one core and no time between two calls, so it is refused with that reason."""
    with lab.open_testbed(kernel="6.18") as simulated, pytest.raises(lab.NotOnThisTestbed, match="one core"):
        lab.crossing_by_luck(simulated)
