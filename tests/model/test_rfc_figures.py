"""The figures of the RFCs: replaying their segments gives the states that they print."""

from __future__ import annotations

import pytest

from tcploop_lab.model.replay import replay
from tcploop_lab.model.rfc_figures import FIGURE_6, FIGURE_7, FIGURES, RFC793_FIGURE_8, RfcFigure


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_replay_gives_the_printed_states(figure: RfcFigure) -> None:
    """Every state that a figure prints at a departure or an arrival is the state of the replay."""
    segments, received = figure.exchange()
    found = replay(segments, received=received)
    departing = [line for line in figure.lines if line.departs]
    assert len(departing) == len(found.steps) > 3
    assert found.impossible == ()
    for line, step in zip(departing, found.steps, strict=True):
        printed = line.a_state if line.sender == "A" else line.b_state
        assert step.sender_after is printed
        arrival = next((other for other in figure.lines if other.text == line.text and other.arrives), None)
        if arrival:
            assert step.receiver_after is (arrival.b_state if line.sender == "A" else arrival.a_state)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_line_1(figure: RfcFigure) -> None:
    """The ends start in the states of line 1."""
    segments, received = figure.exchange()
    first = replay(segments, received=received).steps[0]
    assert (first.sender_before, figure.a_state) == ("CLOSED", "CLOSED")
    assert figure.b_state == ("LISTEN" if figure is FIGURE_6 else "CLOSED")


def test_lines_that_coincide_show_one_segment() -> None:
    """Lines 2 and 4, and 5 and 7, of figure 7 are one segment each: it departs, later it arrives."""
    assert FIGURE_7.coincide == ((2, 4), (5, 7))
    for first, second in FIGURE_7.coincide:
        departure, arrival = FIGURE_7.line(first), FIGURE_7.line(second)
        assert departure.text == arrival.text
        assert (departure.departs, departure.arrives) == (True, False)
        assert (arrival.departs, arrival.arrives) == (False, True)


def test_the_lines_of_the_other_end_vanish() -> None:
    """What does not coincide in figure 7 is sent by B, the end that a self-connection lacks."""
    paired = {number for pair in FIGURE_7.coincide for number in pair}
    assert {line.number for line in FIGURE_7.lines} == paired | set(FIGURE_7.vanish)
    assert {FIGURE_7.line(number).sender for number in FIGURE_7.vanish} == {"B"}


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
