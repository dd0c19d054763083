"""The four exchanges to compare: what each is, and that any testbed range makes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tcploop_lab as lab
from tcploop_lab.render.rfc_figure import match
from tcploop_lab.tcp.rfc_figures import FIGURE_12, FIGURE_13
from tcploop_lab.tcp.states import State
from tcploop_lab.testbed import exchanges

from . import inside

pytestmark = pytest.mark.anyuser

KINDS = {
    "refused": "refused try",
    "handshake": "handshake",
    "self-connection": "self-connection",
    "simultaneous-open": "simultaneous open",
}


@pytest.fixture(scope="module")
def four() -> Iterator[dict]:
    """The four exchanges of this kernel."""
    with lab.open_testbed(port_range=(40000, 40999), kind="namespace") as testbed:
        yield exchanges.four_exchanges(testbed)


def flags(exchange) -> list[str]:
    """The flags of every segment."""
    return [segment.flags for segment in exchange.segments]


def test_each_is_what_its_name_says(four) -> None:
    """Replayed by the state table, each is of its kind, and no segment of it is impossible."""
    assert {name: exchange.replayed.kind for name, exchange in four.items()} == KINDS
    assert [name for name, exchange in four.items() if exchange.replayed.impossible] == []
    assert [exchange.dropped for exchange in four.values()] == [0, 0, 0, 0]


def test_the_segments_of_each(four) -> None:
    """A refusal is two segments; the others open, say "hi" and close in order, without a reset."""
    assert flags(four["refused"]) == ["S", "RA"]
    assert flags(four["handshake"]) == ["S", "SA", "A", "PA", "A", "FA", "A", "FA", "A"]
    assert flags(four["self-connection"]) == ["S", "SA", "A", "PA", "A", "FA", "A"]
    for name in list(four)[1:]:
        assert {one.payload for one in four[name].segments if one.payload} == {b"hi"}


def test_two_hosts_send_each_segment_of_a_self_connection_twice(four) -> None:
    """A self-connection is a simultaneous open and close whose two ends coincide: half the segments."""
    alone, both = flags(four["self-connection"]), flags(four["simultaneous-open"])
    assert both == [flag for flag in alone for _ in "AB"]
    assert [end.path for end in four["simultaneous-open"].replayed.ends] == [
        four["self-connection"].replayed.ends[0].path
    ] * 2


def test_the_ends_of_a_close(four) -> None:
    """Who closes first waits: TIME-WAIT at the client, at the socket itself, and at both hosts."""
    ends = {name: [end.state for end in exchange.replayed.ends] for name, exchange in four.items()}
    assert ends["handshake"] == [State.TIME_WAIT, State.CLOSED]
    assert ends["self-connection"] == [State.TIME_WAIT]
    assert ends["simultaneous-open"] == [State.TIME_WAIT, State.TIME_WAIT]


@pytest.mark.parametrize(
    ("figure", "name", "places"),
    [
        (FIGURE_12, "handshake", [5, 6, 7, 8]),
        (FIGURE_13, "self-connection", [5, None, 6, None]),
        (FIGURE_13, "simultaneous-open", [10, 11, 12, 13]),
    ],
    ids=["handshake", "self-connection", "simultaneous-open"],
)
def test_this_kernel_closes_as_the_rfc_draws_it(four, figure, name, places) -> None:
    """Every line of RFC 9293's figures 12 and 13 is a segment of the capture, but for those of an end that is not."""
    assert [one.captured for one in match(figure, four[name].segments)] == places


def test_both_kernels_go_the_way_of_the_table(four) -> None:
    """From CLOSED to TIME-WAIT, the states that the two kernels reported are those of the replayed segments."""
    crossing = four["simultaneous-open"]
    assert {end.name: list(end.path) for end in crossing.replayed.ends} == crossing.paths
    assert crossing.paths["A"][-2:] == [State.CLOSING, State.TIME_WAIT]


def test_a_crossing_reads_as_an_exchange_does(four, tmp_path) -> None:
    """After its end a crossing still has segments, packets, copies, states, a ladder and a pcap file."""
    crossing = four["simultaneous-open"]
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
        assert flags(exchanges.refused(testbed)) == ["S", "RA"]
        assert exchanges.handshake(testbed).replayed.kind == "handshake"
        assert len(exchanges.self_connection(testbed).segments) == 7


def test_again_on_the_same_testbed() -> None:
    """TIME-WAIT of the first one is in nobody's way: the next takes another port."""
    with lab.open_testbed(port_range=(40000, 40999), kind="namespace") as testbed:
        ports = [exchanges.self_connection(testbed).port for _ in range(2)]
    assert ports == [40000, 40001]


def test_where_it_cannot_be_done() -> None:
    """Without the right to capture it is NotOnThisTestbed, for one and for the four: nothing recorded stands in."""
    with lab.open_testbed(kind="host") as testbed:
        testbed.executor.submit(inside.drop_capabilities).result()
        with pytest.raises(lab.NotOnThisTestbed, match="namespace testbed"):
            exchanges.self_connection(testbed)
        with pytest.raises(lab.NotOnThisTestbed, match="namespace testbed"):
            lab.four_exchanges(testbed)
