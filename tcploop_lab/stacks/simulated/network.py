"""Two simulated hosts and a cable that holds every datagram until it is told to deliver or to lose it."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv4Network

from ...tcp.states import State
from ..constants import SOL_TCP, TCP_SYNCNT
from ..stack import ADDRESSES, PATIENCE, PORTS, Cable, Host
from . import calls, frames
from .actors import Actors
from .clock import Clock
from .kernel import Kernel
from .sockets import SimulatedSocket, make_socket
from .time_wait import TimeWait
from .versions import Version

_NETWORK = IPv4Network("192.0.2.0/24")


class SimulatedCable:
    """One host's end of the cable: what the host sends can be read, what is written reaches the host."""

    dropped = 0  # nothing is lost on its own

    def __init__(self, kernel: Kernel) -> None:
        self.closed = False
        self._kernel = kernel
        self._sent: deque[bytes] = deque()
        kernel.outward = self._sent.append

    def read(self) -> bytes | None:
        """Return the next datagram that the host sent; None if there is none now."""
        self._kernel.clock.catch_up()
        return self._sent.popleft() if self._sent else None

    @property
    def can_read(self) -> bool:
        """True if something waits to be read."""
        return bool(self._sent)

    def write(self, datagram: bytes) -> None:
        """Hand the host a datagram. It answers a ping (RFC 1122 section 3.2.2.6)."""
        segment = frames.parse(datagram, self._kernel.clock.time())
        if segment is not None:
            self._kernel.arrived(segment)
        elif (answer := frames.echo_reply(datagram)) is not None:
            self._sent.append(answer)

    def close(self) -> None:
        """Cut the cable."""
        self.closed = True
        self._kernel.outward = None


class SimulatedHost:
    """One of the two hosts: `socket` is bound to its address and port, not connected."""

    def __init__(self, name: str, version: Version, seed: int | None, clock: Clock, actors: Actors) -> None:
        self._kernel = Kernel(version, seed, clock, actors)
        self._kernel.routes.own_on_cable(ADDRESSES[name], _NETWORK)
        self.cable: Cable = SimulatedCable(self._kernel)
        self.socket: SimulatedSocket = make_socket(self._kernel, 2, 1)
        self.socket.setsockopt(SOL_TCP, TCP_SYNCNT, PATIENCE)
        calls.bind(self.socket.end, (ADDRESSES[name], PORTS[name]))

    def state(self) -> State:
        """Return the state of the host's connection; one in TIME-WAIT, or not yet accepted, counts."""
        for entry in self._kernel.connections.values():
            if isinstance(entry, TimeWait) or entry.parent is not None:
                return entry.state
        return self.socket.end.state

    def close(self) -> None:
        """Cut the cable; what the sockets still say reaches nobody."""
        self.cable.close()
        self.socket.close()


def make_two_hosts(version: Version, seed: int | None, clock: Clock, actors: Actors) -> tuple[Host, Host]:
    """Return the hosts A and B, which share a clock."""
    seeds = (None, None) if seed is None else (seed, seed + 1)
    return SimulatedHost("A", version, seeds[0], clock, actors), SimulatedHost("B", version, seeds[1], clock, actors)
