"""What does an arriving segment do to this end? RFC 9293 section 3.10.7, check by check, in its order.

This decides which event of the state table the segment is; `states` holds what the event then does. The
receive window is followed as far as the segments tell it: a SYN's is exact, any other may be scaled by up to 2^14.
"""

from __future__ import annotations

from .segments import Segment
from .states import Event, Opened, Reply, State
from .tcb import Move, Tcb, distance

_TAKES_DATA = (State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2)
_LARGEST_WINDOW, _LARGEST_SHIFT = 1 << 30, 14
_FIN_UNACKNOWLEDGED = (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)


def arrive(tcb: Tcb, segment: Segment) -> Move:
    """Return what the arrival of `segment` does to the end `tcb`."""
    before, seen, tcb.note = tcb.state, len(tcb.path), ""
    if tcb.state in (State.CLOSED, State.LISTEN):
        _unopened(tcb, segment)
    elif tcb.state is State.SYN_SENT:
        _syn_sent(tcb, segment)
    else:
        _other_states(tcb, segment)
    return Move(before, tcb.state, tuple(tcb.path[seen:]), note=tcb.note)


def _receive(tcb: Tcb, event: Event) -> None:
    """Make the transition, and remember the reply that it asks for."""
    problem = tcb.take(event)
    if problem:
        tcb.note = problem
    elif tcb.state is not State.SYN_RECEIVED or not tcb.owes(Reply.SYN_ACK):  # a SYN-ACK owed comes first
        row = tcb.path[-1]
        tcb.owed = row if row.reply else None


def _unopened(tcb: Tcb, segment: Segment) -> None:
    """Sections 3.10.7.1 and 3.10.7.2."""
    if segment.is_reset:
        _receive(tcb, Event.RCV_RST)
    elif segment.is_syn_ack:
        _receive(tcb, Event.RCV_SYN_ACK)
    elif segment.is_syn:
        if tcb.state is State.LISTEN:
            tcb.opened = Opened.PASSIVE
            tcb.synchronize(segment)
        _receive(tcb, Event.RCV_SYN)
    elif "F" in segment.flags:
        _receive(tcb, Event.RCV_FIN)
    else:
        _receive(tcb, Event.RCV_DATA if segment.payload else Event.RCV_ACK)


def _syn_sent(tcb: Tcb, segment: Segment) -> None:
    """Section 3.10.7.3."""
    acks = "A" in segment.flags
    if acks and not _acks_new(tcb, segment):
        if segment.is_reset:
            tcb.note = "dropped: it does not acknowledge the SYN (section 3.10.7.3)"
        else:
            _receive(tcb, Event.RCV_BAD_ACK)
    elif segment.is_reset and acks:
        _receive(tcb, Event.RCV_RST)
    elif segment.is_syn or segment.is_syn_ack:
        tcb.synchronize(segment)
        tcb.snd_una = segment.ack if acks else tcb.snd_una
        _receive(tcb, Event.RCV_SYN_ACK if acks else Event.RCV_SYN)
    else:
        tcb.note = "dropped: only a SYN or a RST with an ACK counts here (section 3.10.7.3)"


def _acks_new(tcb: Tcb, segment: Segment) -> bool:
    return distance(segment.ack, tcb.snd_una) > 0 and distance(segment.ack, tcb.snd_nxt) <= 0


def _other_states(tcb: Tcb, segment: Segment) -> None:
    """Section 3.10.7.4: sequence number, RST, SYN, ACK, then text and FIN."""
    if not _acceptable(tcb, segment):
        _unacceptable(tcb, segment)
    elif segment.is_reset:
        exact = distance(segment.seq, tcb.rcv_nxt) == 0
        _receive(tcb, Event.RCV_RST if exact else Event.RCV_UNACCEPTABLE)
    elif "S" in segment.flags:
        _new_syn(tcb, segment)
    elif "A" not in segment.flags:
        tcb.note = "dropped: it has no ACK (section 3.10.7.4)"
    elif _ack(tcb, segment):
        _text(tcb, segment)


def _acceptable(tcb: Tcb, segment: Segment) -> bool:
    """True if any part of it is new, and inside the window (table 6, for an open one)."""
    last = segment.seq + max(segment.length - 1, 0)
    return 0 <= distance(last, tcb.rcv_nxt) < _window(tcb)


def _window(tcb: Tcb) -> int:
    """Return the largest window that this end can have offered last (RFC 7323 section 2.2 and 2.3)."""
    if tcb.last is None or not tcb.last.window:
        return _LARGEST_WINDOW
    return tcb.last.window << (0 if "S" in tcb.last.flags else _LARGEST_SHIFT)


