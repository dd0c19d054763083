"""Which ports a kernel tries for one source port, and in which order.

A kernel turns a counter into a *position* on a circle of M candidates, tries the port of that position, and
goes on to further ports only past those that are taken. M is `Candidates.size`; how many ports were passed
over is the *displacement*. The loops are those of Linux's net/ipv4/inet_hashtables.c (__inet_hash_connect)
and net/ipv4/inet_connection_sock.c (inet_csk_find_open_port), and of FreeBSD's sys/netinet/in_pcb.c.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain
from math import gcd

from .ranges import PortRange, parse_port


class Order(StrEnum):
    """The order in which the ports of a range are tried."""

    LOW_PARITY = "low's parity, then the other"  # connect() since Linux 4.2
    OTHER_PARITY = "the other parity, then low's"  # bind(0) since Linux 4.6
    ALL = "one after another"  # Linux before 4.2, IP_LOCAL_PORT_RANGE since 6.8, macOS, RFC 6056
    AFTER_LOW = "one after another, low last"  # FreeBSD: it adds 1 before it looks


@dataclass(frozen=True)
class Candidates:
    """The circle of candidate ports of a range under one order."""

    port_range: PortRange
    order: Order

    @cached_property
    def size(self) -> int:
        """M: how many positions there are, and how many ports can be the first one tried."""
        width = self.port_range.width
        if self.order is Order.AFTER_LOW:
            return max(1, width - 1)
        return width if self.order is Order.ALL else max(1, width // 2)

    @cached_property
    def step(self) -> int:
        """How far apart neighbouring candidates are: 2 where parity counts."""
        return 2 if self.order in (Order.LOW_PARITY, Order.OTHER_PARITY) else 1

    @cached_property
    def _line(self) -> tuple[int, int, int]:
        """(a, b, n): the first port at position x is a + b x, less n past the end of the range."""
        low, width = self.port_range.low, self.port_range.width
        if width == 1 or self.order is Order.ALL:
            return low, 1, width
        if self.order is Order.AFTER_LOW:
            return low + 1, 1, width
        return low + (self.order is Order.OTHER_PARITY), 2, width

    def first(self, position: int) -> int:
        """Return the port tried first at `position` (0 to M - 1)."""
        start, stride, width = self._line
        port = start + stride * position
        return port if port <= self.port_range.high else port - width

    def position(self, port: int) -> int | None:
        """Return the position whose first port is `port`, or None if it is never tried first."""
        offset = port - self.port_range.low
        guess = {Order.ALL: offset, Order.AFTER_LOW: max(0, offset - 1)}.get(self.order, offset // 2)
        if port not in self.port_range or guess >= self.size:
            return None
        return guess if self.first(guess) == port else None

    def scan(self, position: int, stride: int = 1) -> Iterator[tuple[int, int]]:
        """Yield (port, displacement) in the order of trial from `position`, until the kernel gives up.

        `stride` is Linux's random scan_step (7da62262ec96), in candidates; 1 everywhere else.
        """
        return chain.from_iterable(self._passes(position, stride))

    def _passes(self, position: int, stride: int = 1) -> Iterator[Iterator[tuple[int, int]]]:
        if self.step == 1:
            yield self._one_after_another(position, stride)
            return
        ahead = int(self.order is Order.OTHER_PARITY)
        yield self._parity_pass(2 * position + ahead, stride)
        if self.port_range.width > 1 or ahead:
            yield self._parity_pass(2 * position + 1 - ahead, stride)

    def _one_after_another(self, position: int, stride: int) -> Iterator[tuple[int, int]]:
        low, width = self.port_range.low, self.port_range.width
        shift = 1 if self.order is Order.AFTER_LOW and width > 1 else 0
        return ((low + (position + shift + i * stride) % width, i) for i in range(width))

    def _parity_pass(self, offset: int, stride: int) -> Iterator[tuple[int, int]]:
        """One pass of the kernel's loop: every second port.

        `remaining` is the width made even. A range of odd width has one port more than that, `high`: the
        wrap is at the end of the range but goes back by `remaining`, so `high` is tried only past a taken
        port, and then takes the turn of `low`.
        """
        end = self.port_range.high + 1
        remaining = self.port_range.width & ~1 or 1
        port = self.port_range.low + offset
        for i in range(max(1, remaining // 2)):
            if port >= end:
                port -= remaining
            yield port, i
            port += 2 * stride

    def choose(self, position: int, taken: Container[int], stride: int = 1) -> tuple[int, int] | None:
        """Return (port, displacement) of the first port that is not `taken`, or None if all are."""
        port = self.first(position)
        if port not in taken:
            return port, 0
        return next(((port, i) for port, i in self.scan(position, stride) if port not in taken), None)

    def reaches(self, port: int, taken: frozenset[int]) -> bool:
        """Return whether `port`, once it is free, is the answer at some position: at once, or past those `taken`."""
        if self.position(port) is not None or self.first(self.size - 1) not in taken or port not in self.port_range:
            return self.position(port) is not None  # one that is not tried first comes behind the last that is
        other = (port - self.first(0)) % self.step != 0
        if other and any(self.first(position) not in taken for position in range(1, self.size)):
            return False  # for all ports of the other parity: every pass comes by each first choice, but for the lowest
        return any(answer is not None and answer[0] == port for answer in self.choices(taken - {port}))

    def choices(self, taken: Container[int]) -> list[tuple[int, int] | None]:
        """Return what `choose` answers at every position: past a taken port, what the next position answers."""
        most = self.port_range.width if self.step == 1 else self.size  # trials in a pass
        free = [next((found for found in one if found[0] not in taken), None) for one in self._passes(self.size - 1)]
        answers = [next(filter(None, free), None)]
        for position in reversed(range(self.size - 1)):
            for number, (one, after) in enumerate(zip(self._passes(position), free, strict=True)):
                port, _ = next(one)
                further = (after[0], after[1] + 1) if after and after[1] + 1 < most else None
                free[number] = further if port in taken else (port, 0)
            answers.append(next(filter(None, free), None))
        return answers[::-1]


def why_never_first(circle: Candidates, port: int) -> str:
    """Return, in one sentence, why a port of the range is no first candidate."""
    low, high = circle.port_range.low, circle.port_range.high
    if circle.order is Order.AFTER_LOW:
        return f"port {port} is the lowest of the range, which is tried only past taken ports"
    preferred = "even" if (low % 2 == 0) == (circle.order is Order.LOW_PARITY) else "odd"
    if port % 2 == (0 if preferred == "even" else 1):
        return f"port {port} is the highest of a range of odd width ({low}-{high}), tried only past taken ports"
    return f"port {port} has the wrong parity: every {preferred} port of the range is tried before it"


def stride_bound(candidates: int, step_width: int) -> int:
    """Return the largest stride that the kernel draws, in candidates; at least 1 (7da62262ec96)."""
    return max(1, min(candidates, step_width))


def stride_for(drawn: int, bound: int, candidates: int) -> int:
    """Return the first stride from `drawn` to `bound` that is coprime to the candidates, or 1 if none is."""
    return next((stride for stride in range(drawn, bound + 1) if gcd(stride, candidates) == 1), 1)


def port_set(items: Iterable[object], within: PortRange) -> frozenset[int]:
    """Return the ports among `items` (ports and PortRanges) that lie in `within`.

    Raises ValueError for an item that is neither.
    """
    ports: set[int] = set()
    for item in items:
        ports.update(item if isinstance(item, PortRange) else (parse_port(item),))
    return frozenset(port for port in ports if port in within)
