"""Replaying exchanges: the states at each end, and the segments that are impossible."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcploop_lab.tcp.input import arrive
from tcploop_lab.tcp.replay import replay
from tcploop_lab.tcp.segments import Segment
from tcploop_lab.tcp.states import Event, State
from tcploop_lab.tcp.tcb import Tcb

from . import exchanges
from .exchanges import ONE, TWO, X, Y, segment

SELF_STATES = "SYN-RECEIVED ESTABLISHED ESTABLISHED ESTABLISHED ESTABLISHED CLOSING TIME-WAIT"
ALL: dict[str, Callable[[], list[Segment]]] = {
    "self-connection": exchanges.self_connection,
    "challenged": exchanges.challenged,
    "reset": exchanges.self_reset,
    "refused": exchanges.refused,
    "handshake": exchanges.handshake,
    "crossing": lambda: exchanges.crossing()[0],
}


def test_self_connection() -> None:
    """A self-connection has one end, which goes by way of SYN-RECEIVED and of CLOSING."""
    found = replay(exchanges.self_connection())
    (end,) = found.ends
    way = "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT"
    assert (found.kind, " ".join(found.states), " ".join(end.path)) == ("self-connection", SELF_STATES, way)
    assert found.impossible == ()
    assert str(found) == f"self-connection, 7 segments; 127.0.0.1:33334: {' -> '.join(way.split())}"


def test_both_halves_of_the_first_segment() -> None:
    """The SYN takes the socket to SYN-SENT as it leaves and to SYN-RECEIVED as it comes back."""
    step = replay(exchanges.self_connection()).steps[0]
    assert (step.sender_before, step.sender_after) == ("CLOSED", "SYN-SENT")
    assert (step.receiver_before, step.receiver_after) == ("SYN-SENT", "SYN-RECEIVED")
    assert (step.transition, step.section) == ("SYN-SENT, rcv SYN -> SYN-RECEIVED, snd SYN-ACK", "3.10.7.3")


def test_challenge_ack() -> None:
    """Without a D-SACK the SYN-ACK was not accepted: the third segment is what establishes the connection."""
    found = replay(exchanges.challenged())
    assert found.states == ("SYN-RECEIVED", "SYN-RECEIVED", "ESTABLISHED")
    assert [step.section for step in found.steps] == ["3.10.7.3", "3.10.7.4", "3.10.7.4"]
    assert "challenge ACK" in found.steps[2].note


@pytest.mark.parametrize(("challenge", "second"), [(False, "ESTABLISHED"), (True, "SYN-RECEIVED")])
def test_the_reading_can_be_chosen(challenge: bool, second: str) -> None:
    """`challenge` overrules what the D-SACK shows, in both directions."""
    for exchange in (exchanges.challenged(), exchanges.self_connection()[:3]):
        states = replay(exchange, challenge=challenge).states
        assert states == ("SYN-RECEIVED", second, "ESTABLISHED")


def test_without_sack_the_figure_is_followed() -> None:
    """Where no end understands SACK nothing tells, and figure 7 is believed."""
    plain = [replace(part, options=()) for part in exchanges.challenged()]
    assert replay(plain).states == ("SYN-RECEIVED", "ESTABLISHED", "ESTABLISHED")


def test_a_lost_third_ack_is_no_challenge() -> None:
    """An ACK of data says nothing about how the SYN-ACK was taken."""
    segments = exchanges.self_connection()
    found = replay(segments[:2] + segments[3:])
    assert found.impossible == ()
    assert found.states[1] == "ESTABLISHED"


def test_refused() -> None:
    """A SYN to a port without a listener changes nothing there; the RST takes the client back to CLOSED."""
    found = replay(exchanges.refused())
    assert (found.kind, found.states) == ("refused try", ("CLOSED", "CLOSED"))
    assert [end.path for end in found.ends] == [("CLOSED", "SYN-SENT", "CLOSED"), ("CLOSED",)]
    assert found.steps[1].transition == "SYN-SENT, rcv RST -> CLOSED"


def test_handshake_and_orderly_close() -> None:
    """An ordinary connection: the listener is recognized, and both ends close as in figure 12."""
    found = replay(exchanges.handshake())
    client, server = (" ".join(end.path) for end in found.ends)
    assert client == "CLOSED SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT"
    assert server == "CLOSED LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"
    assert (found.kind, found.impossible) == ("handshake", ())


@pytest.mark.parametrize("timed", [True, False], ids=["with times of arrival", "without"])
def test_simultaneous_open_of_two_sockets(timed: bool) -> None:
    """Crossing SYNs are recognized with times of arrival, and without them from the ACK numbers."""
    segments, received = exchanges.crossing()
    found = replay(segments, received=received if timed else None)
    assert found.kind == "simultaneous open"
    assert found.states == ("SYN-RECEIVED",) * 2 + ("ESTABLISHED",) * 4
    assert {end.path for end in found.ends} == {("CLOSED", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED")}
    assert {end.name for end in found.ends} == {"A", "B"}
    assert found.moments[:4] == ((0, False), (1, False), (0, True), (1, True))


@pytest.mark.parametrize(
    ("segments", "one", "sides", "first"),
    [
        (exchanges.self_connection(), True, [0] * 7, ["CLOSED", "CLOSED"]),
        (exchanges.refused(), False, [0, 1], ["CLOSED", "CLOSED"]),
        (exchanges.handshake(), False, [0, 1, 0], ["CLOSED", "LISTEN"]),
        ([], False, [], ["CLOSED", "CLOSED"]),
    ],
    ids=["self-connection", "refused", "handshake", "nothing"],
)
def test_lifelines(segments: list[Segment], one: bool, sides: list[int], first: list[str]) -> None:
    """A self-connection has one lifeline, drawn twice; else the first sender's is 0; each begins in a state."""
    found = replay(segments)
    assert found.one_socket is one
    assert [found.side(index) for index in range(len(sides))] == sides
    assert [found.first_state(side) for side in (0, 1)] == first


