"""The short way of a refused try: what 100,000 of them a second need.

Nearly every try of a loop ends like the one before it: a new source port, a SYN, a RST. While nothing in the kernel
has changed since (`Kernel.changes`), nothing but the port, the clock and the counters can differ, so only these move.
A try that draws the dialled port itself goes the long way.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from ...ports.era import PortsExhausted
from .addresses import Name, is_any
from .kernel import TRY_SECONDS

if TYPE_CHECKING:
    from .end import End

LONG_WAY = -1
_OWN_CHANGES = 3  # of a refused try: it enters its name, leaves it, and gives its port back


class Refusals:
    """Tries of one socket that are refused, one like the other; those of a new socket like it are, too."""

    def __init__(self, end: End, address: Any, source: str, target: Name) -> None:
        kernel = end.kernel
        self._like, self._kernel, self._clock, self._counters = _choices(end), kernel, kernel.clock, kernel.counters
        self._address, self._port = address, target[1]
        self._changes = kernel.changes
        self._destination = (source, *target)
        self._taken = kernel.taken(source, target)
        self._draw, self._range, self._own_steps = (
            kernel.ports.connect_port,
            kernel.range_of(end),
            kernel.own_steps(end),
        )
        self._seconds = max(TRY_SECONDS, kernel.version.persistence)

    @classmethod
    def after(cls, end: End, address: Any, target: Name, changes: int) -> Refusals | None:
        """Return the short way for tries like the one just refused; None where there is none.

        A try that changed nothing since `changes` but what it put back itself does not end the short ways of others.
        """
        kernel = end.kernel
        if end.port or kernel.version.once or kernel.log.wants_refusals():
            return None
        to = kernel.routes.target(target[0], end.source), target[1]
        source = end.source if not is_any(end.source) else kernel.routes.source(to[0])
        alone = not any(key[:2] == to and key[2] == source for key in kernel.connections if key[1] != key[3])
        if not alone:
            return None
        if kernel.changes == changes + _OWN_CHANGES:
            kernel.changes = changes
        return cls(end, address, source, to)

    def fit(self, end: End) -> bool:
        """True for the first try of a socket that chose what the one before had chosen, and has no port."""
        return not (end.tried or end.port) and _choices(end) == self._like

    def hold(self, address: Any) -> bool:
        """True while they do: the same call, in a kernel where nothing has changed."""
        clock = self._clock
        if clock.now >= clock.due:
            clock.catch_up()
        return self._changes == self._kernel.changes and address == self._address

    def again(self, end: End) -> int:
        """Make one try and return its error; LONG_WAY for one that drew the dialled port, which the end then keeps."""
        end.tried = True
        self._clock.now += self._seconds
        try:
            port = self._draw(self._range, self._destination, self._taken, self._own_steps)
        except PortsExhausted:
            return errno.EADDRNOTAVAIL
        if port == self._port:
            end.drawn_port = port
            return LONG_WAY
        end.shown_port = port
        self._counters.refused += 1
        return errno.ECONNREFUSED


def _choices(end: End) -> tuple[object, ...]:
    """What a socket was told before connect() that could make another answer."""
    return end.family, end.source, end.reuse_address, end.v6_only, end.options
