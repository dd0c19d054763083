"""What a segment does to the end that it reaches (net/ipv4/tcp_input.c).

`tcp.input.arrive` decides by RFC 9293 section 3.10.7 what it is and moves the state; what it owes is sent from here.
Where Linux does more or otherwise, the kernel's function is named.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ...tcp.input import arrive
from ...tcp.segments import Segment
from ...tcp.states import Event, Reply, State
from ...tcp.tcb import distance
from . import keep_alive, outgoing

if TYPE_CHECKING:
    from .end import End

_CLOSING = (State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING)
_RETRY_SECONDS = 0.5  # between two SYNs of a system that does not believe a refusal at once


def receive(end: End, segment: Segment) -> None:
    """Let `segment` arrive at `end`."""
    if end.listening:
        _called(end, segment)
    elif end.tcb.state is State.CLOSED:
        end.kernel.refuse(segment)
    elif not (_not_believed(end, segment) or _for_nobody(end, segment) or _no_room(end, segment)):
        _take(end, segment)


def _called(end: End, segment: Segment) -> None:
    """A segment for a listener: a SYN makes a connection of its own (tcp_conn_request)."""
    if segment.flags == "S" and len(end.queue) > end.queue_limit:
        return  # dropped: the caller sends it again
    child = end.make_child(segment)
    arrive(child.tcb, segment)
    if child.tcb.state is State.SYN_RECEIVED:
        end.children.append(child)
        _learn(child, segment)
        child.kernel.enter(child, child.key)
        outgoing.syn_ack(child)
    elif child.tcb.owed is not None:
        end.kernel.refuse(segment)


def _not_believed(end: End, segment: Segment) -> bool:
    """Windows sends a refused SYN again, for about two seconds, before it tells the program."""
    patience = end.kernel.version.persistence
    if not patience or end.tcb.state is not State.SYN_SENT or "R" not in segment.flags:
        return False
    if end.kernel.clock.now - end.fresh_since + _RETRY_SECONDS > patience:
        return False
    end.kernel.clock.cancel(end.retransmission)
    end.retransmission = end.kernel.clock.after(_RETRY_SECONDS, lambda: outgoing.again(end))
    return True


def _for_nobody(end: End, segment: Segment) -> bool:
    """Data for a socket that reads no more is answered by a reset (tcp_rcv_state_process, TCPABORTONDATA)."""
    if not (end.orphan or end.receive_shut) or end.state not in _CLOSING or not segment.payload:
        return False
    if distance(segment.seq + len(segment.payload), end.tcb.rcv_nxt) <= 0:
        return False
    end.kernel.refuse(segment)
    end.finish(errno.EPIPE if end.orphan else errno.ECONNRESET)
    return True


def _no_room(end: End, segment: Segment) -> bool:
    """The third segment of a handshake is dropped while the listener's queue is full (tcp_v4_syn_recv_sock)."""
    waiting = end.parent is not None and end.tcb.state is State.SYN_RECEIVED
    return waiting and "A" in segment.flags and len(end.parent.queue) > end.parent.queue_limit  # type: ignore[union-attr]


def _take(end: End, segment: Segment) -> None:
    tcb, before = end.tcb, end.tcb.state
    due, acknowledged = tcb.rcv_nxt, tcb.snd_una
    move = arrive(tcb, segment)
    events = [row.event for row in move.transitions]
    tcb.path.clear()
    if Event.RCV_RST in events:
        _was_reset(end, before)
        return
    _learn(end, segment)
    if Event.RCV_UNACCEPTABLE not in events:
        keep_alive.heard(end)
    _acknowledged(end, acknowledged)
    if before is State.SYN_RECEIVED and tcb.state.synchronized:
        end.opened()
    elif before is State.SYN_SENT and tcb.state.synchronized:
        keep_alive.start(end)
    _collect(end, segment, due)
    end.note_state()
    _answer(end, segment, events)
    _after(end, events)


def _was_reset(end: End, before: State) -> None:
    """tcp_reset(): what the program hears depends on where the connection was."""
    if end.parent is not None and before is State.SYN_RECEIVED:
        end.counters["AttemptFails"] += 1
        end.vanish()
        return
    end.tcb.state = before  # the counters want to see the way
    number = {State.SYN_SENT: errno.ECONNREFUSED, State.CLOSE_WAIT: errno.EPIPE}.get(before, errno.ECONNRESET)
    end.fail(number)


