"""The four exchanges to compare: what each is, and that any testbed range makes them."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.tcp.states import State
from tcploop_lab.testbed import exchanges
from tcploop_lab.testbed.recorded import recorded_names

pytestmark = pytest.mark.anyuser


@pytest.fixture(scope="module")
def live() -> dict[str, lab.Exchange]:
    """The exchanges of this kernel: the four to compare, and a self-connection over IPv6."""
    with lab.open_testbed(port_range=(40000, 40999), kind="namespace") as testbed:
        over_ipv6 = exchanges.self_connection(testbed, "::1")
        return exchanges.four_exchanges(testbed) | {"self-connection-ipv6": over_ipv6}


@pytest.mark.parametrize("name", recorded_names())
def test_each_is_what_was_recorded(live, name: str) -> None:
    """This kernel, asked again, sends what the recorded one did: same kind, flags, data and states at each end."""
    exchange, stored = live[name], lab.recorded(name)
    assert (exchange.replayed.kind, exchange.replayed.impossible, exchange.dropped) == (stored.replayed.kind, (), 0)
    assert [(one.flags, one.payload) for one in exchange.segments] == [(o.flags, o.payload) for o in stored.segments]
    assert [end.path for end in exchange.replayed.ends] == [end.path for end in stored.replayed.ends]
    assert {one.payload for one in exchange.segments} == ({b""} if name == "refused" else {b"", b"hi"})


def test_both_kernels_go_the_way_of_the_table(live) -> None:
    """From CLOSED to TIME-WAIT, the states that the two kernels reported are those of the replayed segments."""
    crossing = live["simultaneous-open"]
    assert {end.name: list(end.path) for end in crossing.replayed.ends} == crossing.paths
    assert crossing.paths["A"][-2:] == [State.CLOSING, State.TIME_WAIT]


def test_a_crossing_reads_as_an_exchange_does(live, tmp_path) -> None:
    """After its end a crossing still has segments, packets, copies, states, a ladder and a pcap file."""
    crossing = live["simultaneous-open"]
    assert crossing.closed and crossing.states == {"A": State.TIME_WAIT, "B": State.TIME_WAIT}
    assert len(crossing.packets) == len(crossing.segments) == len(crossing.copies) / 2 == 14
    assert repr(crossing).startswith("<Crossing: closed; 14 segments passed (A S, B S, ")
    assert repr(crossing).count(" SA, ") == 2  # in either order: both answer at the same time
    read = lab.read_pcap(crossing.pcap(tmp_path / "crossing.pcap"))
    assert [one.seq for one in read.segments] == [one.seq for one in crossing.segments]
    assert "14 segments" in crossing.ladder().get_title(loc="left")


@pytest.mark.parametrize("port_range", [(40500, 40500), (8080, 8179), (1025, 65000)])
def test_any_range_will_do(port_range: tuple[int, int]) -> None:
    """One port, the ports that are dialled, nearly all ports: the exchanges come out the same."""
    with lab.open_testbed(port_range=port_range, kind="namespace") as testbed:
        assert [one.flags for one in exchanges.refused(testbed).segments] == ["S", "RA"]
        assert exchanges.handshake(testbed).replayed.kind == "handshake"
        assert len(exchanges.self_connection(testbed).segments) == 7


def test_again_on_the_same_testbed() -> None:
    """TIME-WAIT of the first one is in nobody's way: the next takes another port."""
    with lab.open_testbed(port_range=(40000, 40999), kind="namespace") as testbed:
        ports = [exchanges.self_connection(testbed).port for _ in range(2)]
    assert ports == [40000, 40001]
