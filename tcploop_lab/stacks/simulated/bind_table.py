"""Who holds which port, and may another socket have it? Linux's bind buckets (net/ipv4/inet_connection_sock.c)."""

from __future__ import annotations

from typing import Protocol

from ...tcp.states import State
from .addresses import ANY4, ANY6

_ANY = frozenset((ANY4, ANY6))
CONNECT_ONLY = -1  # fastreuse of a bucket that only connect() made


class Owner(Protocol):
    """What stands in a bucket: a socket, or a connection in TIME-WAIT."""

    port: int
    source: str  # the address it is bound to
    reuse_address: bool
    v6_only: bool
    connect_bound: bool  # connect() chose the port

    @property
    def listening(self) -> bool:
        """True in LISTEN."""

    @property
    def state(self) -> State:
        """CLOSED for a socket that is only bound."""

    def written(self, address: str, port: int) -> str:
        """Return a name as the socket table writes it."""


class Bucket:
    """The owners of one port.

    `fast` is the kernel's fastreuse: 1 if all of them have SO_REUSEADDR and none listens. `held`: one of them called
    bind(), so that connect() does not choose the port (fastreuseport, which any bind() without SO_REUSEPORT sets to 0).
    """

    def __init__(self) -> None:
        self.owners: list[Owner] = []
        self.fast = CONNECT_ONLY
        self.held = False


class BindTable:
    """All buckets of one network. `releases` is Linux 6.18's rule (d57f4b874946): see `remove`."""

    def __init__(self, releases: bool) -> None:
        self.buckets: dict[int, Bucket] = {}
        self._releases = releases

    def add_connected(self, owner: Owner) -> None:
        """connect() chose the port, or a listener's child inherits it (inet_hash_connect, __inet_inherit_port)."""
        self.buckets.setdefault(owner.port, Bucket()).owners.append(owner)

    def add_bound(self, owner: Owner) -> None:
        """bind() took the port (inet_csk_update_fastreuse)."""
        bucket = self.buckets.setdefault(owner.port, Bucket())
        if not bucket.owners:
            bucket.fast = int(owner.reuse_address)
        elif not owner.reuse_address:
            bucket.fast = 0
        bucket.held = True
        bucket.owners.append(owner)

    def remove(self, owner: Owner) -> None:
        """Give the port back (inet_put_port).

        Since 6.18 connect() may choose the port again once the last socket that called bind() has left.
        """
        bucket = self.buckets.get(owner.port)
        if bucket is None or owner not in bucket.owners:
            return
        bucket.owners.remove(owner)
        if not bucket.owners:
            del self.buckets[owner.port]
        elif self._releases and all(other.connect_bound for other in bucket.owners):
            bucket.fast, bucket.held = CONNECT_ONLY, False

    def replace(self, old: Owner, new: Owner) -> None:
        """Let `new` stand where `old` stood."""
        owners = self.buckets[old.port].owners
        owners[owners.index(old)] = new

    def only_bound(self, port: int) -> tuple[str, ...]:
        """Return the names of the sockets that hold the port and have no other state (TCP_BOUND_INACTIVE)."""
        owners = self.buckets[port].owners if port in self.buckets else ()
        return tuple(owner.written(owner.source, port) for owner in owners if owner.state is State.CLOSED)

    def all_bound(self) -> tuple[str, ...]:
        """Return the names of all sockets that hold a port and have no other state."""
        return tuple(name for port in self.buckets for name in self.only_bound(port))

    def chosen_by_connect(self, port: int) -> bool:
        """True if the kernel may choose the port for a connect(): nobody holds it by bind()."""
        bucket = self.buckets.get(port)
        return bucket is None or not bucket.held

    def may_bind(self, owner: Owner, port: int) -> bool:
        """True if bind() to this port succeeds (inet_csk_get_port)."""
        bucket = self.buckets.get(port)
        if bucket is None or (bucket.fast > 0 and owner.reuse_address):
            return True
        return not any(_conflict(owner, other, relax=True) for other in bucket.owners)

    def may_listen(self, owner: Owner) -> bool:
        """True if a bound socket may go on to LISTEN: no other listens there (inet_csk_listen_start)."""
        return not any(_conflict(owner, other, relax=True) for other in self.buckets[owner.port].owners)

    def is_open(self, owner: Owner, port: int) -> bool:
        """True if bind() to port 0 may choose the port: SO_REUSEADDR does not help (inet_csk_find_open_port)."""
        bucket = self.buckets.get(port)
        return bucket is None or not any(_conflict(owner, other, relax=False) for other in bucket.owners)


def _conflict(one: Owner, other: Owner, relax: bool) -> bool:
    """inet_bind_conflict(), with inet_rcv_saddr_equal() before it."""
    if one is other or not _overlap(one, other):
        return False
    return not (relax and one.reuse_address and other.reuse_address and not other.listening)


def _overlap(one: Owner, other: Owner) -> bool:
    """True if some address belongs to both (inet_rcv_saddr_equal; `one` calls bind(), `other` is there).

    A socket of IPv6 on all addresses takes IPv4 too, unless told not to. To one of IPv4 on all addresses every socket
    of IPv6 that may speak IPv4 is in the way, whichever address it has.
    """
    if one.source == other.source:
        return True
    if (":" in one.source) == (":" in other.source):
        return one.source in _ANY or other.source in _ANY
    if ":" in one.source:
        return one.source == ANY6 and not one.v6_only
    return not other.v6_only and (one.source == ANY4 or other.source == ANY6)
