"""A stack: what the lab can do to a kernel, in one small interface.

All that makes tries is a plain function whose first argument is a stack. Two kinds of stack implement it: `linux` by
the real calls, made in a worker process, and `simulated` by a kernel in pure Python. Nothing above asks which it has.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..ports.ranges import PortRange
from ..tcp.states import State

if TYPE_CHECKING:
    from concurrent.futures import Future

ADDRESSES = {"A": "192.0.2.1", "B": "192.0.2.2"}  # of two hosts: TEST-NET-1, RFC 5737, nobody's
PORTS = {"A": 40001, "B": 40002}
CLOSED = "this testbed is closed: open another one with open_testbed()"


@dataclass(frozen=True)
class Frame:
    """One frame as a packet socket sees it: when (seconds since the epoch), which way, its bytes from Ethernet on."""

    time: float
    outgoing: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class SocketRow:
    """One line of the kernel's table: local name, peer's name ("" for a listener), state (RFC 9293).

    `inode` is the number by which processes hold it (/proc/PID/fd, proc(5)); 0 where there is none, or it is not told.
    `interface` is the number of the one that it is bound to, as with a link-local address; 0 for none. `others` is True
    for another user's.
    """

    local: str
    peer: str
    state: str
    inode: int = field(default=0, compare=False)
    interface: int = field(default=0, compare=False)
    others: bool = field(default=False, compare=False)

    @property
    def port(self) -> int:
        """The local port."""
        return int(self.local.rpartition(":")[2])

    @property
    def to_itself(self) -> bool:
        """True if both ends have one name."""
        return self.local == self.peer


@dataclass(frozen=True)
class Exchanged:
    """What one end of a connection counted, each way.

    `bytes_sent` is None where the kernel does not tell (before Linux 4.19). `silent_s`: for how many seconds it has
    sent no data; since it was connected, where it has sent none (`has_data`).
    """

    bytes_sent: int | None
    bytes_acknowledged: int
    bytes_received: int
    segments_sent: int
    segments_received: int
    retransmitted: int
    silent_s: float
    has_data: bool


class PacketSocket(Protocol):
    """A capture on loopback: each segment is seen twice, as it leaves and as it arrives."""

    def frames(self, most: int = ...) -> tuple[list[Frame], int]:
        """Return the frames that came since, and how many were lost since the last call."""

    def close(self) -> None:
        """End the capture."""

    @property
    def closed(self) -> bool:
        """True after `close`."""


# The two hosts of a crossing.
PATIENCE = 127  # retransmissions of a SYN, the most that TCP_SYNCNT takes: who delivers by hand may think for hours


class Cable(Protocol):
    """The end of a cable that is in the lab's hands: what the host sent comes out, what goes in reaches the host."""

    @property
    def dropped(self) -> int:
        """How many datagrams that the host sent were lost before anybody read them."""

    def read(self) -> bytes | None:
        """Return the next IP datagram that the host sent, None if there is none now."""

    def write(self, datagram: bytes) -> None:
        """Hand the host an IP datagram."""

    def close(self) -> None:
        """Cut the cable."""


class Host(Protocol):
    """One of two hosts with a cable between them. `socket` is a TCP socket of it, bound to its port, not connected.

    A host answers a ping once it has dealt with all that it was handed before (RFC 1122 section 3.2.2.6).
    """

    socket: Any

    @property
    def cable(self) -> Cable:
        """The host's end of the cable."""

    def state(self) -> State:
        """Return the state of the host's connection, as its kernel tells it."""

    def close(self) -> None:
        """End the host."""


class Beside(Protocol):
    """A function that runs beside the caller, with the same stack."""

    def join(self, timeout: float) -> None:
        """Wait until it has ended, at most so many seconds of the stack's clock."""


