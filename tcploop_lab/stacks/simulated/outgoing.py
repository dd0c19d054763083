"""What an end sends, and when it sends it again (net/ipv4/tcp_output.c, tcp_timer.c).

Every segment goes through `tcp.output.send`, which moves the end along the state table: what RFC 9293 does not allow
cannot leave.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ...tcp.output import send
from ...tcp.segments import Segment
from ...tcp.states import Opened, State
from ...tcp.tcb import distance

if TYPE_CHECKING:
    from .end import End
    from .kernel import Kernel

SCALE = 10  # bits: the window scale (RFC 7323) that Linux takes for its default buffers
FIRST_RTO, LEAST_RTO, MOST_RTO = 1.0, 0.2, 120.0  # seconds: RFC 6298, TCP_RTO_MIN, TCP_RTO_MAX
_RETRIES, _ORPHAN_RETRIES, _SYN_ACK_RETRIES = 15, 8, 5  # tcp_retries2, tcp_orphan_retries, tcp_synack_retries
_DOUBLINGS = 6  # of the first RTO, before it would be more than MOST_RTO
_SOON = 0.008  # seconds: TCP_TIMEOUT_MIN, two jiffies of a kernel with HZ=250
TIMESTAMP_BYTES = 12
Options = tuple[tuple[str, object], ...]


def plain_options(kernel: Kernel, offset: int, recent: int) -> Options:
    """The options of a segment after the SYN: timestamps (RFC 7323), in milliseconds from a random start."""
    value = (int(kernel.clock.now * 1000) + offset) % 2**32
    return ("NOP", None), ("NOP", None), ("Timestamp", (value, recent))


def _syn_options(end: End) -> Options:
    value = plain_options(end.kernel, end.time_offset, end.time_recent)[2]
    return ("MSS", end.full_mss + TIMESTAMP_BYTES), ("SAckOK", b""), value, ("NOP", None), ("WScale", SCALE)


def emit(end: End, flags: str, seq: int, payload: bytes = b"", extra: Options = ()) -> None:
    """Send one segment: the state table moves, the counters count, the timer for sending it again starts."""
    tcb, syn = end.tcb, "S" in flags
    options = _syn_options(end) if syn else plain_options(end.kernel, end.time_offset, end.time_recent)
    window = end.syn_window if syn else end.window_field
    ack = tcb.rcv_nxt % 2**32 if "A" in flags else 0
    ends = end.source, end.port, *(end.peer or ("", 0))
    segment = Segment(end.kernel.clock.time(), *ends, flags, seq % 2**32, ack, window, (*options, *extra), payload)
    fresh = tcb.iss is None or not segment.length or distance(seq + segment.length, tcb.snd_nxt) > 0
    move = send(tcb, segment)
    if move.impossible:
        raise RuntimeError(f"the simulated kernel is wrong: {move.impossible} ({flags})")
    tcb.path.clear()
    end.counters["OutSegs"] += fresh  # __tcp_transmit_skb() counts new ones only
    _remember(end, segment, fresh)
    end.note_state()
    end.acks.went(end)
    end.kernel.transmit(segment, end.next_identification(segment))


def _remember(end: End, segment: Segment, fresh: bool) -> None:
    """Keep what needs an acknowledgment. A SYN-ACK that answers a crossing SYN takes the place of the SYN."""
    if not segment.length or "R" in segment.flags:
        return
    if fresh:
        end.flight.append(segment)
        end.fresh_since = end.kernel.clock.now
    elif end.flight and segment.flags == "SA":
        end.flight[0] = segment
    if end.retransmission is None:
        start_timer(end)


def syn(end: End, sequence: int) -> None:
    """Send the SYN of an active OPEN."""
    end.small_edge = sequence
    emit(end, "S", sequence)
    end.counters["ActiveOpens"] += 1


def syn_ack(end: End) -> None:
    """Answer a SYN: with the own SYN again in a simultaneous open, with a new one from a listener."""
    tcb = end.tcb
    passive = tcb.opened is Opened.PASSIVE
    if passive or tcb.iss is None:
        end.small_edge = end.new_sequence()
    emit(end, "SA", end.small_edge)


def acknowledge(end: End, extra: Options = ()) -> None:
    """Send an ACK now."""
    emit(end, "A", end.tcb.snd_nxt, extra=extra)


def d_sack(seq: int, end_seq: int) -> Options:
    """The option that says: these numbers came twice (RFC 2883)."""
    return ("NOP", None), ("NOP", None), ("SAck", (seq % 2**32, end_seq % 2**32))


def reset(end: End) -> None:
    """Send the RST that aborts the connection (tcp_send_active_reset)."""
    end.counters["OutRsts"] += 1
    emit(end, "RA", end.tcb.snd_nxt)


def push(end: End) -> None:
    """Send what the other end's window and Nagle's rule let go (tcp_write_xmit), then the FIN if one waits."""
    tcb = end.tcb
    while end.unsent:
        size = min(len(end.unsent), end.mss, distance(end.peer_edge, tcb.snd_nxt))
        if size <= 0 or _nagle_holds(end, size):
            break
        last = size == len(end.unsent)
        flags = "FPA" if last and end.fin_waits else "PA" if last else "A"
        payload = bytes(end.unsent[:size])
        del end.unsent[:size]
        _say(end, flags, payload)
    if end.fin_waits and not end.unsent:
        _say(end, "FA", b"")
    if end.unsent and not end.flight and end.retransmission is None:
        start_timer(end, idle=True)


def _say(end: End, flags: str, payload: bytes) -> None:
    if payload:
        end.acks.data_goes(end)
        if len(payload) < end.mss:
            end.small_edge = end.tcb.snd_nxt + len(payload)
    end.fin_waits = end.fin_waits and "F" not in flags
    emit(end, flags, end.tcb.snd_nxt, payload)


def _nagle_holds(end: End, size: int) -> bool:
    """True if a short segment must wait for the acknowledgment of a short one before it (tcp_nagle_check)."""
    if size >= end.mss or end.options.no_delay or end.fin_waits or size < len(end.unsent):
        return False
    return distance(end.small_edge, end.tcb.snd_una) > 0


def start_timer(end: End, idle: bool = False) -> None:
    """(Re)start the retransmission timer; with nothing under way it is the one of zero-window probes.

    A user timeout that ends before makes it shorter (tcp_clamp_rto_to_user_timeout).
    """
    clock, seconds, limit = end.kernel.clock, end.rto * 2**end.backoff, end.options.user_timeout
    clock.cancel(end.retransmission)
    if limit and end.tried_since is not None:
        seconds = min(seconds, max(_SOON, end.tried_since + limit - clock.now))
    end.retransmission = clock.after(min(MOST_RTO, seconds), lambda: _expired(end), idle)


def hurry(end: End) -> None:
    """What is left of an old connection answered the SYN, and a reset ended it: send it again soon, but only once."""
    if end.kernel.version.hurries and not end.retries:
        end.kernel.clock.cancel(end.retransmission)
        end.retransmission = end.kernel.clock.after(_SOON, lambda: _expired(end))


def stop_timer(end: End) -> None:
    """Nothing waits for an acknowledgment."""
    end.kernel.clock.cancel(end.retransmission)
    end.retransmission, end.backoff, end.retries, end.tried_since = None, 0, 0, None


def _expired(end: End) -> None:
    end.retransmission = None
    if not end.flight:
        if end.unsent:
            _probe(end)
        return
    if _gives_up(end):
        end.fail(errno.ETIMEDOUT)
        return
    end.retries += 1
    if not (end.tcb.state is State.SYN_SENT and end.retries <= end.kernel.version.linear_syns):
        end.backoff += 1
    again(end)


def _too_long(end: End) -> bool:
    """True once the user timeout is over: from the SYN on, from the first retransmission, or from the first probe."""
    limit, since = end.options.user_timeout, end.tried_since
    return bool(limit) and since is not None and end.kernel.clock.now - since >= limit


def _gives_up(end: End) -> bool:
    """tcp_write_timeout()."""
    if end.retries and _too_long(end):
        return True
    if end.opening and end.parent is None:
        return _nobody_answers(end)
    if end.opening:
        return end.retries >= _SYN_ACK_RETRIES
    return end.retries >= (_ORPHAN_RETRIES if end.orphan else _RETRIES)


def _nobody_answers(end: End) -> bool:
    """So many SYNs were sent, or so much time has passed as they would take with one second doubled each time."""
    most, linear = end.options.syn_retries, end.kernel.version.linear_syns
    doubled = min(most, _DOUBLINGS)
    seconds = FIRST_RTO * (2 ** (doubled + 1) - 1) + MOST_RTO * (most - doubled)  # tcp_model_timeout()
    waited = end.kernel.clock.now - end.fresh_since + _SOON
    return end.retries >= most + linear * (end.tcb.state is State.SYN_SENT) or (end.retries > 0 and waited >= seconds)


def again(end: End) -> None:
    """Send the oldest segment that waits for its acknowledgment once more."""
    oldest = end.flight[0]
    if end.tried_since is None:
        end.tried_since = end.fresh_since if end.opening else end.kernel.clock.now
    end.counters["RetransSegs"] += 1
    emit(end, oldest.flags, oldest.seq, oldest.payload)
    start_timer(end)


def _probe(end: End) -> None:
    """The other end's window is shut: ask whether it still is, but not for ever (tcp_probe_timer)."""
    if _too_long(end) or (end.orphan and end.rto * 2**end.backoff >= MOST_RTO):
        end.fail(errno.ETIMEDOUT)
        return
    if end.tried_since is None:
        end.tried_since = end.kernel.clock.now
    end.backoff += 1
    ask(end)
    if end.unsent and not end.flight:
        start_timer(end, idle=True)


def ask(end: End) -> None:
    """Send an old number, which the other end answers (tcp_xmit_probe_skb)."""
    emit(end, "A", end.tcb.snd_nxt - 1)
