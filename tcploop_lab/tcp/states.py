"""RFC 9293's connection states as one table: state and event give the next state and the reply.

Every row cites the section of RFC 9293 that orders it; `_drawn` marks the rows that its figure 5 draws.
Read a row as "in this state, on this event: go there, send that". What has no row is not allowed: `step` then
leaves the state as it was and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import MappingProxyType


class State(StrEnum):
    """The eleven states of a connection (section 3.3.2)."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"

    @property
    def synchronized(self) -> bool:
        """True if both ends know each other's sequence numbers (section 3.5.2, group 3)."""
        return self not in (State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED)


class Event(StrEnum):
    """What can happen to a connection: a user call, a segment that arrives, a timeout (section 3.10)."""

    PASSIVE_OPEN = "passive OPEN"
    ACTIVE_OPEN = "active OPEN"
    SEND = "SEND"
    CLOSE = "CLOSE"
    ABORT = "ABORT"

    RCV_SYN = "rcv SYN"
    RCV_SYN_ACK = "rcv SYN-ACK"
    RCV_ACK = "rcv ACK"
    RCV_ACK_OF_SYN = "rcv ACK of SYN"
    RCV_ACK_OF_FIN = "rcv ACK of FIN"
    RCV_DATA = "rcv data"
    RCV_FIN = "rcv FIN"
    RCV_FIN_AND_ACK_OF_FIN = "rcv FIN and ACK of FIN"
    RCV_RST = "rcv RST"
    RCV_UNACCEPTABLE = "rcv unacceptable segment"  # outside the window, or a SYN in a synchronized state
    RCV_BAD_ACK = "rcv ACK of what was never sent"

    RETRANSMIT = "retransmission timeout"
    TIMEOUT_2MSL = "2 MSL timeout"
    USER_TIMEOUT = "user timeout"


class Reply(StrEnum):
    """The segment that goes out with a transition."""

    NONE = ""
    SYN = "SYN"
    SYN_ACK = "SYN-ACK"
    ACK = "ACK"
    FIN = "FIN"
    RST = "RST"
    RST_ACK = "RST-ACK"
    DATA = "data"
    AGAIN = "the oldest unacknowledged segment again"


class Opened(StrEnum):
    """How a connection left CLOSED. MUST-11: it must be remembered (section 3.5)."""

    ACTIVE = "active"
    PASSIVE = "passive"


@dataclass(frozen=True)
class Transition:
    """One row: in `state`, `event` leads to `after` and sends `reply`, as `section` of RFC 9293 says.

    `opened` limits the row to connections opened that way; None means both.
    """

    state: State
    event: Event
    after: State
    reply: Reply
    section: str
    note: str = ""
    opened: Opened | None = None
    figure5: bool = False

    @property
    def changes(self) -> bool:
        """True if the state changes."""
        return self.state is not self.after

    @property
    def name(self) -> str:
        """The row in one line, such as "SYN-SENT, rcv SYN -> SYN-RECEIVED, snd SYN-ACK"."""
        reply = f", snd {self.reply}" if self.reply else ""
        return f"{self.state}, {self.event} -> {self.after}{reply}"


_S, _E, _R = State, Event, Reply


@dataclass(frozen=True)
class _Row:
    """A row without its state: the table below groups the rows by state."""

    event: Event
    after: State
    section: str
    snd: Reply = Reply.NONE
    note: str = ""
    opened: Opened | None = None
    figure5: bool = False


_on = _Row
_drawn = partial(_Row, figure5=True)  # figure 5 draws it

_FIGURE_7 = (
    "figure 7 accepts it, and Linux since commit 23e89e8ee7be; "
    "the check of sequence numbers in 3.10.7.4 alone would drop it and send an ACK"
)
_MAY_REOPEN = "MAY-2, if the new sequence number lies beyond the old ones"

