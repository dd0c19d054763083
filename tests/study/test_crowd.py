"""Several clients at once on the real kernel, beside the law of one client.

False alarms: the law of one client is rejected by chance once in ten million runs of a test (levels of 1e-7 in all).
"""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.study.crowd import CrowdResult
from tcploop_lab.tries.fit import fit

NEVER = 1e-7


@pytest.fixture(scope="module")
def result() -> CrowdResult:
    """400 samples of one client, and 400 of four."""
    return lab.crowd((1, 4), samples=400, progress=False)


@pytest.mark.private_network
def test_clients_together_need_the_tries_of_one(result: CrowdResult) -> None:
    """The clients share one counter: the tries together follow the law of one client, however many there are."""
    assert [(cell.clients, cell.samples, cell.hits) for cell in result.cells] == [(1, 400, 400), (4, 400, 400)]
    assert result.law.mean == pytest.approx(444.8, abs=0.1)
    assert result.follows(NEVER)


def test_half_or_twice_the_tries_would_be_noticed(result: CrowdResult) -> None:
    """The samples are enough to tell the law from one of another scale: the test above can fail."""
    four = result[4]
    assert fit(2 * four.together, four.observed, result.law).p_value < NEVER
    assert fit((four.together + 1) // 2, four.observed, result.law).p_value < NEVER


def test_the_winner_made_some_of_the_tries(result: CrowdResult) -> None:
    """Alone it made them all; among four at least the one that connected, and never more than all made."""
    one, four = result.cells
    assert (one.own == one.together).all() and (one.busy == 1).all()
    assert (four.own >= 1).all() and (four.own <= four.together).all()
    assert 2 <= four.busy.max() <= 4
    assert (four.own[four.busy > 1] < four.together[four.busy > 1]).all()


def test_other_traffic_does_not_move_the_counter() -> None:
    """A client that dials another port of the same address makes tries of its own, and the law stays."""
    result = lab.crowd(2, samples=150, other_traffic=True, progress=False)
    assert result.traffic > 150
    assert (result[2].hits, result.follows(NEVER)) == (150, True)


def test_with_one_port_as_range_somebody_loops_at_once() -> None:
    """The first try connects; to the others no port is left, and what they attempt is no try."""
    result = lab.crowd((1, 3), samples=20, port=40501, port_range=(40501, 40501), progress=False)
    assert [cell.own.tolist() for cell in result.cells] == [[1] * 20] * 2
    assert result[3].together.max() <= 3


def test_on_the_host_the_range_goes_to_the_sockets() -> None:
    """Without a namespace nothing is set, and odd ports loop as well."""
    with lab.open_testbed(kind="host") as testbed:
        low = testbed.port_range.low
        result = lab.crowd(2, 20, (low, low + 199), low + 101, testbed=testbed, progress=False)
    assert (result[2].hits, result.law.era, result.provenance["testbed"]) == (20, "socket-range", "host")


@pytest.mark.private_network
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clients": 0}, "clients 0: give a whole number of at least 1"),
        ({"clients": ()}, "clients: the list is empty"),
        ({"clients": 65}, "clients 65: give 1 to 64"),
        ({"samples": 0}, "samples 0: give a whole number"),
        ({"port": 70000}, "port 70000: a TCP port is"),
        ({"port": 40501, "samples": 1}, "port 40501: it cannot loop, however many dial it"),
    ],
)
def test_what_is_not_allowed_is_one_clear_line(arguments: dict[str, object], message: str) -> None:
    """Bad numbers, and a port that cannot loop, are a ValueError that says so."""
    with pytest.raises(ValueError, match=message) as caught:
        lab.crowd(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_on_a_simulated_kernel_clients_take_turns() -> None:
    """No process is made and no try on the host: one, two and four clients together need as many tries as one does."""
    with lab.open_testbed(kind="simulated", seed=1) as testbed:
        result = lab.crowd((1, 2, 4), samples=60, other_traffic=True, testbed=testbed, progress=False)
    assert result.provenance["kernel"].startswith("simulated") and result.traffic > 0
    for cell in result.cells:  # 444.8 is the mean of the law, 250 bounds its spread; the testbed is seeded
        assert cell.observed.all() and (cell.own <= cell.together).all()
        assert abs(cell.together.mean() - 444.8) < 6 * 250 / 60**0.5
