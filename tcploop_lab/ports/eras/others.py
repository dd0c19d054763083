"""The port allocators of other systems: macOS, FreeBSD, Windows."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable

from ..candidates import Candidates, Order
from ..era import FRESH_START, ONE_STEP, Era
from ..ranges import PortRange
from ._shared import Counting, FreshStart

_DYNAMIC = PortRange(49152, 65535)  # RFC 6335 section 6


class MacOS(Counting):
    """macOS: one counter for all, ipi_lastport. An IPv4 socket is refused its own address and port."""

    name = "macos"
    kernels = "macOS, range 49152-65535"
    rule = "one counter for the whole host, one port after another, for bind(0) and connect() alike"
    sources = (
        "https://github.com/apple-oss-distributions/xnu/blob/0f4c859e951fba394238ab619495c4e1d54d0f34/bsd/netinet/tcp_usrreq.c",
        "https://github.com/irods/irods/issues/2948",
    )
    default_range = _DYNAMIC
    bind_steps = ONE_STEP
    connects_once = "EINVAL"
    never = "connect() fails with EINVAL on macOS (IPv4) where source and destination are the same address and port"
    probed_as = "hashed-sequence"


class FreeBSD(FreshStart):
    """FreeBSD 14 on: first + random % (last - first), plus 1. The lowest port is given only past taken ones."""

    name = "freebsd"
    kernels = "FreeBSD 14 and later, range 10000-65535"
    rule = "a random start for every port, first + arc4random() % (last - first), plus 1"
    sources = (
        "https://github.com/freebsd/freebsd-src/blob/main/sys/netinet/in_pcb.c",
        "https://github.com/freebsd/freebsd-src/blob/main/sys/netinet/tcp_usrreq.c",
    )
    default_range = PortRange(10000, 65535)
    connects_once = "ECONNREFUSED"
    order = bind_order = Order.AFTER_LOW
    probed_as = "rfc6056-1"


class FreeBSD13(Era):
    """FreeBSD up to 13: as later, but more than 10 ports in a second switch the random start off for 45 s.

    Once a second ipport_tick() looks how many ports were given since. The law of the tries (`steps`) is that of a
    tight loop, which walks by one port after its first second.
    """

    name = "freebsd-13"
    kernels = "FreeBSD 13 and before, range 10000-65535"
    rule = "a random start for every port; but more than 10 in a second, and it is one port after another for 45 s"
    sources = (
        "https://github.com/freebsd/freebsd-src/blob/releng/13.0/sys/netinet/in_pcb.c",
        "https://github.com/freebsd/freebsd-src/blob/releng/13.0/sys/netinet/tcp_usrreq.c",
    )
    default_range = PortRange(10000, 65535)
    connects_once = "ECONNREFUSED"
    bind_steps = ONE_STEP
    probed_as = "hashed-sequence"

    def __init__(self, seed: int | None = None, clock: Callable[[], float] | None = None) -> None:
        super().__init__(seed, clock)
        self._last = self.random.getrandbits(16)
        self._given = self._given_before = 0
        self._ticks = int(clock()) if clock else 0
        self._sequential = 0 if clock else 1  # seconds left; without a clock the loop is a tight one

    def _pick(self, circle: Candidates, destination: Hashable, taken: Container[int]) -> int:
        """Return the first free port from a random place on, or past the last one given."""
        self._tick()
        self._given += 1
        low, width = circle.port_range.low, circle.port_range.width
        if not self._sequential and width > 1:
            self._last = low + self.random.randrange(width - 1)
        self._last, _ = self._choose(circle, (self._last + 1 - low) % width, taken)
        return self._last

    def _tick(self) -> None:
        """ipport_tick(), once for every second that has passed."""
        now = int(self._clock()) if self._clock else 0
        for _ in range(min(now - self._ticks, 60)):
            many = self._given > self._given_before + 10  # ipport_randomcps
            self._sequential = 45 if many else max(0, self._sequential - 1)  # ipport_randomtime
            self._given_before = self._given
        self._ticks = now


class Windows(FreshStart):
    """Windows Vista on. Which port comes next is not published; a random start for each stands in for it."""

    name = "windows"
    kernels = "Windows, range 49152-65535"
    rule = "not published: the lab takes a random start for every port; a refused connect() takes about 2 seconds"
    sources = ("http://support.microsoft.com/kb/929851/", "https://github.com/nats-io/nats.net.v1/issues/847")
    default_range = _DYNAMIC
    bind_steps = FRESH_START
    guessed = True
