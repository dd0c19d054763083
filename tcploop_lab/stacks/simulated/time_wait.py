"""A connection after its socket: TIME-WAIT, or FIN-WAIT-2 of a closed socket (net/ipv4/tcp_minisocks.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...tcp.endpoint import Endpoint
from ...tcp.input import arrive
from ...tcp.segments import Segment
from ...tcp.states import Reply, State
from ...tcp.tcb import distance
from .addresses import written
from .outgoing import plain_options

if TYPE_CHECKING:
    from .end import End

SECONDS = 60.0  # TCP_TIMEWAIT_LEN, and tcp_fin_timeout for FIN-WAIT-2
REUSE_DELAY = 1.0  # seconds in TIME-WAIT before it may be recycled: tcp_tw_reuse_delay, a fixed second before 6.14


class TimeWait:
    """What is left of a connection, and holds its name."""

    listening = False

    def __init__(self, end: End) -> None:
        self.kernel, self.key, self.tcb = end.kernel, end.key, end.tcb
        self.port, self.source, self.family = end.port, end.source, end.family
        self.reuse_address, self.v6_only, self.connect_bound = end.reuse_address, end.v6_only, end.connect_bound
        self.time_offset, self.time_recent = end.time_offset, end.time_recent
        self.window = end.window_field
        self.since = self.kernel.clock.now
        self._timer = self.kernel.clock.after(SECONDS, self.end)

    @property
    def state(self) -> State:
        """TIME-WAIT, or FIN-WAIT-2."""
        return self.tcb.state

    def written(self, address: str, port: int) -> str:
        """Return a name as the socket table writes it."""
        return str(Endpoint(written(self.family, address), port))

    def end(self) -> None:
        """It is over: the name is free."""
        self.kernel.clock.cancel(self._timer)
        self.kernel.leave(self, self.key)
        self.kernel.binds.remove(self)

    def recyclable(self, reuse: int) -> bool:
        """True if connect() may take the name over when it chose the port itself (tcp_twsk_unique).

        tcp_tw_reuse 2 allows that for loopback addresses only, and only after a second.
        """
        loopback = any(self.kernel.routes.is_loopback(address) for address in (self.key[0], self.key[2]))
        waited = self.kernel.clock.now - self.since > REUSE_DELAY
        return self.state is State.TIME_WAIT and waited and (reuse == 1 or (reuse == 2 and loopback))

    def reopens(self, segment: Segment) -> bool:
        """True for a SYN that may begin a new connection under this name (RFC 9293 section 3.6.1, MAY-2)."""
        syn = "S" in segment.flags and not set(segment.flags) & set("RA")
        return self.state is State.TIME_WAIT and syn and distance(segment.seq, self.tcb.rcv_nxt) > 0

    def receive(self, segment: Segment) -> None:
        """A segment for this connection (tcp_timewait_state_process)."""
        if self.state is State.FIN_WAIT_2 and self._comes_too_late(segment):
            self.kernel.refuse(segment)
            self.end()
        elif not self._is_syn(segment):
            self._take(segment)

    def _is_syn(self, segment: Segment) -> bool:
        """Nobody listens: a SYN is answered as an old segment is (TCP_TW_ACK), and opens nothing."""
        if "S" in segment.flags and "R" not in segment.flags:
            self._acknowledge()
            return True
        return False

    def _comes_too_late(self, segment: Segment) -> bool:
        """True for data: the socket is closed, and nobody will read it."""
        end = segment.seq + segment.length
        if "R" in segment.flags or distance(end, self.tcb.rcv_nxt) <= 0:
            return False
        return "F" not in segment.flags or distance(end, self.tcb.rcv_nxt) != 1

    def _take(self, segment: Segment) -> None:
        before = self.state
        arrive(self.tcb, segment)
        if self.state is State.CLOSED:
            self.end()
            return
        if self.state is not before:
            self.since = self.kernel.clock.now
        if self.tcb.owed is not None and self.tcb.owed.reply is Reply.ACK:
            self._acknowledge()
        if self.state is State.TIME_WAIT:
            self.kernel.clock.cancel(self._timer)
            self._timer = self.kernel.clock.after(SECONDS, self.end)

    def _acknowledge(self) -> None:
        self.tcb.owed = None
        ends = self.key[2], self.key[3], self.key[0], self.key[1]
        said = Segment(0.0, *ends, "A", 0, 0)
        options = plain_options(self.kernel, self.time_offset, self.time_recent)
        self.kernel.answer(said, "A", self.tcb.snd_nxt, self.tcb.rcv_nxt, self.window, options)
