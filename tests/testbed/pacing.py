"""Clients that try at a steady pace, many at once: run inside a worker."""

from __future__ import annotations

import heapq
import socket
from typing import Any

from tcploop_lab.stacks import constants
from tcploop_lab.tcp import closing

SPREAD = 10.0  # seconds over which the clients begin: one epoch of the kernel, so that every phase has its share


def paced_returns(
    stack: Any, port: int, addresses: list[str], interval: dict[str, float], seconds: float
) -> tuple[dict[str, tuple[int, bool]], float]:
    """Let each address loop once, and from there try at its interval, until `seconds` after the beginning.

    Returns the tries of each, with whether the last one hit, and by how many seconds a try was late at worst.
    """
    began, late = stack.monotonic(), 0.0
    due = [(SPREAD * i / len(addresses), address) for i, address in enumerate(addresses)]
    made = dict.fromkeys(addresses, (-1, False))  # -1: it has not been led to the port yet
    while due and due[0][0] < seconds:
        when, address = heapq.heappop(due)
        stack.sleep(max(0.0, began + when - stack.monotonic()))
        late = max(late, stack.monotonic() - began - when)
        tries = made[address][0]
        if tries < 0:
            while not dial(stack, address, port):
                pass
            tries = 0
        made[address] = tries + 1, dial(stack, address, port)
        if not made[address][1]:
            heapq.heappush(due, (when + interval[address], address))
    return made, late


def dial(stack: Any, address: str, port: int) -> bool:
    """Make one try from and to an address; True if it met itself, and nothing is left of it."""
    with stack.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(constants.SOL_IP, constants.IP_BIND_ADDRESS_NO_PORT, 1)
        closing.by_reset(sock)
        sock.bind((address, 0))
        return bool(sock.connect_ex((address, port)) == 0)