@pytest.mark.parametrize("irs", [0, 1000, 1 << 30, (1 << 31) + 7, (1 << 32) - 70_000])
def test_a_late_reset_is_dropped_wherever_the_numbers_are(irs: int) -> None:
    """The RST of a call that was refused has number 0: outside of the window, it is dropped without an answer."""
    end = Tcb("B", state=State.SYN_RECEIVED, irs=irs, rcv_nxt=irs + 1)
    end.last = replace(segment(0, TWO, ONE, "SA", Y, irs + 1), window=64240)
    move = arrive(end, segment(1, ONE, TWO, "RA", 0, Y + 1))
    assert (move.after, move.transitions, end.owed) == (State.SYN_RECEIVED, (), None)
    assert "not in the window" in move.note


def test_reset_of_a_self_connection() -> None:
    """The RST finds its own socket closed already, and is discarded there (section 3.10.7.1)."""
    last = replay(exchanges.self_reset()).steps[-1]
    assert (last.sender_before, last.sender_after) == ("ESTABLISHED", "CLOSED")
    assert [row.name for row in last.received] == ["CLOSED, rcv RST -> CLOSED"]


@pytest.mark.parametrize("name", ALL)
def test_doubled_segments(name: str) -> None:
    """A segment that appears twice is possible wherever it stands, and the ends finish in the same states."""
    segments = ALL[name]()
    ends = [end.state for end in replay(segments).ends]
    for index in range(len(segments)):
        doubled = replay([*segments[: index + 1], *segments[index:]])
        assert [step.impossible for step in doubled.steps if step.impossible] == []
        assert [end.state for end in doubled.ends] == ends


@pytest.mark.parametrize("order", [o for o in permutations(range(3)) if o != (0, 1, 2)], ids=str)
def test_shuffled_segments(order: tuple[int, ...]) -> None:
    """No other order of the three segments of a self-connection is possible."""
    segments = exchanges.self_connection()
    found = replay([segments[index] for index in order])
    assert 1 <= len(found.impossible) <= 2


def test_a_lost_segment_and_its_repetition() -> None:
    """A SYN that is lost leaves the listener alone; the SYN sent again is a retransmission."""
    first, *rest = exchanges.handshake()[:3]
    found = replay([first, first, *rest], lost={0})
    assert [step.lost for step in found.steps] == [True, False, False, False]
    assert [step.receiver_before for step in found.steps][:2] == ["CLOSED", "LISTEN"]
    assert [row.event for row in found.steps[1].sent] == ["retransmission timeout"]
    assert (found.states[-1], found.impossible) == ("ESTABLISHED", ())