# fmt: off
_ROWS: dict[State, tuple[_Row, ...]] = {
    _S.CLOSED: (
        _drawn(_E.PASSIVE_OPEN, _S.LISTEN, "3.10.1"),
        _drawn(_E.ACTIVE_OPEN, _S.SYN_SENT, "3.10.1", snd=_R.SYN),
        _on(_E.RCV_SYN, _S.CLOSED, "3.10.7.1", snd=_R.RST_ACK, note="this is how a try is refused"),
        _on(_E.RCV_SYN_ACK, _S.CLOSED, "3.10.7.1", snd=_R.RST),
        _on(_E.RCV_ACK, _S.CLOSED, "3.10.7.1", snd=_R.RST),
        _on(_E.RCV_DATA, _S.CLOSED, "3.10.7.1", snd=_R.RST),
        _on(_E.RCV_FIN, _S.CLOSED, "3.10.7.1", snd=_R.RST),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.1", note="discarded"),
    ),
    _S.LISTEN: (
        _on(_E.ACTIVE_OPEN, _S.SYN_SENT, "3.10.1", snd=_R.SYN),
        _drawn(_E.SEND, _S.SYN_SENT, "3.10.2", snd=_R.SYN),
        _drawn(_E.CLOSE, _S.CLOSED, "3.10.4"),
        _on(_E.ABORT, _S.CLOSED, "3.10.5"),
        _drawn(_E.RCV_SYN, _S.SYN_RECEIVED, "3.10.7.2", snd=_R.SYN_ACK),
        _on(_E.RCV_SYN_ACK, _S.LISTEN, "3.10.7.2", snd=_R.RST),
        _on(_E.RCV_ACK, _S.LISTEN, "3.10.7.2", snd=_R.RST),
        _on(_E.RCV_DATA, _S.LISTEN, "3.10.7.2", snd=_R.RST),
        _on(_E.RCV_FIN, _S.LISTEN, "3.10.7.2", snd=_R.RST),
        _on(_E.RCV_RST, _S.LISTEN, "3.10.7.2", note="ignored"),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.SYN_SENT: (
        _on(_E.SEND, _S.SYN_SENT, "3.10.2", note="queued until ESTABLISHED"),
        _drawn(_E.CLOSE, _S.CLOSED, "3.10.4"),
        _on(_E.ABORT, _S.CLOSED, "3.10.5"),
        _drawn(_E.RCV_SYN, _S.SYN_RECEIVED, "3.10.7.3", snd=_R.SYN_ACK, note="simultaneous open: MUST-10"),
        _drawn(_E.RCV_SYN_ACK, _S.ESTABLISHED, "3.10.7.3", snd=_R.ACK),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.3", note="the RST must acknowledge the SYN"),
        _on(_E.RCV_BAD_ACK, _S.SYN_SENT, "3.10.7.3", snd=_R.RST),
        _on(_E.RETRANSMIT, _S.SYN_SENT, "3.10.8", snd=_R.AGAIN),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.SYN_RECEIVED: (
        _on(_E.SEND, _S.SYN_RECEIVED, "3.10.2", note="queued until ESTABLISHED"),
        _drawn(_E.CLOSE, _S.FIN_WAIT_1, "3.10.4", snd=_R.FIN),
        _on(_E.ABORT, _S.CLOSED, "3.10.5", snd=_R.RST),
        _drawn(_E.RCV_ACK_OF_SYN, _S.ESTABLISHED, "3.10.7.4"),
        _on(_E.RCV_SYN_ACK, _S.ESTABLISHED, "3.5", note=_FIGURE_7, opened=Opened.ACTIVE),
        _on(_E.RCV_SYN, _S.LISTEN, "3.10.7.4", note="a new SYN in the window", opened=Opened.PASSIVE),
        _drawn(_E.RCV_RST, _S.LISTEN, "3.10.7.4", note="note 1 of figure 5", opened=Opened.PASSIVE),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.4", note="connection refused", opened=Opened.ACTIVE),
        _on(_E.RCV_UNACCEPTABLE, _S.SYN_RECEIVED, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_BAD_ACK, _S.SYN_RECEIVED, "3.10.7.4", snd=_R.RST),
        _on(_E.RETRANSMIT, _S.SYN_RECEIVED, "3.10.8", snd=_R.AGAIN),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.ESTABLISHED: (
        _on(_E.SEND, _S.ESTABLISHED, "3.10.2", snd=_R.DATA),
        _drawn(_E.CLOSE, _S.FIN_WAIT_1, "3.10.4", snd=_R.FIN),
        _on(_E.ABORT, _S.CLOSED, "3.10.5", snd=_R.RST),
        _on(_E.RCV_ACK, _S.ESTABLISHED, "3.10.7.4"),
        _on(_E.RCV_DATA, _S.ESTABLISHED, "3.10.7.4", snd=_R.ACK),
        _drawn(_E.RCV_FIN, _S.CLOSE_WAIT, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.4"),
        _on(_E.RCV_UNACCEPTABLE, _S.ESTABLISHED, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_BAD_ACK, _S.ESTABLISHED, "3.10.7.4", snd=_R.ACK),
        _on(_E.RETRANSMIT, _S.ESTABLISHED, "3.10.8", snd=_R.AGAIN),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.FIN_WAIT_1: (
        _on(_E.ABORT, _S.CLOSED, "3.10.5", snd=_R.RST),
        _on(_E.RCV_ACK, _S.FIN_WAIT_1, "3.10.7.4"),
        _drawn(_E.RCV_ACK_OF_FIN, _S.FIN_WAIT_2, "3.10.7.4"),
        _on(_E.RCV_DATA, _S.FIN_WAIT_1, "3.10.7.4", snd=_R.ACK),
        _drawn(_E.RCV_FIN, _S.CLOSING, "3.10.7.4", snd=_R.ACK, note="simultaneous close: figure 13"),
        _on(_E.RCV_FIN_AND_ACK_OF_FIN, _S.TIME_WAIT, "3.10.7.4", snd=_R.ACK, note="note 2 of figure 5"),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.4"),
        _on(_E.RCV_UNACCEPTABLE, _S.FIN_WAIT_1, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_BAD_ACK, _S.FIN_WAIT_1, "3.10.7.4", snd=_R.ACK),
        _on(_E.RETRANSMIT, _S.FIN_WAIT_1, "3.10.8", snd=_R.AGAIN),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.FIN_WAIT_2: (
        _on(_E.ABORT, _S.CLOSED, "3.10.5", snd=_R.RST),
        _on(_E.RCV_ACK, _S.FIN_WAIT_2, "3.10.7.4"),
        _on(_E.RCV_DATA, _S.FIN_WAIT_2, "3.10.7.4", snd=_R.ACK),
        _drawn(_E.RCV_FIN, _S.TIME_WAIT, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.4"),
        _on(_E.RCV_UNACCEPTABLE, _S.FIN_WAIT_2, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_BAD_ACK, _S.FIN_WAIT_2, "3.10.7.4", snd=_R.ACK),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.CLOSE_WAIT: (
        _on(_E.SEND, _S.CLOSE_WAIT, "3.10.2", snd=_R.DATA),
        _drawn(_E.CLOSE, _S.LAST_ACK, "3.10.4", snd=_R.FIN),
        _on(_E.ABORT, _S.CLOSED, "3.10.5", snd=_R.RST),
        _on(_E.RCV_ACK, _S.CLOSE_WAIT, "3.10.7.4"),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.4"),
        _on(_E.RCV_UNACCEPTABLE, _S.CLOSE_WAIT, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_BAD_ACK, _S.CLOSE_WAIT, "3.10.7.4", snd=_R.ACK),
        _on(_E.RETRANSMIT, _S.CLOSE_WAIT, "3.10.8", snd=_R.AGAIN),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.CLOSING: (
        _on(_E.ABORT, _S.CLOSED, "3.10.5"),
        _on(_E.RCV_ACK, _S.CLOSING, "3.10.7.4"),
        _drawn(_E.RCV_ACK_OF_FIN, _S.TIME_WAIT, "3.10.7.4"),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.4"),
        _on(_E.RCV_UNACCEPTABLE, _S.CLOSING, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_BAD_ACK, _S.CLOSING, "3.10.7.4", snd=_R.ACK),
        _on(_E.RETRANSMIT, _S.CLOSING, "3.10.8", snd=_R.AGAIN),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.LAST_ACK: (
        _on(_E.ABORT, _S.CLOSED, "3.10.5"),
        _on(_E.RCV_ACK, _S.LAST_ACK, "3.10.7.4"),
        _drawn(_E.RCV_ACK_OF_FIN, _S.CLOSED, "3.10.7.4"),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.4"),
        _on(_E.RCV_UNACCEPTABLE, _S.LAST_ACK, "3.10.7.4", snd=_R.ACK),
        _on(_E.RCV_BAD_ACK, _S.LAST_ACK, "3.10.7.4", snd=_R.ACK),
        _on(_E.RETRANSMIT, _S.LAST_ACK, "3.10.8", snd=_R.AGAIN),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
    _S.TIME_WAIT: (
        _on(_E.ABORT, _S.CLOSED, "3.10.5"),
        _on(_E.RCV_ACK, _S.TIME_WAIT, "3.10.7.4"),
        _on(_E.RCV_SYN, _S.SYN_RECEIVED, "3.6.1", snd=_R.SYN_ACK, note=_MAY_REOPEN),
        _on(_E.RCV_RST, _S.CLOSED, "3.10.7.4"),
        _on(_E.RCV_UNACCEPTABLE, _S.TIME_WAIT, "3.10.7.4", snd=_R.ACK, note="restarts the 2 MSL timer"),
        _on(_E.RCV_BAD_ACK, _S.TIME_WAIT, "3.10.7.4", snd=_R.ACK),
        _drawn(_E.TIMEOUT_2MSL, _S.CLOSED, "3.10.8"),
        _on(_E.USER_TIMEOUT, _S.CLOSED, "3.10.8"),
    ),
}
# fmt: on

TRANSITIONS: tuple[Transition, ...] = tuple(
    Transition(state, row.event, row.after, row.snd, row.section, row.note, row.opened, row.figure5)
    for state, rows in _ROWS.items()
    for row in rows
)


def _index() -> Mapping[tuple[State, Event, Opened], Transition]:
    rows: dict[tuple[State, Event, Opened], Transition] = {}
    for row in TRANSITIONS:
        for opened in Opened if row.opened is None else (row.opened,):
            if rows.setdefault((row.state, row.event, opened), row) is not row:
                raise ValueError(f"two rows for {row.state}, {row.event}, {opened} OPEN")
    return MappingProxyType(rows)


TABLE: Mapping[tuple[State, Event, Opened], Transition] = _index()

# Why an event has no row in some state: the section, and the reason in one phrase.
_REFUSED: dict[Event, tuple[str, str]] = {
    _E.PASSIVE_OPEN: ("3.10.1", "error: connection already exists"),
    _E.ACTIVE_OPEN: ("3.10.1", "error: connection already exists"),
    _E.SEND: ("3.10.2", "error: connection closing"),
    _E.CLOSE: ("3.10.4", "error: connection closing"),
    _E.ABORT: ("3.10.5", "error: connection does not exist"),
    _E.RCV_SYN: ("3.10.7.4", "here a SYN counts as an unacceptable segment"),
    _E.RCV_SYN_ACK: ("3.10.7.4", "here a SYN counts as an unacceptable segment"),
    _E.RCV_ACK: ("3.10.7", "an ACK matters here only for what it acknowledges"),
    _E.RCV_ACK_OF_SYN: ("3.10.7.4", "no SYN of this end waits for its acknowledgment alone"),
    _E.RCV_ACK_OF_FIN: ("3.10.7.4", "no FIN of this end waits for its acknowledgment"),
    _E.RCV_DATA: ("3.10.7", "no data is taken in this state"),
    _E.RCV_FIN: ("3.10.7.4", "no FIN is taken in this state"),
    _E.RCV_FIN_AND_ACK_OF_FIN: ("3.3.2", "only FIN-WAIT-1 can meet both in one segment"),
    _E.RCV_UNACCEPTABLE: ("3.10.7", "there is no window yet to check a sequence number against"),
    _E.RCV_BAD_ACK: ("3.10.7", "here every ACK is bad"),
    _E.RETRANSMIT: ("3.10.8", "nothing of this end waits for an acknowledgment"),
    _E.TIMEOUT_2MSL: ("3.10.8", "the 2 MSL timer runs in TIME-WAIT only"),
    _E.USER_TIMEOUT: ("3.10.8", "there is no connection to time out"),
}


@dataclass(frozen=True)
class Outcome:
    """What an event did. A `problem` says why it is not allowed; the state then stayed as it was."""

    before: State
    event: Event
    after: State
    reply: Reply = Reply.NONE
    transition: Transition | None = None
    problem: str = ""


def step(state: State, event: Event, opened: Opened = Opened.ACTIVE) -> Outcome:
    """Return what `event` does to a connection in `state` that was opened that way.

    Never raises: an event that the table does not allow leaves the state unchanged, with a `problem`.
    """
    row = TABLE.get((state, event, opened))
    if row is None:
        return Outcome(state, event, state, problem=_problem(state, event))
    return Outcome(state, event, row.after, row.reply, row)


def _problem(state: State, event: Event) -> str:
    section, reason = _REFUSED[event]
    if state is State.CLOSED and event in (Event.SEND, Event.CLOSE):
        reason = "error: connection does not exist"
    return f"{state} does not allow {event}: {reason} (RFC 9293 section {section})"
