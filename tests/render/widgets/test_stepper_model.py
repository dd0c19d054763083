"""The state stepper: the states of both ends at each moment of an exchange."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.render.widgets.stepper import diagram_html, segments_html
from tcploop_lab.render.widgets.stepper_model import StateStepper


def stepper(name: str) -> StateStepper:
    """A stepper through a recorded exchange."""
    return StateStepper(lab.recorded(name))


def path(model: StateStepper) -> list[str]:
    """The states that the first end goes through, step by step, each once."""
    states = [next(iter(model.states.values())), *(next(iter(_on(model).states.values())) for _ in range(model.last))]
    return [state for number, state in enumerate(states) if number == 0 or state != states[number - 1]]


def _on(model: StateStepper) -> StateStepper:
    model.move(1)
    return model


def test_a_self_connection_goes_through_its_states():
    """One end walks from CLOSED over a simultaneous open and close to TIME-WAIT."""
    model = stepper("self-connection")
    way = "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT"
    assert path(model) == way.split()
    assert [row.after for row in model.taken if row.changes] == way.split()[1:]


def test_each_moment_is_told_in_words():
    """The fourth moment: the SYN-ACK arrives where it came from."""
    model = stepper("self-connection")
    model.go_to(4)
    assert model.words == (
        "Moment 4 of 14: segment 2, SYN-ACK (seq x, ack x+1), arrives. "
        "rcv SYN-ACK in SYN-RECEIVED: on to ESTABLISHED (RFC 9293 section 3.5)."
    )


def test_two_hosts_each_have_a_state():
    """Between two hosts both SYNs are on their way before one arrives."""
    model = stepper("simultaneous-open")
    model.go_to(2)
    assert {name: str(state) for name, state in model.states.items()} == {"A": "SYN-SENT", "B": "SYN-SENT"}
    assert model.happened(0, False) and not model.happened(0, True)


@pytest.mark.parametrize(("to", "position"), [(-5, 0), (10**9, 14), (3, 3), ("4", 2), (None, 2), (2.5, 2), (True, 2)])
def test_a_position_is_kept_within_the_exchange(to, position):
    """Too small and too large stop at the ends; what is no whole number changes nothing."""
    model = stepper("self-connection")
    model.go_to(2)
    assert model.go_to(to) == position


@pytest.mark.parametrize("what", [None, 3, "self-connection", object()])
def test_what_is_no_exchange_is_answered_in_words(what):
    """The stepper says what to give it, stays where it is, and has nothing to draw."""
    model = StateStepper(what)
    assert "lab.state_stepper(lab.recorded('self-connection'))" in model.words
    assert (model.move(1), model.states) == (0, {})
    with pytest.raises(ValueError, match="no exchange"):
        model.plot()


def test_the_pictures_say_where_we_are():
    """Diagram and list name the state, the way so far, and the segment that is on its way."""
    model = stepper("self-connection")
    model.go_to(3)
    diagram, segments = diagram_html(model.states, model.taken), segments_html(model)
    assert (
        "127.0.0.1:40000 is in SYN-RECEIVED. Changes so far: CLOSED to SYN-SENT, SYN-SENT to SYN-RECEIVED." in diagram
    )
    assert [segments.count(words) for words in ("arrived", "on the way", "not sent yet", "→ now")] == [1, 1, 5, 1]