@pytest.mark.parametrize(
    ("missing", "state", "reason"),
    [
        (0, "CLOSED", "it acknowledges something, and nothing has arrived"),
        (1, "SYN-RECEIVED", "the SYN-ACK that the SYN asks for comes first (section 3.10.7)"),
        (3, "ESTABLISHED", "it acknowledges 2 sequence numbers that did not arrive"),
        (5, "ESTABLISHED", "it acknowledges 1 sequence number that did not arrive"),
    ],
)
def test_a_missing_segment_is_noticed(missing: int, state: str, reason: str) -> None:
    """The first segment that presupposes one that is not there is impossible, with the reason."""
    segments = exchanges.self_connection()
    del segments[missing]
    first = replay(segments).impossible[0]
    assert first.impossible == f"127.0.0.1:33334 cannot send this in {state}: {reason}"
    assert first.segment is segments[missing]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (segment(40, TWO, ONE, "SA", X, Y + 1), "a SYN-ACK answers a SYN"),
        (segment(40, TWO, ONE, "S", X + 9), "connection already exists"),
        (segment(40, TWO, ONE, "A", X + 1, Y + 2), "1 sequence number that did not arrive"),
        (segment(40, TWO, ONE, "A", X + 5, Y + 1), "4 sequence numbers before it were never sent"),
        (segment(40, TWO, ONE, "P", X + 1, 0, b"?"), "every segment after the SYN carries an ACK"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.flags,
)
def test_an_impossible_segment_changes_nothing(bad: Segment, reason: str) -> None:
    """After a handshake each of these is impossible: the reason is given, and the exchange goes on."""
    before, after = exchanges.handshake()[:3], exchanges.handshake()[3:]
    found = replay([*before, bad, *after])
    assert [step.segment for step in found.impossible] == [bad]
    step = found.steps[3]
    assert (step.sender_before, step.receiver_before) == (step.sender_after, step.receiver_after)
    assert reason in step.impossible
    assert found.states[4:] == replay([*before, *after]).states[3:]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (segment(9, ONE, TWO, "SA", Y, X), "it does not acknowledge the SYN"),
        (segment(9, ONE, TWO, "A", Y, X + 1), "the SYN-ACK that the SYN asks for comes first"),
        (segment(9, TWO, ONE, "FA", X + 1, Y + 1), "nothing has arrived"),
        (segment(9, TWO, ONE, "R", X + 1), "a RST only answers a segment"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.flags,
)
def test_impossible_before_the_handshake_is_done(bad: Segment, reason: str) -> None:
    """Between the SYN and its answer neither end can send these."""
    first, *rest = exchanges.handshake()[:3]
    step = replay([first, bad, *rest]).steps[1]
    assert reason in step.impossible


def test_the_syn_ack_of_a_simultaneous_open_repeats_the_syn() -> None:
    """A SYN-ACK with another sequence number than the SYN before it is impossible (section 3.10.7.3)."""
    segments, received = exchanges.crossing()
    segments[2] = replace(segments[2], seq=X + 7)
    (step,) = [step for step in replay(segments, received=received).impossible if "S" in step.segment.flags]
    assert "it must repeat the sequence number of its own SYN" in step.impossible


def test_data_in_a_syn_that_nobody_takes_comes_again() -> None:
    """With TCP fast open and ECN a self-connection fits the table; the data arrives the second time."""
    found = replay(exchanges.fast_open())
    assert (found.kind, found.impossible, found.ends[0].state) == ("self-connection", (), State.ESTABLISHED)
    assert "not taken" in found.steps[1].note
    arrived = [(place, row.event) for place, step in enumerate(found.steps) for row in step.received]
    assert [place for place, event in arrived if event is Event.RCV_DATA] == [3]


@pytest.mark.parametrize(
    "made",
    [
        lambda place: segment(place, ONE, ONE, "PA", X + 9 * place, X, b"123456789"),
        lambda place: segment(place, ONE, ONE, "S", X),
        lambda place: segment(place, ONE, ONE, "SA", X, place),
        lambda place: segment(place, *((ONE, TWO) if place % 2 else (TWO, ONE)), "S", 7 * place),
    ],
    ids=["data without its opening", "one SYN", "answers without a call", "SYNs both ways"],
)
def test_the_time_grows_with_the_number_of_segments_alone(made: Callable[[int], Segment]) -> None:
    """20,000 segments that answer nothing take seconds; read again for each other they took minutes."""
    segments = [made(place) for place in range(20_000)]
    began = time.process_time()
    assert len(replay(segments).steps) == 20_000
    assert time.process_time() - began < 10


def test_what_was_held_back_twice_is_taken_once() -> None:
    """Two copies of a segment overtake the one before it; when that arrives, the data is whole."""
    first, second = (segment(40 + n, TWO, ONE, "PA", X + 1 + 2 * n, Y + 1, b"hi") for n in (0, 1))
    tcb = Tcb("", state=State.ESTABLISHED, iss=Y, snd_una=Y + 1, snd_nxt=Y + 1, irs=X, rcv_nxt=X + 1)
    for one in (second, second, first):
        arrive(tcb, one)
    assert (tcb.rcv_nxt, tcb.held) == (X + 5, [])


