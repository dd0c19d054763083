"""How a call between two hosts ended, told from the segments alone."""

from __future__ import annotations

import pytest

from tcploop_lab.tcp.outcomes import SOUGHT, Ending, ending
from tcploop_lab.tcp.replay import replay
from tcploop_lab.tcp.states import State

from . import exchanges
from .exchanges import HOST_A, HOST_B, X, Y, segment

OPEN, SHUT = [State.ESTABLISHED] * 2, [State.CLOSED] * 2


def test_crossing_syns() -> None:
    """Both SYNs sent before either arrives, nothing lost, both ends ESTABLISHED."""
    segments, received = exchanges.crossing()
    assert ending(replay(segments, received=received), OPEN) is Ending.CROSSED


def test_a_lost_syn() -> None:
    """A's SYN is lost, B's is enough: four segments, and the ending is named after the loss."""
    segments = [
        segment(0, HOST_A, HOST_B, "S", X, sender="A"),
        segment(9, HOST_B, HOST_A, "S", Y, sender="B"),
        segment(20, HOST_A, HOST_B, "SA", X, Y + 1, sender="A"),
        segment(40, HOST_B, HOST_A, "A", Y + 1, X + 1, sender="B"),
    ]
    received = {place: segments[place].time + 5e-6 for place in (1, 2, 3)}
    assert ending(replay(segments, received=received, lost=(0,)), OPEN) is Ending.LOST_SYN


def test_a_refusal() -> None:
    """A RST that arrives in SYN-SENT ends the call: both CLOSED."""
    assert ending(replay(exchanges.refused()), SHUT) is Ending.REFUSED


def test_a_handshake() -> None:
    """One host listened: no crossing, no loss."""
    assert ending(replay(exchanges.handshake()[:3]), OPEN) is Ending.HANDSHAKE


@pytest.mark.parametrize(
    "states", [[State.SYN_SENT, State.SYN_RECEIVED], [State.ESTABLISHED, State.SYN_RECEIVED], SHUT]
)
def test_what_is_not_over_has_no_ending(states: list[State]) -> None:
    """While an end waits, and before anything happened, there is no ending; it is false."""
    found = ending(replay(exchanges.crossing()[0][:2]), states)
    assert found is Ending.NONE and not found


def test_every_ending_is_told_in_a_sentence() -> None:
    """Each ending has its own words, and four are to be looked for."""
    words = {one.words for one in Ending}
    assert len(words) == len(Ending) and all(text.endswith(".") for text in words)
    assert len(SOUGHT) == 4