def _unacceptable(tcb: Tcb, segment: Segment) -> None:
    if _completes_figure_7(tcb, segment):
        tcb.snd_una = segment.ack
        _receive(tcb, Event.RCV_SYN_ACK)
    elif segment.is_reset:
        tcb.note = "dropped: its sequence number is not in the window (section 3.10.7.4)"
    else:
        _receive(tcb, Event.RCV_UNACCEPTABLE)


def _completes_figure_7(tcb: Tcb, segment: Segment) -> bool:
    """True for line 6 or 7 of figure 7: the SYN that came before, now with the ACK of this end's own.

    Linux checks the same since commit 23e89e8ee7be (6.11, and back-ported); before, it sent a challenge ACK.
    """
    opening = tcb.state is State.SYN_RECEIVED and tcb.opened is Opened.ACTIVE
    syn_ack = segment.is_syn_ack and not tcb.challenge
    same_syn = distance(segment.seq + segment.length, tcb.rcv_nxt) == 0
    return opening and syn_ack and same_syn and _acks_new(tcb, segment)


def _new_syn(tcb: Tcb, segment: Segment) -> None:
    if tcb.state is State.TIME_WAIT and segment.is_syn:
        tcb.opened = Opened.PASSIVE
        tcb.synchronize(segment)
        _receive(tcb, Event.RCV_SYN)
    elif tcb.state is State.SYN_RECEIVED and tcb.opened is Opened.PASSIVE:
        _receive(tcb, Event.RCV_SYN)
    else:
        _receive(tcb, Event.RCV_UNACCEPTABLE)


def _ack(tcb: Tcb, segment: Segment) -> bool:
    """The fifth check; False if processing ends there."""
    opening = tcb.state is State.SYN_RECEIVED
    good = _acks_new(tcb, segment) if opening else distance(segment.ack, tcb.snd_nxt) <= 0
    if not good:
        _receive(tcb, Event.RCV_BAD_ACK)
        return False
    tcb.snd_una = max(segment.ack, tcb.snd_una, key=lambda number: distance(number, tcb.snd_una))
    if opening:
        _receive(tcb, Event.RCV_ACK_OF_SYN)
        return segment.length > 0
    return _ack_of_fin(tcb, segment)


def _ack_of_fin(tcb: Tcb, segment: Segment) -> bool:
    """Notice the acknowledgment of this end's FIN; False if processing ends there."""
    if tcb.state not in _FIN_UNACKNOWLEDGED or tcb.fin_end is None:
        return True
    if distance(segment.ack, tcb.fin_end) < 0:
        return True
    if tcb.state is State.FIN_WAIT_1 and not segment.payload and _is_next_fin(tcb, segment):
        tcb.rcv_nxt += 1
        _receive(tcb, Event.RCV_FIN_AND_ACK_OF_FIN)
        return False
    _receive(tcb, Event.RCV_ACK_OF_FIN)
    return tcb.state is State.FIN_WAIT_2 and segment.length > 0


def _is_next_fin(tcb: Tcb, segment: Segment) -> bool:
    return "F" in segment.flags and distance(segment.seq + len(segment.payload), tcb.rcv_nxt) == 0


def _text(tcb: Tcb, segment: Segment) -> None:
    """The seventh and the eighth check, then the same for what was held back until now."""
    if segment.length and distance(segment.seq, tcb.rcv_nxt) > 0:
        tcb.held.append(segment)
        tcb.note = "ahead of what is due: held back (section 3.10.7.4, SHLD-31)"
        return
    _take(tcb, segment)
    _release(tcb)


def _take(tcb: Tcb, segment: Segment) -> None:
    end = segment.seq + len(segment.payload)
    if segment.payload and distance(end, tcb.rcv_nxt) > 0 and tcb.state in _TAKES_DATA:
        tcb.rcv_nxt = end
        _receive(tcb, Event.RCV_DATA)
    if _is_next_fin(tcb, segment):
        tcb.rcv_nxt += 1
        _receive(tcb, Event.RCV_FIN)
    elif not segment.length:
        _receive(tcb, Event.RCV_ACK)


def _release(tcb: Tcb) -> None:
    """What was held back and is due now is taken; it may have come twice, or in parts."""
    while due := [held for held in tcb.held if distance(held.seq, tcb.rcv_nxt) <= 0]:
        tcb.held.remove(due[0])
        if _acceptable(tcb, due[0]):
            _take(tcb, due[0])
