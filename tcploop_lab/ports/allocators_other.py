"""Port allocators outside Linux: macOS, FreeBSD, those of RFC 6056, and a lottery to compare with."""

from __future__ import annotations

from collections.abc import Collection, Hashable

from .allocators_base import Allocator
from .eras import RFC6056_N
from .ranges import PortRange

RFC6056_TABLE_LENGTH = 10  # RFC 6056 section 3.3.4 suggests it


class _Counter(Allocator):
    """One port after another: a counter, plus what a hash of the destination adds."""

    def __init__(self, port_range: PortRange, seed: int | None = None) -> None:
        super().__init__(port_range, seed)
        self._next = [self.random.randrange(2**16) for _ in range(self._counters())]

    def _counters(self) -> int:
        return 1

    def _place(self, destination: Hashable) -> tuple[int, int]:
        """Return which counter serves the destination, and what is added to it."""
        return 0, 0

    def _pick(self, destination: Hashable, taken: Collection[int]) -> int:
        """Return the first free port from the counter on."""
        index, added = self._place(destination)
        position = (self._next[index] + added) % self.port_range.width
        port, displacement = self._choose(position, taken)
        self._next[index] += displacement + 1
        return port


class MacOS(_Counter):
    """macOS: ipi_lastport, one counter for all (XNU, bsd/netinet/in_pcb.c, in_pcbbind)."""

    era = "macos"


class Rfc6056Algorithm3(_Counter):
    """RFC 6056 section 3.3.3, simple hash-based port selection: one counter, a hash per destination."""

    era = "rfc6056-3"

    def _place(self, destination: Hashable) -> tuple[int, int]:
        return 0, self._hash(destination, 32)


class Rfc6056Algorithm4(_Counter):
    """RFC 6056 section 3.3.4, double-hash port selection: a second hash picks one of 10 counters."""

    era = "rfc6056-4"

    def _counters(self) -> int:
        return RFC6056_TABLE_LENGTH

    def _place(self, destination: Hashable) -> tuple[int, int]:
        return self._hash(("table", destination), 32) % RFC6056_TABLE_LENGTH, self._hash(destination, 32)


class _FreshStart(Allocator):
    """A random start for every port, then a scan."""

    def _pick(self, destination: Hashable, taken: Collection[int]) -> int:
        """Return the first free port from a random place on."""
        return self._choose(self.random.randrange(self.candidates.size), taken)[0]


class FreeBSD(_FreshStart):
    """FreeBSD: first + random % (last - first), plus 1 (sys/netinet/in_pcb.c, in_pcb_lport_dest).

    The lowest port is therefore given only past taken ones.
    """

    era = "freebsd"


class Lottery(_FreshStart):
    """The candidates of today's Linux, without its memory."""

    era = "geometric"


class Rfc6056Algorithm1(_FreshStart):
    """RFC 6056 section 3.3.1, simple port randomization."""

    era = "rfc6056-1"


class _Redraw(Allocator):
    """Draws again, as often as the range has ports, until a port is free."""

    def _draw(self) -> int:
        raise NotImplementedError

    def _pick(self, destination: Hashable, taken: Collection[int]) -> int:
        """Return the first drawn port that is free; PortsExhausted may come while some port still is."""
        for _ in range(self.port_range.width):
            port = self._draw()
            if port not in taken:
                return port
        raise self._exhausted()


class Rfc6056Algorithm2(_Redraw):
    """RFC 6056 section 3.3.2, another simple port randomization."""

    era = "rfc6056-2"

    def _draw(self) -> int:
        return self.random.randint(self.port_range.low, self.port_range.high)


class Rfc6056Algorithm5(_Redraw):
    """RFC 6056 section 3.3.5, random increments: 1 to N = 500 ports on, one counter for all destinations.

    The counter has no limit here; a 16-bit one breaks the sequence at 65536.
    """

    era = "rfc6056-5"

    def __init__(self, port_range: PortRange, seed: int | None = None) -> None:
        super().__init__(port_range, seed)
        self._next = self.random.randrange(2**16)

    def _draw(self) -> int:
        self._next += self.random.randint(1, RFC6056_N)
        return self.port_range.low + self._next % self.port_range.width