def _learn(end: End, segment: Segment) -> None:
    """Note the other end's timestamp and window."""
    options = dict(segment.options)
    stamp = options.get("Timestamp")
    if isinstance(stamp, tuple) and ("S" in segment.flags or distance(segment.seq, end.acks.acknowledged) <= 0):
        end.time_recent = stamp[0]  # RFC 7323 section 4.3
    if "A" in segment.flags:
        shift = 0 if "S" in segment.flags else outgoing.SCALE
        end.most_window = max(end.most_window, segment.window << shift)
        edge = segment.ack + (segment.window << shift)
        if distance(edge, end.peer_edge) > 0 or end.peer_edge == 0:
            end.peer_edge = edge


def _acknowledged(end: End, before: int) -> None:
    """Forget what has been acknowledged; each acknowledgment starts the timer anew (RFC 6298 section 5)."""
    tcb, flight = end.tcb, end.flight
    if distance(tcb.snd_una, before) <= 0:
        return
    while flight and distance(flight[0].seq + flight[0].length, tcb.snd_una) <= 0:
        sent = flight.popleft()
        if not end.retries:
            end.rto = max(outgoing.LEAST_RTO, end.kernel.clock.time() - sent.time + outgoing.LEAST_RTO)
    outgoing.stop_timer(end)
    if flight:
        end.fresh_since = end.kernel.clock.now
        outgoing.start_timer(end)


def _collect(end: End, segment: Segment, due: int) -> None:
    """Move the data that is due now to where the program reads it."""
    tcb = end.tcb
    if (segment.payload and distance(segment.seq, tcb.rcv_nxt) < 0) or tcb.held:
        end.early.append(segment)
    for piece in sorted(end.early, key=lambda one: distance(one.seq, due)):
        skip = distance(due, piece.seq)
        if 0 <= skip < len(piece.payload) and distance(tcb.rcv_nxt, due) > 0:
            end.inbox += piece.payload[skip:]
            due = piece.seq + len(piece.payload)
            end.acks.came(end, piece)
    end.early = [piece for piece in end.early if distance(piece.seq + len(piece.payload), tcb.rcv_nxt) > 0]


def _answer(end: End, segment: Segment, events: list[Event]) -> None:
    """Send what is owed."""
    tcb = end.tcb
    owed, tcb_owed = tcb.owed, tcb.owed.reply if tcb.owed is not None else Reply.NONE
    if tcb_owed is Reply.SYN_ACK:
        end.acks.acknowledged = tcb.rcv_nxt
        outgoing.syn_ack(end)
    elif tcb_owed is Reply.RST:
        tcb.owed = None
        end.kernel.refuse(segment)
        if tcb.state is State.SYN_SENT:
            outgoing.hurry(end)
    elif Event.RCV_UNACCEPTABLE in events or (owed is not None and owed.event is Event.RCV_BAD_ACK):
        _answer_old(end, segment)
    elif owed is None and Event.RCV_SYN_ACK in events:
        # The second SYN looks like a duplicate (tcp_data_queue since 23e89e8ee7be lets it come so far).
        if end.send_shut:  # shutdown() came first: now the FIN may go
            end.close_sending()
        else:
            end.acks.be_quick()
            outgoing.acknowledge(end, outgoing.d_sack(segment.seq, segment.seq + 1))
    elif tcb_owed is Reply.ACK:
        _answer_new(end, events)
    elif tcb.held and segment.length:
        outgoing.acknowledge(end)  # ahead of what is due: a duplicate ACK (RFC 9293 section 3.10.7.4, SHLD-31)


def _answer_old(end: End, segment: Segment) -> None:
    """An old segment gets an ACK, which names what came twice (tcp_send_dupack); a SYN gets a challenge ACK."""
    twice = segment.length and "S" not in segment.flags and distance(segment.seq, end.tcb.rcv_nxt) < 0
    if twice:
        end.acks.be_quick()
    outgoing.acknowledge(end, outgoing.d_sack(segment.seq, segment.seq + segment.length) if twice else ())


def _answer_new(end: End, events: list[Event]) -> None:
    """Data and FIN are acknowledged at once or later (tcp_fin, __tcp_ack_snd_check)."""
    end.acks.scheduled = True
    if Event.RCV_SYN_ACK in events or end.tcb.state in (State.CLOSING, State.TIME_WAIT):
        outgoing.acknowledge(end)
        return
    if Event.RCV_FIN in events:
        end.acks.pingpong = True
    end.acks.check(end)


def _after(end: End, events: list[Event]) -> None:
    """What follows from the new state."""
    state = end.tcb.state
    if Event.RCV_FIN in events or Event.RCV_FIN_AND_ACK_OF_FIN in events:
        end.receive_shut = end.done = True
    if state is State.TIME_WAIT:
        end.become_time_wait()
    elif state is State.CLOSED:  # LAST-ACK is over
        end.finish(0)
    elif state is State.FIN_WAIT_2 and end.orphan and end.kernel.owner is not end:
        end.become_time_wait()
    elif state.synchronized:
        outgoing.push(end)
