"""The network of an audit: every attempt to connect to one port meets itself, and everything else works.

connect() takes ports of the parity that the range begins with, bind(0) prefers the other one (`ports/eras`). So in a
range of some dozens of ports, in which those of the first parity are reserved but for one, connect() has one port to
take, and a server on port 0 has dozens.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from ..errors import NotOnThisTestbed
from ..ports.ranges import PortRange
from ..stacks.stack import Stack
from ..tcp import closing
from ..testbed.hosts import Target

WIDTH = 128  # ports: half of them are for whoever binds
_MULTIPLES = (56, 60, 64)  # of 2 to 8, 10, 12, 14, 15, 16, 20, 28, 30, 32
_TW_BUCKETS = Path("/proc/sys/net/ipv4/tcp_max_tw_buckets")


def scene_range(port: int) -> PortRange:
    """Return the ephemeral range, whose lowest port has the parity of `port`, and which `port` is in the middle of."""
    odd = port % 2
    low = min(max(port - WIDTH // 2, 2 - odd), 65536 - WIDTH + odd)
    return PortRange(low, min(low + WIDTH - 1, 65535))


def reserved_ports(port: int, *free: int) -> list[PortRange]:
    """Return what connect() may not take: all ports of the parity of `port`, but for those that are `free`."""
    return [PortRange(one, one) for one in _of_its_parity(port) if one not in free]


def callers_of(port: int, count: int) -> list[int]:
    """Return `count` ports of the parity of `port` from which to dial an echo there, in an order left to chance.

    The lowest and the highest of the range are among them, and those that leave the same remainder as `port` where
    they are divided by small numbers: so what follows from the number of its own port is the same in one run at least.
    """
    others = {one for one in _of_its_parity(port) if one != port}
    chosen = {min(others), max(others), *(one for one in others if abs(one - port) in _MULTIPLES)}
    chosen |= set(random.sample(sorted(others - chosen), count - len(chosen)))
    return random.sample(sorted(chosen), count)


def _of_its_parity(port: int) -> range:
    return range(scene_range(port).low, scene_range(port).high + 1, 2)


def set_scene(
    stack: Stack, target: Target, port: int, caller: int | None = None, held: bool = False, once: bool = False
) -> None:
    """Let connect() take `port` first, or instead of it `caller`, a port of the same parity.

    With `held` somebody will have bound `port`, so that it need not be reserved. Before that the lab meets itself once,
    in either case: what the network counts is alike. No TIME-WAIT is left, which would keep the next attempt from
    meeting itself. `once` leaves it: whoever closes in order and dials again at once is refused, however quick it is.
    Raises NotOnThisTestbed where the private network cannot be set.
    """
    try:
        if not target.is_loopback:
            stack.add_address(target.address)
        if not once:
            leave_no_time_wait()
        stack.set_port_range(scene_range(port))
        stack.set_reserved(reserved_ports(port, port))
        met = _meets_itself(stack, target, port)
        if caller is not None:
            stack.set_reserved(reserved_ports(port, caller, *([port] * held)))
        elif not met:
            stack.set_port_range(PortRange(port, port))  # a kernel that knows no parity: then nothing else works
    except OSError as error:
        raise NotOnThisTestbed(
            f"the private network's port range cannot be set ({error.strerror}); tcploop doctor says what to do"
        ) from None


def leave_no_time_wait() -> None:
    """Let no connection of this network stay in TIME-WAIT, where it would keep the next from meeting itself."""
    _TW_BUCKETS.write_text("0")


def end_of_self_connections(stack: Stack, port: int) -> None:
    """From now on whoever dials `port` is refused, as elsewhere."""
    stack.set_port_range(scene_range(port))
    stack.set_reserved(reserved_ports(port))


def _meets_itself(stack: Stack, target: Target, port: int) -> bool:
    """Try it: what the kernel does counts, not what its version should do."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    with stack.socket(family, socket.SOCK_STREAM) as sock:
        closing.by_reset(sock)
        return bool(sock.connect_ex((target.address, port)) == 0 and sock.getsockname() == sock.getpeername())
