"""A port for a server, such as that of a test: one that no client is given by the kernel, so that none can loop on it.

`bind(0)`, closed and handed over by its number, is a port of the ephemeral range: until the server binds it, anybody's
bind(0) or connect() may get it, and a client that already dials it may meet itself (docs/ports.md has the numbers).
"""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import NotOnThisTestbed
from ..ports.ranges import HIGHEST_PORT, PortRange
from ..results.description import Description, Item, plainly
from ..results.shown import Shown
from ..stacks.linux import linux_stack
from ..stacks.stack import Stack
from .hosts import Target, resolve_own

_FIRST = 1024  # below it are the ports of a system's services
_NOBODYS = PortRange(49152, HIGHEST_PORT)  # RFC 6335 section 6: never assigned to a service
_ENOUGH = 1000  # of those, so that two who choose at once hardly choose the same
_ANY_SYSTEMS = PortRange(10000, HIGHEST_PORT)  # where the range is not told: FreeBSD's default, which holds the others'
_SOME = 20


@dataclass(frozen=True, repr=False)
class SafePort(Shown):
    """A port outside the ephemeral range, free when it was chosen. It is a number wherever one is asked for.

    `socket` holds it, where that was asked for, until `release` or the end of a `with` block; None otherwise. A server
    may listen on that very socket, or bind the port beside it with SO_REUSEADDR.
    """

    port: int
    host: str
    port_range: PortRange
    why: str
    socket: Any = field(default=None, compare=False)

    def __index__(self) -> int:
        return self.port

    __int__ = __index__

    def __enter__(self) -> SafePort:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def held(self) -> bool:
        """True as long as it is held."""
        return self.socket is not None and self.socket.fileno() >= 0

    def release(self) -> None:
        """Let go of the port, if it is held."""
        if self.socket is not None:
            self.socket.close()

    @property
    def summary(self) -> str:
        """One sentence: which port, and why it is safe."""
        return f"port {self.port}: {self.why}{', and held' if self.held else ''}"

    def describe(self) -> Description:
        """Return the port, and why it is safe."""
        items = (*plainly(self, "port", "host", "held", "why"), Item("range", self.port_range))
        return Description(self.summary, items=items)


def safe_port(host: str = "127.0.0.1", hold: bool = False) -> SafePort:
    """Return a free port of this machine that the kernel gives to nobody by itself: outside the range, not reserved.

        port = lab.safe_port()                        # a number, as in serve(port)
        with lab.safe_port(hold=True) as held:        # nobody else gets it meanwhile
            held.socket.listen()

    Raises ValueError for a host that is not this machine's. NotOnThisTestbed where the range leaves no port outside; to
    be held, a port of the range is as good.
    """
    target = resolve_own(host)
    return chosen(linux_stack(), target, hold)


def chosen(stack: Stack, target: Target, hold: bool) -> SafePort:
    """Return a safe port of a stack, as `safe_port` describes it."""
    port_range, told = _ANY_SYSTEMS, False
    with contextlib.suppress(FileNotFoundError):
        port_range, told = stack.port_range(), True
    for port in _outside(port_range, stack.reserved()):
        if (sock := _taken(stack, target, port)) is not None:
            known = "" if told else ", which is not told here but lies in that"
            return _given(sock, port, target, port_range, f"outside the ephemeral range {port_range}{known}", hold)
    if not hold:
        raise NotOnThisTestbed(
            f"the ephemeral range {port_range} leaves no free port outside: hold one of it (hold=True, "
            "tcploop port --hold), or reserve one: sudo sysctl -w net.ipv4.ip_local_reserved_ports=PORT"
        )
    sock = stack.socket(target.family)
    sock.bind((target.address, 0))
    why = f"in the ephemeral range {port_range}, which leaves none outside, but safe while it is held"
    return _given(sock, sock.getsockname()[1], target, port_range, why, hold)


def _given(sock: Any, port: int, target: Target, port_range: PortRange, why: str, hold: bool) -> SafePort:
    if not hold:
        sock.close()
        return SafePort(port, target.address, port_range, why)
    # Only now: who binds like this from the beginning shares the port with whoever else does.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return SafePort(port, target.address, port_range, why, sock)


def _outside(port_range: PortRange, reserved: tuple[PortRange, ...]) -> Iterator[int]:
    """Yield the ports outside in a random order; first those that are assigned to nobody, if there are enough."""
    below, above = range(_FIRST, port_range.low), range(max(_FIRST, port_range.high + 1), HIGHEST_PORT + 1)
    nobodys = range(max(above.start, _NOBODYS.low), above.stop)
    pools = (nobodys, below, above) if len(nobodys) >= _ENOUGH else (below, above)
    for pool in pools:
        yield from (port for port in _shuffled(pool) if not any(port in item for item in reserved))


def _shuffled(pool: range) -> Iterator[int]:
    """Yield some of the pool at random, which is nearly always enough, and then all of it."""
    yield from (random.choice(pool) for _ in range(_SOME if pool else 0))
    yield from random.sample(pool, len(pool))


def _taken(stack: Stack, target: Target, port: int) -> Any:
    """Return a socket that is bound to the port, None where somebody else has it, on whatever address."""
    everywhere = "::" if stack.has_ipv6() else "0.0.0.0"
    for address in (everywhere, target.address):
        sock = stack.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            if address == "::":
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind((address, port))
        except OSError as error:
            sock.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return None
            if error.errno == errno.EADDRNOTAVAIL:  # loopback is taken for granted until now
                raise NotOnThisTestbed(
                    f"{address} is on no interface here; name another address of this machine, such as ::1 (--host)"
                ) from None
            raise
        if address == target.address:
            return sock
        sock.close()
    return None
