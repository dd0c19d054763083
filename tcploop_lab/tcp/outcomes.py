"""How a call between two hosts ended: which of the orders of delivery it was, told from the segments alone."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from .replay import Replay
from .states import State


class Ending(StrEnum):
    """What became of the SYNs of two hosts. The first four are those to look for (RFC 9293 section 3.5)."""

    CROSSED = "the SYNs crossed"
    REFUSED = "the SYNs did not cross"
    LOST_SYN = "a SYN was lost"
    LATE_RST = "a RST came too late"
    HANDSHAKE = "one host listened"
    OTHER = "another way to ESTABLISHED"
    NONE = ""

    @property
    def words(self) -> str:
        """One sentence: what happened, and what came of it."""
        return _WORDS[self]


SOUGHT = (Ending.CROSSED, Ending.REFUSED, Ending.LOST_SYN, Ending.LATE_RST)

_WORDS = {
    Ending.CROSSED: "Both SYNs were on the way at the same time. Each host answered the other's: a simultaneous open, "
    "six segments.",
    Ending.REFUSED: "The first SYN met a host that had not called yet. Nobody was there, so a RST came back.",
    Ending.LOST_SYN: "One SYN never arrived. The other was enough: who gets it answers with a SYN-ACK.",
    Ending.LATE_RST: "The RST found a host that had gone on to SYN-RECEIVED. There it no longer counts: its sequence "
    "number is 0.",
    Ending.HANDSHAKE: "One host listened and never called: an ordinary handshake, three segments.",
    Ending.OTHER: "Both ends are ESTABLISHED, by a way that has no name here.",
    Ending.NONE: "It is not over: a host still waits for an answer.",
}


def ending(replayed: Replay, states: Collection[State]) -> Ending:
    """Return how an exchange between two hosts ended that are now in `states`; NONE while it is not over."""
    if set(states) == {State.CLOSED}:
        return Ending.REFUSED if any(step.segment.is_reset for step in replayed.steps) else Ending.NONE
    if set(states) != {State.ESTABLISHED}:
        return Ending.NONE
    if replayed.kind == "handshake" and not _lost_syn(replayed):
        return Ending.HANDSHAKE
    if _lost_syn(replayed):
        return Ending.LOST_SYN
    resets = [step for step in replayed.steps if step.segment.is_reset and not step.lost]
    if any(step.receiver_before not in (State.SYN_SENT, State.CLOSED) for step in resets):
        return Ending.LATE_RST
    return Ending.CROSSED if _crossed(replayed) else Ending.OTHER


def _lost_syn(replayed: Replay) -> bool:
    return any(step.lost for step in replayed.steps if step.segment.is_syn)


def _crossed(replayed: Replay) -> bool:
    """True if every SYN was sent before any of them arrived, and nothing was lost."""
    syns = {place for place, step in enumerate(replayed.steps) if step.segment.is_syn}
    order = [arrives for place, arrives in replayed.moments if place in syns]
    return len(syns) == 2 and order == [False, False, True, True] and not any(s.lost for s in replayed.steps)
