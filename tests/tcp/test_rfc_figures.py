"""The figures of the RFCs: replaying their segments gives the states that they print."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcploop_lab.tcp.replay import Replay, replay
from tcploop_lab.tcp.rfc_figures import FIGURE_6, FIGURE_7, FIGURE_12, FIGURE_13, FIGURES, RFC793_FIGURE_8, RfcFigure
from tcploop_lab.tcp.states import State

OPENINGS = [figure for figure in FIGURES if not figure.closes]
CLOSES = [figure for figure in FIGURES if figure.closes]
BEFORE = 3  # segments that open the connection which a figure closes


def replayed(figure: RfcFigure) -> Replay:
    """The replay of a figure; that of a close after figure 6, whose numbers are one too high for it."""
    segments, received = figure.exchange()
    if not figure.closes:
        return replay(segments, received=received)
    opening = FIGURE_6.exchange()[0][:BEFORE]
    before = [replace(one, time=one.time - 4, seq=one.seq - 1, ack=max(one.ack - 1, 0)) for one in opening]
    return replay([*before, *segments], received={place + BEFORE: time for place, time in received.items()})


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_replay_gives_the_printed_states(figure: RfcFigure) -> None:
    """Every state that a figure prints at a departure or an arrival is the state of the replay."""
    found = replayed(figure)
    steps = found.steps[BEFORE:] if figure.closes else found.steps
    departing = [line for line in figure.lines if line.departs]
    assert len(departing) == len(steps) > 3
    assert found.impossible == ()
    for line, step in zip(departing, steps, strict=True):
        printed = line.a_state if line.sender == "A" else line.b_state
        assert step.sender_after is printed
        arrival = next((other for other in figure.lines if other.text == line.text and other.arrives), None)
        if arrival:
            assert step.receiver_after is (arrival.b_state if line.sender == "A" else arrival.a_state)


@pytest.mark.parametrize("figure", CLOSES, ids=lambda figure: figure.name)
@pytest.mark.parametrize("side", [0, 1], ids="AB")
def test_the_columns_of_a_close(figure: RfcFigure, side: int) -> None:
    """What the figure prints below each other at one side is the way of that end, and CLOSED after 2 MSL."""
    printed = [figure.a_state, *((line.printed or (line.a_state, line.b_state))[side] for line in figure.lines)]
    column = [name for name in [*printed, *(row[side] for row in figure.last)] if name in set(State)]
    path = replayed(figure).ends[side].path
    way = [*path[path.index(State.ESTABLISHED) :], State.CLOSED]
    assert list(dict.fromkeys(column)) == list(dict.fromkeys(way))
    assert ("(2 MSL)" in [row[side] for row in figure.last]) is (State.TIME_WAIT in way)


@pytest.mark.parametrize("figure", OPENINGS, ids=lambda figure: figure.name)
def test_line_1(figure: RfcFigure) -> None:
    """The ends start in the states of line 1."""
    segments, received = figure.exchange()
    first = replay(segments, received=received).steps[0]
    assert (first.sender_before, figure.a_state) == ("CLOSED", "CLOSED")
    assert figure.b_state == ("LISTEN" if figure is FIGURE_6 else "CLOSED")


@pytest.mark.parametrize(
    ("figure", "pairs"),
    [(FIGURE_7, ((2, 4), (5, 7))), (FIGURE_13, ((2, 2.3), (3, 3.3)))],
    ids=["figure 7", "figure 13"],
)
def test_lines_that_coincide_show_one_segment(figure: RfcFigure, pairs: tuple[tuple[float, float], ...]) -> None:
    """Lines 2 and 4, and 5 and 7, of figure 7 are one segment each: it departs, later it arrives; so in figure 13."""
    assert figure.coincide == pairs
    for first, second in figure.coincide:
        departure, arrival = figure.line(first), figure.line(second)
        assert departure.text == arrival.text
        assert (departure.departs, departure.arrives) == (True, False)
        assert (arrival.departs, arrival.arrives) == (False, True)


@pytest.mark.parametrize("figure", [FIGURE_7, FIGURE_13], ids=lambda figure: figure.name)
def test_the_lines_of_the_other_end_vanish(figure: RfcFigure) -> None:
    """What does not coincide in figures 7 and 13 is sent by B, the end that a self-connection lacks."""
    paired = {number for pair in figure.coincide for number in pair}
    assert {line.number for line in figure.lines} == paired | set(figure.vanish)
    assert {figure.line(number).sender for number in figure.vanish} == {"B"}


def test_a_normal_close_has_four_segments() -> None:
    """In figure 12 every line is a segment of its own, and each user closes once."""
    assert all(line.departs and line.arrives for line in FIGURE_12.lines)
    assert [line.calls for line in FIGURE_12.lines if any(line.calls)] == [("(Close)", ""), ("", "(Close)")]


def test_rfc_793_had_one_wrong_line() -> None:
    """RFC 793's figure 8 differs from figure 7 in line 7 alone, and the data says what is wrong with it."""
    differ = [a.number for a, b in zip(RFC793_FIGURE_8.lines, FIGURE_7.lines, strict=True) if a != b]
    assert differ == [7]
    assert RFC793_FIGURE_8.line(7).text == "<SEQ=101><ACK=301><CTL=ACK>"
    assert FIGURE_7.line(7).text == FIGURE_7.line(5).text == "<SEQ=100><ACK=301><CTL=SYN,ACK>"
    assert "RFC 1122 section 4.2.2.10" in RFC793_FIGURE_8.line(7).wrong


def test_a_line_that_is_not_there() -> None:
    """A number outside the figure is refused with the numbers that there are."""
    with pytest.raises(ValueError, match=r"^line 8: RFC 9293 figure 7 has segments in lines 2 to 7$"):
        FIGURE_7.line(8)
