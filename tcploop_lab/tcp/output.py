"""May this end send this segment now? (RFC 9293 section 3.10, read from the wire.)

Behind a segment stands a call of the user, a timeout, or the reply that an arrival asked for. What none of
them explains, the end cannot have sent: then nothing changes, and the reason is given.
"""

from __future__ import annotations

from collections.abc import Callable

from .segments import Segment
from .states import Event, Opened, Reply, State
from .tcb import Move, Tcb, distance

_UNOPENED = (State.CLOSED, State.LISTEN, State.SYN_SENT)


class _ImpossibleError(Exception):
    """The end cannot send this segment now; the message is the reason."""


def send(tcb: Tcb, segment: Segment) -> Move:
    """Return what sending `segment` does to the end `tcb`."""
    before, seen, tcb.note = tcb.state, len(tcb.path), ""
    try:
        _check_ack(tcb, segment)
        _kind(tcb, segment)(tcb, segment)
    except _ImpossibleError as reason:
        return Move(before, before, impossible=f"{tcb.name} cannot send this in {before}: {reason}")
    tcb.last = segment
    return Move(before, tcb.state, tuple(tcb.path[seen:]), note=tcb.note)


def _check_ack(tcb: Tcb, segment: Segment) -> None:
    if segment.is_reset or segment.is_syn:
        return
    if "A" not in segment.flags:
        raise _ImpossibleError("every segment after the SYN carries an ACK (section 3.1)")
    if tcb.irs is None:
        raise _ImpossibleError("it acknowledges something, and nothing has arrived")
    excess = distance(segment.ack, tcb.rcv_nxt)
    if excess > 0:
        raise _ImpossibleError(f"it acknowledges {_numbers(excess)} that did not arrive")


def _numbers(count: int) -> str:
    return f"{count} sequence number{'s' if count > 1 else ''}"


def _kind(tcb: Tcb, segment: Segment) -> Callable[[Tcb, Segment], None]:
    if segment.is_reset:
        return _rst
    if _repeats(tcb, segment):
        return _again
    if "S" in segment.flags:
        return _syn_ack if segment.is_syn_ack else _syn
    return _fin if "F" in segment.flags else _text


def _call(tcb: Tcb, event: Event) -> None:
    problem = tcb.take(event)
    if problem:
        raise _ImpossibleError(problem)


def _pay(tcb: Tcb) -> None:
    """The reply that was owed goes out."""
    if tcb.owed is not None:
        unacceptable = tcb.owed.event is Event.RCV_UNACCEPTABLE
        plain = f"answers {tcb.owed.event.removeprefix('rcv ')}"
        tcb.note = "challenge ACK: what came before was not acceptable" if unacceptable else plain
        tcb.owed = None


def _rst(tcb: Tcb, segment: Segment) -> None:
    numbers = segment.flags, segment.seq, segment.ack
    if tcb.owes(Reply.RST, Reply.RST_ACK):
        _pay(tcb)
    elif tcb.last is not None and (tcb.last.flags, tcb.last.seq, tcb.last.ack) == numbers:
        tcb.note = "the same RST again"
    elif tcb.state in _UNOPENED:
        raise _ImpossibleError("here a RST only answers a segment, and none waits (section 3.5.2)")
    else:
        _call(tcb, Event.ABORT)


def _repeats(tcb: Tcb, segment: Segment) -> bool:
    """True if the end sent exactly these sequence numbers before."""
    end = segment.seq + segment.length
    if tcb.iss is None or not segment.length or distance(end, tcb.snd_nxt) > 0:
        return False
    if "S" in segment.flags:
        sent = tcb.syn_acked if segment.is_syn_ack else tcb.opened is Opened.ACTIVE
        return segment.seq == tcb.iss and sent
    if "F" in segment.flags:
        return tcb.fin_end is not None and distance(end, tcb.fin_end) == 0
    return distance(segment.seq, tcb.iss) > 0


def _again(tcb: Tcb, segment: Segment) -> None:
    acknowledged = distance(segment.seq + segment.length, tcb.snd_una) <= 0
    if acknowledged or tcb.take(Event.RETRANSMIT):
        tcb.note = "an old duplicate, acknowledged before"


def _syn(tcb: Tcb, segment: Segment) -> None:
    if tcb.state is State.TIME_WAIT:
        _call(tcb, Event.TIMEOUT_2MSL)
        tcb.note = "TIME-WAIT was cut short for a new connection"
    elif tcb.state is State.SYN_SENT:
        _call(tcb, Event.CLOSE)
        tcb.note = "the SYN before it was given up"
    _call(tcb, Event.ACTIVE_OPEN)
    tcb.opened, tcb.owed, tcb.irs = Opened.ACTIVE, None, None
    tcb.number(segment)


def _syn_ack(tcb: Tcb, segment: Segment) -> None:
    if not tcb.owes(Reply.SYN_ACK):
        raise _ImpossibleError("a SYN-ACK answers a SYN, and none waits for an answer (section 3.10.7)")
    if tcb.irs is None or distance(segment.ack, tcb.irs) <= 0:
        raise _ImpossibleError("it does not acknowledge the SYN that it answers (section 3.10.7)")
    if tcb.opened is Opened.PASSIVE:
        tcb.number(segment)
    elif segment.seq != tcb.iss:
        raise _ImpossibleError("it must repeat the sequence number of its own SYN (section 3.10.7.3)")
    tcb.syn_acked = True
    _pay(tcb)
    if distance(segment.ack, tcb.rcv_nxt) < 0:
        tcb.rcv_nxt = segment.ack
        tcb.note = "the data in the SYN was not taken, and comes again (RFC 7413 section 4.2)"


def _check_text(tcb: Tcb, segment: Segment) -> None:
    """Refuse a segment without SYN and RST that cannot go out yet, or that leaves something out."""
    if tcb.state in _UNOPENED:
        raise _ImpossibleError("there is no connection that could send it (section 3.10.2)")
    if tcb.owes(Reply.SYN_ACK):
        raise _ImpossibleError("the SYN-ACK that the SYN asks for comes first (section 3.10.7)")
    gap = distance(segment.seq, tcb.snd_nxt)
    if gap > 0:
        raise _ImpossibleError(f"{_numbers(gap)} before it were never sent, or are not in the capture")
    if segment.payload and tcb.state is State.SYN_RECEIVED:
        raise _ImpossibleError("data waits for ESTABLISHED (section 3.10.2)")


def _text(tcb: Tcb, segment: Segment) -> None:
    _check_text(tcb, segment)
    if segment.payload:
        _call(tcb, Event.SEND)
        tcb.snd_nxt = segment.seq + segment.length
    elif distance(segment.seq, tcb.snd_nxt) < 0:
        tcb.note = "older than what was sent before it"
    if tcb.owes(Reply.ACK):
        _pay(tcb)


def _fin(tcb: Tcb, segment: Segment) -> None:
    _check_text(tcb, segment)
    if segment.payload:
        _call(tcb, Event.SEND)
    _call(tcb, Event.CLOSE)
    tcb.fin_end = tcb.snd_nxt = segment.seq + segment.length
    tcb.owed = None
