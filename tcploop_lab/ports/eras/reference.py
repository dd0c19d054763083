"""Allocators to compare with: the lottery, and the algorithms of RFC 6056."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable

from ..candidates import Candidates, Order
from ..era import FRESH_START, HERE, NO_PORTS, ONE_STEP, Era
from ..ranges import PortRange
from ._shared import Counting, FreshStart

RFC6056_N = 500
RFC6056_TABLE_LENGTH = 10  # RFC 6056 section 3.3.4 suggests it
_RFC = ("https://www.rfc-editor.org/rfc/rfc6056",)


class Lottery(FreshStart):
    """The candidates of today's Linux, without its memory."""

    name = "geometric"
    kernels = "none: the memoryless lottery, for comparison"
    rule = "the candidates of today's Linux, a fresh random start for every port"
    sources = ()
    order = Order.LOW_PARITY
    bind_order = Order.OTHER_PARITY
    has_socket_range = True


class _Model:
    """An algorithm of the literature: any range, bind(0) as connect()."""

    kernels = "a model"
    has_socket_range = True


class Rfc6056Algorithm1(_Model, FreshStart):
    """RFC 6056 section 3.3.1, simple port randomization."""

    name = "rfc6056-1"
    rule = "simple port randomization: a random start for every port, then a scan"
    sources = _RFC


class _Redraw(_Model, Era):
    """Draws again, as often as the range has ports, until a port is free."""

    redraws = True

    def _draw(self, port_range: PortRange) -> int:
        raise NotImplementedError

    def _pick(self, circle: Candidates, destination: Hashable, taken: Container[int]) -> int:
        """Return the first drawn port that is free; PortsExhausted may come while some port still is."""
        for _ in range(circle.port_range.width):
            port = self._draw(circle.port_range)
            if port not in taken:
                return port
        raise self._exhausted(circle.port_range)

    def bind_port(self, port_range: PortRange, taken: Container[int] = NO_PORTS, reuse_address: bool = False) -> int:
        """Return the port of the next bind(0): the algorithm is one for both."""
        return self.connect_port(port_range, HERE, taken)


class Rfc6056Algorithm2(_Redraw):
    """RFC 6056 section 3.3.2, another simple port randomization."""

    name = "rfc6056-2"
    rule = "another simple port randomization: random ports, until one is free"
    sources = _RFC
    steps = FRESH_START
    probed_as = "rfc6056-1"

    def _draw(self, port_range: PortRange) -> int:
        return self.random.randint(port_range.low, port_range.high)


class Rfc6056Algorithm3(_Model, Counting):
    """RFC 6056 section 3.3.3, simple hash-based port selection: one counter, a hash per destination."""

    name = "rfc6056-3"
    rule = "simple hash-based port selection: a hash per destination + one counter, one port after another"
    sources = _RFC
    bind_steps = ONE_STEP
    probed_as = "hashed-sequence"

    def _place(self, destination: Hashable) -> tuple[int, int]:
        return 0, self._hash(destination, 32)


class Rfc6056Algorithm4(_Model, Counting):
    """RFC 6056 section 3.3.4, double-hash port selection: a second hash picks one of 10 counters."""

    name = "rfc6056-4"
    rule = "double-hash port selection: as the third, with one of 10 counters that a second hash picks"
    sources = _RFC
    bind_steps = ONE_STEP
    probed_as = "hashed-sequence"
    counters = RFC6056_TABLE_LENGTH

    def _place(self, destination: Hashable) -> tuple[int, int]:
        return self._hash(("table", destination), 32) % RFC6056_TABLE_LENGTH, self._hash(destination, 32)


class Rfc6056Algorithm5(_Redraw):
    """RFC 6056 section 3.3.5, random increments: 1 to N = 500 ports on, one counter for all destinations.

    The counter has no limit here; a 16-bit one breaks the sequence at 65536.
    """

    name = "rfc6056-5"
    rule = "random increments: 1 to 500 ports on, one counter for the whole host"
    sources = _RFC
    steps = bind_steps = (1 / RFC6056_N,) * RFC6056_N

    def __init__(self, seed: int | None = None, clock: Callable[[], float] | None = None) -> None:
        super().__init__(seed, clock)
        self._next = self.random.randrange(2**16)

    def _draw(self, port_range: PortRange) -> int:
        self._next += self.random.randint(1, RFC6056_N)
        return port_range.low + self._next % port_range.width
