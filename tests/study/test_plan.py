"""The plan of a study: what it takes, what it refuses, what it works out."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.study.result import CellPlan
from tcploop_lab.study.tasks import ADDRESSES, Task, address
from tcploop_lab.tries.theory import distribution

RANGE = lab.PortRange(40000, 40999)


def test_a_plan_takes_what_one_would_write() -> None:
    """Single values, text and lists mean the same."""
    plain = lab.Study([40500, 40501], [(40000, 40999)], ["same-socket", "new-socket"])
    assert lab.Study("40500,40501", (40000, 40999), "same-socket, new-socket") == plain
    assert lab.Study([40500, 40501, 40500], "40000-40999", plain.clients) == plain
    assert plain.ranges == (RANGE,)


def test_cells_are_every_combination_in_order() -> None:
    """Ports outermost, then ranges, then clients."""
    study = lab.Study("40500,40502", "40000-40999,40000-40599", "same-socket,bind-self", samples=3)
    assert len(study.cells) == 8
    assert [cell.port for cell in study.cells] == [40500] * 4 + [40502] * 4
    assert [str(cell.client) for cell in study.cells[:2]] == ["same-socket", "bind-self"]
    assert study.size == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ports": 70000}, "port 70000: a TCP port is 1 to 65535"),
        ({"ports": []}, "ports: the list is empty; give at least one port, as in 33334,40000"),
        ({"ranges": (40999, 40000)}, "range 40999-40000: it is reversed; "),
        ({"clients": "telnet"}, "client 'telnet': a client is one of same-socket, "),
        ({"clients": []}, "clients: the list is empty; give at least one of same-socket, "),
        ({"samples": 0}, "samples 0: give a whole number of at least 1"),
        ({"samples": 2.5}, "samples 2.5: give a whole number of at least 1"),
        ({"samples": 10**8}, "samples 100000000: 100,000,000 in all, more than the 16,516,096 addresses"),
        ({"start": "middle"}, "start 'middle': a start is one of random, return"),
        ({"max_tries": 0}, "max tries 0: give a whole number of at least 1"),
        ({"seed": -1}, "seed -1: give a whole number of at least 0"),
    ],
)
def test_what_is_not_allowed_is_one_clear_line(arguments: dict[str, object], message: str) -> None:
    """A bad argument raises at once, with the value and what is allowed."""
    with pytest.raises(ValueError) as caught:
        lab.Study(**({"ports": 40500, "ranges": RANGE} | arguments))  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_plan_survives_json() -> None:
    """The stored plan makes an equal one."""
    study = lab.Study("40500", RANGE, "bind-zero", 7, "return", 1000, 3)
    assert lab.Study.from_json(study.to_json()) == study


def test_the_default_bound_is_missed_once_in_a_million() -> None:
    """A port that can loop gets as many tries as the theory asks for."""
    bound = CellPlan(40500, RANGE, lab.ClientKind.SAME_SOCKET).max_tries()
    chance = distribution("random-walk", RANGE, 40500).sf(bound)
    assert 0 < chance <= 1e-6
    assert bound < 10_000


def test_a_port_that_cannot_loop_gets_two_sweeps() -> None:
    """It would reach any bound, so a small one is enough: twice the candidates."""
    assert CellPlan(40501, RANGE, lab.ClientKind.SAME_SOCKET).max_tries() == 2 * 500
    assert CellPlan(80, RANGE, lab.ClientKind.SOCKET_RANGE).max_tries() == 2 * 1000


def test_addresses_are_all_different_and_usable() -> None:
    """No number within one ring repeats an address; none is 127.0.0.x, or ends in 0 or 255."""
    some = {address(number) for number in range(0, ADDRESSES, 97)}
    assert len(some) == len(range(0, ADDRESSES, 97))
    assert address(0) == "127.1.0.1"
    assert address(ADDRESSES - 1) == "127.254.255.254"
    assert not any(text.startswith("127.0.") or text.endswith((".0", ".255")) for text in some)
    assert address(ADDRESSES) == address(0)


def test_only_the_host_or_the_socket_range_client_gets_a_socket_range() -> None:
    """In a namespace the range is the namespace's, for all clients but the one that sets its own."""
    common = {"cell": 0, "port": 40500, "port_range": RANGE, "max_tries": 1, "numbers": range(1), "first_address": 0}
    plain = Task(client=lab.ClientKind.SAME_SOCKET, **common)  # type: ignore[arg-type]
    own = Task(client=lab.ClientKind.SOCKET_RANGE, **common)  # type: ignore[arg-type]
    host = Task(client=lab.ClientKind.SAME_SOCKET, kind="host", socket_ranges=True, **common)  # type: ignore[arg-type]
    assert [task.spec.socket_range for task in (plain, own, host)] == [None, RANGE, RANGE]
