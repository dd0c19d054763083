"""One end of a connection inside the kernel: what Linux keeps in struct sock, from socket() to the last segment."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from ...tcp.endpoint import Endpoint
from ...tcp.segments import Segment
from ...tcp.states import State
from ...tcp.tcb import Tcb, distance
from . import incoming, keep_alive, outgoing
from .acks import Acknowledging
from .addresses import Name, any_of, is_any, written
from .time_wait import TimeWait

if TYPE_CHECKING:
    from .clock import Timer
    from .kernel import Kernel, Key

RECEIVE_ROOM = 131072  # bytes: what SO_RCVBUF says
OFFERED = 65536  # bytes: the window that Linux offers at first
SEND_ROOM = 2626560  # bytes: what SO_SNDBUF says once a connection over lo is open
_MSS = {True: 65483, False: 1448}  # bytes of data in a segment over lo, and over a cable of 1500 bytes
_SYN_WINDOW = {True: 65495, False: 64240}
_IPV6_MORE = 19  # bytes by which the header of IPv6 makes them smaller on lo


class Phase(Enum):
    """How far a program's socket is, apart from TCP's state (SS_... in include/uapi/linux/net.h)."""

    UNCONNECTED = "unconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"


@dataclass(frozen=True)
class Options:
    """The socket options that matter to an end; ends that were told the same may share them."""

    linger: int | None = None
    lingered: int = 0  # what SO_LINGER said last while it was on
    no_delay: bool = False
    bind_no_port: bool = False
    local_range: tuple[int, int] = (0, 0)
    syn_retries: int = 6
    user_timeout: float = 0.0
    keep_alive: bool = False
    keep_idle: int = 7200
    keep_interval: int = 75
    keep_count: int = 9


_DEFAULT = Options()


class End:
    """A socket as the kernel sees it."""

    def __init__(self, kernel: Kernel, family: int) -> None:
        self.kernel, self.family = kernel, family
        self.descriptors = 1  # open copies of the socket: dup() makes one more
        self.counters = kernel.counters
        self.options: Options = _DEFAULT
        self.phase = Phase.UNCONNECTED
        self.source, self.port, self.shown_port = any_of(family), 0, 0
        self.peer: Name | None = None
        self.reuse_address: bool = False
        self.v6_only: bool = False
        self.receive_timeout: float | None = None  # SO_RCVTIMEO
        self.send_timeout: float | None = None  # SO_SNDTIMEO
        self.connect_bound = False  # connect() chose the port
        self.address_locked = self.port_locked = False
        self.error = 0
        self.orphan = self.done = self.receive_shut = self.send_shut = False
        self.parent: End | None = None
        self.queue: deque[End] = deque()  # of a listener: connections to be accepted
        self.children: list[End] = []  # of a listener: in SYN-RECEIVED
        self.queue_limit = 0
        self.backlog: deque[Segment] = deque()  # came while a call held the socket
        self.listening: bool = False
        self._identification = itertools.count(kernel.random.getrandbits(16))
        self.time_offset = kernel.random.getrandbits(32)
        self.tried = False
        self.drawn_port = 0  # the allocator gave it already, for the connect() that follows
        self._clear()

    def _clear(self) -> None:
        """Begin without a connection."""
        self.tcb = Tcb("the simulated end", challenge=self.kernel.version.challenge)
        self._noted = State.CLOSED
        self.acks = Acknowledging()
        self.inbox, self.early = bytearray(), list[Segment]()
        self.unsent, self.flight = bytearray(), deque[Segment]()
        self.fin_waits = False
        self.small_edge = self.peer_edge = self.most_window = 0
        self.time_recent = 0  # the other end's timestamp, as far as it is known
        self.rto, self.backoff, self.retries, self.fresh_since = outgoing.FIRST_RTO, 0, 0, 0.0
        self.tried_since: float | None = None  # when what is not answered was sent again first (retrans_stamp)
        self.retransmission: Timer | None = None
        self.keeping: Timer | None = None  # of keep-alive
        self.heard, self.questions = self.kernel.clock.now, 0
        self._window_edge = self.syn_window = 0

    # What it is

    @property
    def key(self) -> Key:
        """The connection's name in the kernel's table."""
        return (self.source, self.port, *(self.peer or (any_of(self.family), 0)))

    @property
    def state(self) -> State:
        """The state as Linux shows it: a FIN that waits behind data counts as sent (tcp_close_state)."""
        if self.listening:
            return State.LISTEN
        if self.fin_waits:
            return State.LAST_ACK if self.tcb.state is State.CLOSE_WAIT else State.FIN_WAIT_1
        return self.tcb.state

    @property
    def opening(self) -> bool:
        """True in SYN-SENT and SYN-RECEIVED."""
        return self.tcb.state in (State.SYN_SENT, State.SYN_RECEIVED)

    @property
    def _on_loopback(self) -> bool:
        return self.peer is None or self.kernel.routes.is_own(self.peer[0])

    @property
    def mss(self) -> int:
        """Bytes of data in a segment, at most half of the largest window that was offered (tcp_bound_to_half_wnd)."""
        return min(self.full_mss, max(_MSS[False], self.most_window // 2))

    @property
    def full_mss(self) -> int:
        """Bytes of data that fit into a segment."""
        return _MSS[self._on_loopback] - (_IPV6_MORE if ":" in self.source else 0)

    @property
    def window_field(self) -> int:
        """The window field of another segment: what is free, in units of 1 << SCALE."""
        free = min(OFFERED, max(0, RECEIVE_ROOM - len(self.inbox)))
        free = -(-free >> outgoing.SCALE) << outgoing.SCALE  # rounded up: __tcp_select_window()
        edge = self.tcb.rcv_nxt + free
        if distance(edge, self._window_edge) > 0 or self._window_edge == 0:
            self._window_edge = edge
        return max(0, distance(self._window_edge, self.tcb.rcv_nxt)) >> outgoing.SCALE

    def window_reopens(self) -> bool:
        """True if twice as much as offered could be offered now (tcp_cleanup_rbuf)."""
        offered = max(0, distance(self._window_edge, self.tcb.rcv_nxt))
        free = min(OFFERED, RECEIVE_ROOM - len(self.inbox))
        return 2 * offered <= OFFERED and free >= max(2 * offered, 1 << outgoing.SCALE)

    def written(self, address: str, port: int) -> str:
        """Return a name as the socket table writes it."""
        return str(Endpoint(written(self.family, address), port))

    def new_sequence(self) -> int:
        """Return an initial sequence number."""
        return self.kernel.random.getrandbits(32)

    def next_identification(self, segment: Segment) -> int:
        """Return the datagram's number: Linux counts for each socket; a listener's SYN-ACK has none."""
        return 0 if self.parent is not None and "S" in segment.flags else next(self._identification) % 2**16

    def take_error(self) -> int:
        """Return the error that waits for the program, which then has it no more (sock_error)."""
        error, self.error = self.error, 0
        return error

    # What happens to it

    def receive(self, segment: Segment) -> None:
        """A segment arrives."""
        incoming.receive(self, segment)

    def wait_outside(self, segment: Segment) -> None:
        """A segment comes while a call holds the socket; it joins the one before where it can (tcp_add_to_backlog)."""
        if self.backlog and (joined := _joined(self.backlog[-1], segment)) is not None:
            self.backlog[-1] = joined
        else:
            self.backlog.append(segment)

    def note_state(self) -> None:
        """Tell the counters of a new state."""
        state = self.state
        if state is not self._noted:
            self.counters.moved(self._noted, state)
            self._noted = state

    def begin(self, peer: Name) -> None:
        """Enter a new connection, before its first segment."""
        receive_shut, send_shut = self.receive_shut, self.send_shut
        self._clear()
        self.done, self.receive_shut, self.send_shut = False, receive_shut, send_shut
        self.peer = peer
        self.kernel.enter(self, self.key)
        self._offer_first(plain=not self.time_recent)

    def _offer_first(self, plain: bool) -> None:
        """Set the window field of the SYN; known timestamps make it a little smaller (tcp_select_initial_window)."""
        full = _SYN_WINDOW[self._on_loopback] - (_IPV6_MORE if ":" in self.source else 0)
        self.syn_window = full if plain else full - outgoing.TIMESTAMP_BYTES

    def make_child(self, segment: Segment) -> End:
        """Return the end that answers a call to this listener; it inherits options and port."""
        child = End(self.kernel, self.family)
        child.parent, child.options = self, self.options
        child.reuse_address, child.v6_only = self.reuse_address, self.v6_only
        child.receive_timeout, child.send_timeout = self.receive_timeout, self.send_timeout
        child.receive_shut, child.send_shut = self.receive_shut, self.send_shut
        child.source, child.port, child.peer = segment.dst, segment.dport, (segment.src, segment.sport)
        child.shown_port = child.port
        child.tcb.state = child._noted = State.LISTEN
        child._offer_first(plain=False)
        return child

    def opened(self) -> None:
        """The handshake is over. A listener's child now counts, and waits to be accepted."""
        if self.parent is None:
            return
        self.counters["PassiveOpens"] += 1
        keep_alive.start(self)
        if self.send_shut:  # the listener was shut down for sending
            self.close_sending()
        self.kernel.binds.add_connected(self)
        self.parent.children.remove(self)
        self.parent.queue.append(self)

    def fail(self, number: int) -> None:
        """The connection ends with an error for the program (tcp_done after sk_err)."""
        if self.parent is not None and self in self.parent.children:  # a timeout before the handshake was over
            self.vanish()
            return
        self.finish(number)

    def finish(self, number: int) -> None:
        """The connection is over (tcp_done)."""
        self.error = number or self.error
        if self.opening:
            self.counters["AttemptFails"] += 1
        self.vanish()
        self.receive_shut = self.send_shut = True

    def vanish(self) -> None:
        """Leave all tables (tcp_set_state to TCP_CLOSE). What has come can still be read."""
        outgoing.stop_timer(self)
        self.kernel.clock.cancel(self.keeping)
        self.acks.stop(self)
        if self.peer is not None:
            self.kernel.leave(self, self.key)
        if self.parent is not None and self in self.parent.children:
            self.parent.children.remove(self)
        self.unsent.clear()
        self.flight.clear()
        self.fin_waits = False
        self.tcb.state = State.CLOSED
        self.note_state()
        if not self.port_locked or self.orphan:
            self.put_port()

    def become_time_wait(self) -> None:
        """Leave TIME-WAIT (or a closed socket's FIN-WAIT-2) to an object of its own (tcp_time_wait)."""
        rest = TimeWait(self)
        kept = self.port_locked and not self.orphan
        self.kernel.connections[rest.key] = rest
        self.kernel.changes += 1
        if kept:
            self.kernel.binds.add_connected(rest)
        else:
            self.kernel.binds.replace(self, rest)
        self.tcb = Tcb("the simulated end", challenge=self.kernel.version.challenge, state=rest.state)
        self.finish_quietly()

    def close_sending(self) -> None:
        """Send a FIN, after what waits to be sent (tcp_send_fin)."""
        self.fin_waits = True
        self.note_state()
        outgoing.push(self)

    def finish_quietly(self) -> None:
        """What is left of the connection lives on without this socket."""
        self.vanish()
        self.receive_shut = self.send_shut = True

    def put_port(self) -> None:
        """Give the port back (inet_put_port). `getsockname()` goes on showing it."""
        if self.port:
            self.kernel.binds.remove(self)
            self.kernel.changes += 1
            self.port = 0
            self.connect_bound = False

    def reset_address(self) -> None:
        """Forget the address that connect() chose."""
        if not self.address_locked and not is_any(self.source):
            self.source = any_of(self.family)


def _joined(one: Segment, other: Segment) -> Segment | None:
    """Two segments as one, if the second goes on where the first ends."""
    flags = one.flags + other.flags
    if (
        other.seq != (one.seq + one.length) % 2**32
        or set(flags) & set("SR")
        or flags.count("A") < 2
        or "F" in one.flags
    ):
        return None
    if one.options != other.options or not other.payload:
        return None
    both = "".join(letter for letter in "FPA" if letter in flags)
    return replace(one, flags=both, ack=other.ack, window=other.window, payload=one.payload + other.payload)
