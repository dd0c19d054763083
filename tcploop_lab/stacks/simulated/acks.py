"""When is an acknowledgment sent? At once, or a little later in the hope that data takes it along.

Linux is quick at first, and slow once both sides talk ("pingpong"). Source: net/ipv4/tcp_input.c (tcp_event_data_recv,
__tcp_ack_snd_check), tcp_output.c (tcp_send_delayed_ack, tcp_event_ack_sent), tcp.c (tcp_cleanup_rbuf).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...tcp.segments import Segment
from ...tcp.tcb import distance
from . import outgoing

if TYPE_CHECKING:
    from .clock import Timer
    from .end import End

DELAY = 0.04  # seconds: TCP_ATO_MIN and TCP_DELACK_MIN
JIFFY = 0.004  # seconds: no timer of the kernel is finer (HZ=250)
_QUICK = 16  # TCP_MAX_QUICKACKS
_SMALL, _TINY = 536, 88  # bytes: TCP_MSS_DEFAULT, TCP_MIN_MSS
_REMNANT = set("FUSP")  # a segment with one of these may be short without telling the sender's segment size


class Acknowledging:
    """The state of one end's acknowledgments (struct inet_connection_sock, icsk_ack)."""

    def __init__(self) -> None:
        self.quick = 0  # how many more go out at once
        self.scheduled = False
        self.pingpong = False
        self.pushed = 0  # short segments that came since the last acknowledgment, up to 2
        self.acknowledged = 0  # up to which number the last segment sent acknowledged
        self._delay = 0.0
        self._last = -math.inf
        self._size = _SMALL  # of the sender's segments, as far as seen
        self._last_size = 0
        self._timer: Timer | None = None

    def be_quick(self) -> None:
        """Send the next ones at once (tcp_enter_quickack_mode)."""
        self.quick, self.pingpong, self._delay = _QUICK, False, DELAY

    def came(self, end: End, segment: Segment) -> None:
        """Data came (tcp_event_data_recv)."""
        self.scheduled = True
        self._measure(segment)
        now = end.kernel.clock.now
        gap = now - self._last
        if not self._delay:
            self.quick, self._delay = max(self.quick, _QUICK), DELAY
        elif gap <= DELAY / 2:
            self._delay = self._delay / 2 + DELAY / 2
        elif gap < self._delay:
            self._delay = min(self._delay / 2 + gap, end.rto)
        elif gap > end.rto:
            self.quick = max(self.quick, _QUICK)
        self._last = now

    def _measure(self, segment: Segment) -> None:
        size = len(segment.payload)
        if size >= self._size:
            self._size = size
            return
        if size >= _SMALL or (size >= _TINY and not _REMNANT & set(segment.flags)):
            if size == self._last_size:
                self._size = size
                return
            self._last_size = size
        self.pushed = min(2, self.pushed + 1)

    def data_goes(self, end: End) -> None:
        """Data is sent; soon after data came, it is an answer (tcp_event_data_sent)."""
        if end.kernel.clock.now - self._last < self._delay:
            self.pingpong = True

    def went(self, end: End) -> None:
        """A segment with an acknowledgment has gone out (tcp_event_ack_sent)."""
        if self.quick and self.scheduled:
            self.quick -= 1
            if not self.quick:
                self._delay = DELAY
        self.scheduled, self.pushed = False, 0
        self.acknowledged = end.tcb.rcv_nxt
        end.kernel.clock.cancel(self._timer)
        self._timer = None

    def check(self, end: End) -> None:
        """Send what is scheduled, now or later (tcp_ack_snd_check)."""
        if not self.scheduled:
            return
        if self._two_segments(end) or (self.quick and not self.pingpong):
            outgoing.acknowledge(end)
        elif self._timer is None:
            delay = min(max(self._delay, JIFFY), DELAY)
            self._timer = end.kernel.clock.after(delay, lambda: self._late(end))

    def _two_segments(self, end: End) -> bool:
        return distance(end.tcb.rcv_nxt, self.acknowledged) > self._size

    def _late(self, end: End) -> None:
        """The timer fires (tcp_delack_timer_handler)."""
        self._timer = None
        if not self.scheduled:
            return
        if self.pingpong:
            self.pingpong, self._delay = False, DELAY
        else:
            self._delay = min(self._delay * 2, end.rto)
        outgoing.acknowledge(end)

    def read(self, end: End) -> None:
        """The program has read (tcp_cleanup_rbuf)."""
        emptied = not end.inbox and (self.pushed == 2 or (self.pushed == 1 and not self.pingpong))
        if (self.scheduled and (self._two_segments(end) or emptied)) or (not end.receive_shut and end.window_reopens()):
            outgoing.acknowledge(end)

    def stop(self, end: End) -> None:
        """The connection is over."""
        end.kernel.clock.cancel(self._timer)
        self._timer, self.scheduled = None, False