def test_data_waits_for_established() -> None:
    """While the challenge ACK has not established the connection, no data goes out."""
    segments = exchanges.challenged()[:2] + exchanges.self_connection()[3:4]
    (step,) = replay(segments, challenge=True).impossible
    assert step.impossible.endswith("cannot send this in SYN-RECEIVED: data waits for ESTABLISHED (section 3.10.2)")


@pytest.mark.parametrize(("ack", "after"), [(101, "ESTABLISHED"), (100, "SYN-RECEIVED"), (102, "SYN-RECEIVED")])
def test_only_the_ack_of_its_own_syn_counts(ack: int, after: str) -> None:
    """SYN-RECEIVED accepts the SYN-ACK of figure 7 only if that acknowledges its SYN."""
    tcb = Tcb("A", state=State.SYN_SENT, iss=100, snd_una=100, snd_nxt=101)
    assert arrive(tcb, segment(0, TWO, ONE, "S", 300)).after == "SYN-RECEIVED"
    assert arrive(tcb, segment(0, TWO, ONE, "SA", 300, ack)).after == after


def test_data_that_arrives_out_of_order() -> None:
    """A FIN that overtakes its data is held back; the data brings CLOSE-WAIT."""
    opening = exchanges.handshake()[:4]
    fin = segment(150, TWO, ONE, "FA", X + 6, Y + 1)
    times = {index: part.time for index, part in enumerate(opening)} | {3: fin.time + 2, 4: fin.time + 1}
    found = replay([*opening, fin], received=times)
    assert found.steps[4].receiver_after == "ESTABLISHED"
    assert "held back" in found.steps[4].note
    assert found.steps[3].receiver_after == "CLOSE-WAIT"


def test_fin_and_the_ack_of_a_fin_in_one_segment() -> None:
    """FIN-WAIT-1 goes straight to TIME-WAIT (figure 5, note 2)."""
    segments = exchanges.handshake()
    del segments[8]
    assert replay(segments).ends[0].path[-2:] == ("FIN-WAIT-1", "TIME-WAIT")


def test_sequence_numbers_wrap_around() -> None:
    """A self-connection whose numbers pass 2**32 is like any other."""
    segments = exchanges.self_connection(2**32 - 1)
    assert segments[1].ack == 0
    assert " ".join(replay(segments).states) == SELF_STATES


def test_a_second_connection_on_the_same_ports() -> None:
    """A new SYN cuts TIME-WAIT short, and the second self-connection replays like the first."""
    found = replay(exchanges.self_connection() + exchanges.self_connection(X + 65536)[:3])
    assert found.steps[7].sender_before == "TIME-WAIT"
    assert found.states[7:] == ("SYN-RECEIVED", "ESTABLISHED", "ESTABLISHED")
    assert found.impossible == ()


def test_several_tries_in_one_capture() -> None:
    """Tries from different source ports are connections of their own."""
    other = [replace(part, sport=50000) if part.sport != 33334 else replace(part, dport=50000) for part in
             exchanges.refused()]  # fmt: skip
    found = replay(exchanges.refused() + other + exchanges.self_connection()[:3])
    assert found.states == ("CLOSED",) * 4 + ("SYN-RECEIVED", "ESTABLISHED", "ESTABLISHED")
    assert len(found.ends) == 5


FLAGS = st.sampled_from(["S", "SA", "A", "PA", "FA", "R", "RA", "F", ""])
NUMBERS = st.integers(0, 6).map(lambda offset: X + offset)


@given(
    st.lists(
        st.builds(
            lambda flags, seq, ack, ends: segment(0, *ends, flags, seq, ack, b"d" if "P" in flags else b""),
            FLAGS, NUMBERS, NUMBERS, st.sampled_from([(ONE, ONE), (ONE, TWO), (TWO, ONE)]),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_anything_can_be_replayed(segments: list[Segment]) -> None:
    """Whatever is captured, replay answers for every segment, and an impossible one changes no state."""
    found = replay(segments)
    assert [step.segment for step in found.steps] == segments
    assert segments or (found.ends, found.kind) == ((), "")
    for step in found.impossible:
        assert (step.sender_before, step.receiver_before) == (step.sender_after, step.receiver_after)
    for end in found.ends:
        rows = [row for row in end.transitions if row.changes]
        assert all(one.after is two.state for one, two in pairwise(rows))
