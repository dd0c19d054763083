"""What one end of a connection knows: its state and its sequence numbers (a TCB, RFC 9293 section 3.3.1).

`sending` and `arriving` move it, one segment at a time, along the table in `states`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .segments import Segment
from .states import Event, Opened, Reply, State, Transition, step

_HALF = 1 << 31


def distance(number: int, origin: int) -> int:
    """Return how far sequence number `number` lies ahead of `origin`; negative if behind (section 3.4)."""
    return (number - origin + _HALF) % (2 * _HALF) - _HALF


@dataclass(frozen=True)
class Move:
    """What one segment did at one end. `impossible` says why the end cannot have sent it, or is empty."""

    before: State
    after: State
    transitions: tuple[Transition, ...] = ()
    impossible: str = ""
    note: str = ""


@dataclass
class Tcb:
    """One end, as far as its segments tell.

    `challenge` says what SYN-RECEIVED does with a SYN-ACK: False accepts it, as figure 7 shows; True drops it
    and answers with an ACK, as the check of sequence numbers in section 3.10.7.4 says.
    """

    name: str
    challenge: bool = False
    state: State = State.CLOSED
    opened: Opened = Opened.ACTIVE
    iss: int | None = None
    snd_una: int = 0
    snd_nxt: int = 0
    irs: int | None = None
    rcv_nxt: int = 0
    fin_end: int | None = None  # the sequence number after the FIN that it sent
    last: Segment | None = None  # the segment that it sent last
    syn_acked: bool = False  # it has sent a SYN-ACK
    owed: Transition | None = None  # the transition whose reply has not gone out yet
    path: list[Transition] = field(default_factory=list)  # everything that happened, in order
    held: list[Segment] = field(default_factory=list)  # arrived ahead of what was due
    note: str = ""  # a remark on the segment at hand

    def take(self, event: Event) -> str:
        """Make the transition for `event`; return the problem if the table has none."""
        outcome = step(self.state, event, self.opened)
        if outcome.transition is not None:
            self.state = outcome.after
            self.path.append(outcome.transition)
        return outcome.problem

    def owes(self, *replies: Reply) -> bool:
        """True if one of `replies` has been asked for and has not gone out."""
        return self.owed is not None and self.owed.reply in replies

    def number(self, segment: Segment) -> None:
        """Start counting at its own SYN in `segment`."""
        self.iss = self.snd_una = segment.seq
        self.snd_nxt = segment.seq + segment.length
        self.fin_end, self.syn_acked = None, False
        self.held.clear()

    def synchronize(self, segment: Segment) -> None:
        """Start counting at the other end's SYN in `segment`."""
        self.irs = segment.seq
        self.rcv_nxt = segment.seq + segment.length
