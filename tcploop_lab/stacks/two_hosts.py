"""Two hosts for a crossing: two network namespaces, each with a veth pair as its only way to the other.

It runs in the worker. What a host sends goes in at the near end of its pair and comes out at the far end, where nobody
is at home but a packet socket: in a third namespace, which is the cable. Sockets stay in the namespace in which they
were made, so the lab's process may own both ends of the cable. No device file is needed, and no right on the host.

The state of a host's socket is what TCP_INFO (tcp(7)) says of it. A connection in TIME-WAIT, or one that a listener is
about to accept, is an object of its own inside the kernel: it is in the table of sockets only (/proc/net/tcp, proc(5)).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

from ..tcp.states import State
from . import interfaces, libc, proc_net
from .constants import PACKET_STATISTICS, SOL_PACKET
from .proc_net import STATES
from .stack import ADDRESSES, PATIENCE, PORTS
from .wire import OpenFile

_CLONE_NEWNET = 0x40000000
_ETH_P_IP = 0x0800
_LARGEST = 65535  # bytes of a datagram
_NEAR = "cable"  # what the host calls its end
# What TCP_INFO says, and what the table may say instead.
_ELSEWHERE = {State.CLOSED: State.TIME_WAIT, State.LISTEN: State.SYN_RECEIVED}
_LARGEST_TABLE = 1 << 16  # bytes; the namespace of one host has a handful of sockets


class LiveCable:
    """The far end of a host's pair. It knows IPv4 only: what IPv6 or ARP has to say does not come out."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._dropped = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)  # 0: nothing arrives before bind()
        self._socket.setblocking(False)
        self._socket.bind((host, _ETH_P_IP))

    def fileno(self) -> int:
        """The descriptor, for select()."""
        return self._socket.fileno()

    def read(self) -> bytes | None:
        """Return the next IP datagram that the host sent, None if there is none now."""
        with contextlib.suppress(BlockingIOError):
            return self._socket.recv(_LARGEST)
        return None

    def write(self, datagram: bytes) -> None:
        """Hand the host an IP datagram."""
        self._socket.sendto(datagram, (self._host, _ETH_P_IP, 0, 0, interfaces.HARDWARE))

    @property
    def dropped(self) -> int:
        """How many datagrams found no room while nobody read."""
        if self.fileno() >= 0:  # reading the kernel's counter sets it to zero (packet(7))
            statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
            self._dropped += struct.unpack("II", statistics)[1]
        return self._dropped

    def close(self) -> None:
        """Cut the cable; how much it dropped can be asked after that, too."""
        _ = self.dropped
        self._socket.close()


class LiveHost:
    """One host: its end of the cable, its socket, and the open table of its sockets."""

    def __init__(self, cable: LiveCable, sock: socket.socket, table: OpenFile) -> None:
        self.cable, self.socket, self._table = cable, sock, table

    def state(self) -> State:
        """Return the state of the host's connection, as its kernel tells it."""
        return _state_of(self.socket, self._table)

    def close(self) -> None:
        """Close all that keeps the host's namespace alive."""
        for end in (self.socket, self.cable, self._table):
            end.close()


def make_two_hosts() -> tuple[LiveHost, LiveHost]:
    """Return the hosts A and B; the socket of each is bound to its host's address and port.

    A link that was switched on just now may lose what is sent first, until the kernel has noticed (in a work queue).
    Raises OSError where that is refused; its `filename` says what: `namespace`, `netlink`, `veth` or `packet`.
    """
    with _new_network() as cable:
        return _make_host("A", cable), _make_host("B", cable)


def _make_host(name: str, cable: int) -> LiveHost:
    with _new_network():
        with _refusal("netlink"):
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
        with _refusal("veth"):
            interfaces.make_pair(_NEAR, name, cable)
        interfaces.complete_checksums(_NEAR)
        interfaces.set_address(_NEAR, socket.inet_aton(ADDRESSES[name]))
        sock, table = _bound_socket(name), _open_table()
    interfaces.switch_on(name)
    with _refusal("packet"):
        return LiveHost(LiveCable(name), sock, table)


@contextlib.contextmanager
def _new_network() -> Iterator[int]:
    """Move this thread into a new network namespace, whose open file it gives, and back again after."""
    home = _this_network()
    try:
        with _refusal("namespace"):
            libc.call("unshare", _CLONE_NEWNET)
        here = _this_network()
        try:
            yield here
        finally:
            os.close(here)
            libc.call("setns", home, _CLONE_NEWNET)
    finally:
        os.close(home)


def _bound_socket(name: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, PATIENCE)
    sock.bind((ADDRESSES[name], PORTS[name]))
    return sock


@contextlib.contextmanager
def _refusal(what: str) -> Iterator[None]:
    """Say in an OSError of this block what was refused."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, what) from None


def _this_network() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _open_table() -> OpenFile:
    """Return the open socket table of the network namespace that the calling thread is in.

    It goes on showing that namespace, whichever process reads it.
    """
    return OpenFile(os.open("/proc/thread-self/net/tcp", os.O_RDONLY), "r")


def _state_of(sock: socket.socket, table: OpenFile) -> State:
    """Return the state of the connection of `sock`, which is the only one of its port in `table`."""
    state = STATES[sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]]
    instead = _ELSEWHERE.get(state)
    if instead is None:
        return state
    lines, port = os.pread(table.fileno(), _LARGEST_TABLE, 0).decode("ascii").splitlines()[1:], sock.getsockname()[1]
    return instead if any(row.port == port and row.state == instead for row in proc_net.rows(lines)) else state
