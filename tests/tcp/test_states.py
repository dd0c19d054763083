"""The state table: what RFC 9293 draws in figure 5, what each row does, and what is not allowed."""

from __future__ import annotations

import re

import pytest

from tcploop_lab.tcp.states import TABLE, TRANSITIONS, Event, Opened, Reply, State, Transition, step

# Figure 5 of RFC 9293, copied line by line: "state, event -> state, reply".
FIGURE_5 = """
CLOSED, passive OPEN -> LISTEN
CLOSED, active OPEN -> SYN-SENT, snd SYN
LISTEN, CLOSE -> CLOSED
LISTEN, rcv SYN -> SYN-RECEIVED, snd SYN-ACK
LISTEN, SEND -> SYN-SENT, snd SYN
SYN-SENT, CLOSE -> CLOSED
SYN-SENT, rcv SYN -> SYN-RECEIVED, snd SYN-ACK
SYN-SENT, rcv SYN-ACK -> ESTABLISHED, snd ACK
SYN-RECEIVED, rcv RST -> LISTEN
SYN-RECEIVED, rcv ACK of SYN -> ESTABLISHED
SYN-RECEIVED, CLOSE -> FIN-WAIT-1, snd FIN
ESTABLISHED, CLOSE -> FIN-WAIT-1, snd FIN
ESTABLISHED, rcv FIN -> CLOSE-WAIT, snd ACK
FIN-WAIT-1, rcv ACK of FIN -> FIN-WAIT-2
FIN-WAIT-1, rcv FIN -> CLOSING, snd ACK
FIN-WAIT-2, rcv FIN -> TIME-WAIT, snd ACK
CLOSING, rcv ACK of FIN -> TIME-WAIT
TIME-WAIT, 2 MSL timeout -> CLOSED
CLOSE-WAIT, CLOSE -> LAST-ACK, snd FIN
LAST-ACK, rcv ACK of FIN -> CLOSED
"""
FORBIDDEN = [(s, e, o) for s in State for e in Event for o in Opened if (s, e, o) not in TABLE]


def test_figure_5() -> None:
    """The rows marked as figure 5 are the twenty arrows of that figure, no more and no fewer."""
    drawn = [row.name for row in TRANSITIONS if row.figure5]
    assert sorted(drawn) == sorted(FIGURE_5.strip().splitlines())


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row.state} {row.event} {row.opened or ''}")
def test_every_row_can_be_taken(row: Transition) -> None:
    """Each row leads from its state on its event to its next state with its reply, and cites a section."""
    outcome = step(row.state, row.event, row.opened or Opened.PASSIVE)
    assert (outcome.after, outcome.reply, outcome.transition) == (row.after, row.reply, row)
    assert outcome.problem == ""
    assert re.fullmatch(r"3\.[0-9]+(\.[0-9]+){0,2}", row.section)


def test_what_has_no_row_changes_nothing() -> None:
    """An event that the table does not allow leaves the state alone, sends nothing, and says why."""
    assert len(FORBIDDEN) > 100
    for state, event, opened in FORBIDDEN:
        outcome = step(state, event, opened)
        assert (outcome.after, outcome.reply, outcome.transition) == (state, Reply.NONE, None)
        assert outcome.problem.startswith(f"{state} does not allow {event}: ")
        assert re.search(r"\(RFC 9293 section 3[.0-9]+\)$", outcome.problem)


@pytest.mark.parametrize(
    ("state", "event", "reason"),
    [
        (State.ESTABLISHED, Event.ACTIVE_OPEN, "connection already exists"),
        (State.CLOSED, Event.SEND, "connection does not exist"),
        (State.FIN_WAIT_1, Event.SEND, "connection closing"),
        (State.ESTABLISHED, Event.TIMEOUT_2MSL, "in TIME-WAIT only"),
        (State.CLOSING, Event.RCV_FIN, "no FIN is taken in this state"),
    ],
)
def test_the_reason_is_the_rfc_s(state: State, event: Event, reason: str) -> None:
    """A refused call or segment is refused with the reason that section 3.10 gives."""
    assert reason in step(state, event).problem


def test_every_state_is_reached_and_left() -> None:
    """From CLOSED every state can be reached, and from every state CLOSED can."""
    forward, backward = {State.CLOSED}, {State.CLOSED}
    for _ in State:
        forward |= {row.after for row in TRANSITIONS if row.state in forward and row.figure5}
        backward |= {row.state for row in TRANSITIONS if row.after in backward and row.figure5}
    assert forward == backward == set(State)


def test_a_reset_in_syn_received_depends_on_the_open() -> None:
    """A RST sends a passive opener back to LISTEN and an active one to CLOSED (figure 5, note 1)."""
    after = {opened: step(State.SYN_RECEIVED, Event.RCV_RST, opened).after for opened in Opened}
    assert after == {Opened.PASSIVE: State.LISTEN, Opened.ACTIVE: State.CLOSED}


def test_synchronized_states() -> None:
    """Seven states are synchronized: all but those before the SYNs are acknowledged (section 3.5.2)."""
    apart = {State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED}
    assert {state for state in State if not state.synchronized} == apart