class Stack(Protocol):
    """What can be done to a kernel. `provenance` is live or simulated, `kernel` names it in every result."""

    provenance: str
    is_shared: bool  # whether other processes can use it
    look_seconds: float  # what looking again takes by its clock: 0 where time passes by itself
    address: str  # one of 127.0.0.0/8 that hardly anybody else dials: who shares addresses and port shares the steps

    @property
    def kernel(self) -> str:
        """The name of the kernel, as results carry it."""

    def socket(self, family: int = ..., kind: int = ...) -> Any:
        """Return a new socket: methods, errors and return values of `socket.socket`."""

    def open_packet_socket(self, port: int | None, both_ends: bool = True) -> PacketSocket:
        """Return a capture of the TCP segments of `port` (None: of all) on lo.

        `both_ends` keeps those from the port to the same port only.
        """

    def socket_table(self) -> tuple[SocketRow, ...]:
        """Return the TCP sockets of this network, also LISTEN and TIME-WAIT; one that is only bound has no row."""

    def bound_only(self, port: int) -> tuple[str, ...] | None:
        """Return the names of the sockets that only called bind() on `port`; None where the kernel does not tell."""

    def all_sockets(self) -> tuple[SocketRow, ...]:
        """Return the socket table, and each socket that is only bound as CLOSED, where the kernel tells."""

    def exchanged(self, row: SocketRow) -> Exchanged | None:
        """Return what a socket of the table has sent and received; None where it is gone, or that is not told."""

    def counters(self) -> dict[str, int]:
        """Return the TCP counters by their names in /proc/net/snmp (RFC 4022)."""

    def port_range(self) -> PortRange:
        """Return the ephemeral port range in force."""

    def set_port_range(self, port_range: PortRange) -> None:
        """Set the ephemeral port range of this network. OSError where that is refused."""

    def reserved(self) -> tuple[PortRange, ...]:
        """Return the reserved ports."""

    def set_reserved(self, ranges: Sequence[PortRange]) -> None:
        """Reserve these ports and no others. OSError where that is refused."""

    def set_step_width(self, width: int) -> None:
        """Set how wide connect()'s random steps are (ip_local_port_step_width). OSError where there is none."""

    def redirect(self, port: int, to: int | None) -> None:
        """Lead who dials TCP `port` to the port `to` (NAT); None ends it. OSError or NotOnThisTestbed where refused."""

    def source_for(self, address: str) -> str | None:
        """Return the address from which a connect() to `address` is sent, None if there is no route."""

    def has_ipv6(self) -> bool:
        """Return whether a socket can be bound to both families at once."""

    def add_address(self, address: str) -> None:
        """Give lo one more address."""

    def time(self) -> float:
        """Return seconds since the epoch, by this stack's clock."""

    def monotonic(self) -> float:
        """Return seconds from some beginning, for deadlines."""

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass, by this stack's clock."""

    def wait_readable(self, sockets: Sequence[Any], timeout: float) -> list[Any]:
        """Return those of the sockets that can be read, as soon as there is one; none after `timeout` seconds."""

    def run_beside(self, function: Callable[..., Any], *args: Any) -> Beside:
        """Let a function run beside the caller: a server that answers while a client waits."""

    def two_hosts(self) -> tuple[Host, Host]:
        """Return two hosts that reach each other through their cables only."""


class StackExecutor(Protocol):
    """Brings functions and a stack together: in a worker process (`executor`), or in place (`in_place`)."""

    @property
    def info(self) -> dict[str, Any]:
        """What is known of where it runs: `pid`, `network`, and `range_set`, whether the range could be set."""

    @property
    def closed(self) -> bool:
        """True once it was shut down."""

    @property
    def elsewhere(self) -> bool:
        """True in a fork of the process that it belongs to: there it raises RuntimeError."""

    @property
    def kind(self) -> str:
        """The kind of testbed that it makes: namespace, host or simulated."""

    @property
    def workers(self) -> int:
        """How many functions it can run at once."""

    @property
    def here(self) -> Stack:
        """The stack of this process: its clock, the waiting for the stack's sockets, what runs beside it."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(*args, **kwargs)`; its reports arrive in `future.reports`."""

    def on_stack(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(stack, *args, **kwargs)`."""

    def stop(self, future: Future[Any]) -> None:
        """Ask a function that runs to return what it has."""

    def sibling(self, workers: int, port_range: PortRange | None) -> StackExecutor:
        """Return one more of its kind, on a stack like its own. OSError where the system refuses another one."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End it."""


class OfOneProcess:
    """A thing that works until it is closed, in the process that made it.

    It does in no fork of that, which has copies of its memory, but none of its threads.
    """

    closed = False

    def __init__(self) -> None:
        self._owner = os.getpid()

    @property
    def elsewhere(self) -> bool:
        """True in a fork of the process that it belongs to."""
        return os.getpid() != self._owner

    def must_be_at_home(self) -> None:
        """Raise RuntimeError in a fork, where every call would wait for a thread that is not there."""
        if self.elsewhere:
            raise RuntimeError(
                f"this testbed belongs to process {self._owner}, and this is a fork of it, process {os.getpid()}: "
                "open another one here with open_testbed()"
            )

    def must_be_usable(self) -> None:
        """Raise RuntimeError in a fork, and once it was closed."""
        self.must_be_at_home()
        if self.closed:
            raise RuntimeError(CLOSED)


def bind_somewhere(sock: Any, host: str) -> None:
    """Bind a free port: one of the range, and where none is left there, one outside. OSError if all are taken."""
    for port in itertools.chain([0], range(1024, 1 << 16)):
        try:
            sock.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
