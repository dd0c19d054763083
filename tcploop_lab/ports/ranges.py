"""Port numbers and port ranges: values that are checked when they are made.

Source of the limits: RFC 9293 section 3.1 (16-bit port fields); port 0 is reserved (RFC 6335 section 6).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

Port: TypeAlias = int | str  # 33334 or "33334": what parse_port takes

LOWEST_PORT = 1
HIGHEST_PORT = 65535

_PORT_RULE = f"a TCP port is {LOWEST_PORT} to {HIGHEST_PORT}"
_RANGE_RULE = f"write LOW-HIGH with {LOWEST_PORT} <= LOW <= HIGH <= {HIGHEST_PORT}"


def _whole_number(value: object) -> int | None:
    """`value` as an int if it is one or is written in plain ASCII decimal, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if hasattr(value, "__index__"):  # numpy integers
        return int(value.__index__())
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value.strip()):
        return int(value)
    return None


def parse_port(value: object) -> int:
    """Return `value` (int, or text in plain decimal) as a port from 1 to 65535.

    Raises ValueError with one line that names the value and what is allowed.
    """
    port = _whole_number(value)
    if port is None:
        raise ValueError(f"port {value!r}: {_PORT_RULE}, in plain decimal")
    if not LOWEST_PORT <= port <= HIGHEST_PORT:
        raise ValueError(f"port {port}: {_PORT_RULE}")
    return port


@dataclass(frozen=True, order=True)
class PortRange:
    """A range of ports, both ends included, as in /proc/sys/net/ipv4/ip_local_port_range."""

    low: int
    high: int

    def __post_init__(self) -> None:
        ends = [_whole_number(end) for end in (self.low, self.high)]
        low, high = ends
        if low is None or high is None:
            raise ValueError(f"range {self.low!r}-{self.high!r}: {_RANGE_RULE}, in plain decimal")
        if low > high:
            raise ValueError(f"range {low}-{high}: it is reversed; {_RANGE_RULE}")
        if low < LOWEST_PORT or high > HIGHEST_PORT:
            raise ValueError(f"range {low}-{high}: {_RANGE_RULE}")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @classmethod
    def parse(cls, value: Any) -> PortRange:
        """Return a range from a PortRange, "LOW-HIGH", or a pair (low, high).

        Raises ValueError with one line that names the value and what is allowed.
        """
        if isinstance(value, PortRange):
            return value
        if isinstance(value, str):
            match = re.fullmatch(r"\s*([0-9]{1,9})\s*-\s*([0-9]{1,9})\s*", value)
            if not match:
                raise ValueError(f"range {value!r}: {_RANGE_RULE}")
            return cls(int(match[1]), int(match[2]))
        try:
            low, high = value
        except (TypeError, ValueError):
            raise ValueError(f"range {value!r}: {_RANGE_RULE}") from None
        return cls(low, high)

    @property
    def width(self) -> int:
        """How many ports the range has."""
        return self.high - self.low + 1

    @property
    def setting(self) -> str:
        """The range as ip_local_reserved_ports has it: a single port is a number."""
        return str(self) if self.width > 1 else str(self.low)

    def __contains__(self, port: object) -> bool:
        return hasattr(port, "__index__") and self.low <= port.__index__() <= self.high

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.low, self.high + 1))

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


Range: TypeAlias = PortRange | tuple[int, int] | str  # (40000, 40999) or "40000-40999": what PortRange.parse takes
LINUX_DEFAULT_RANGE = PortRange(32768, 60999)  # Linux since 4.2 (07f4c90062f8); before: 32768-61000


def parse_ports(value: Any) -> tuple[int, ...]:
    """Return ports from "33334,40000" or an iterable; ValueError if none or one is not a port."""
    ports = tuple(map(parse_port, _as_items(value)))
    if not ports:
        raise ValueError("ports: the list is empty; give at least one port, as in 33334,40000")
    return ports


def parse_ranges(value: Any) -> tuple[PortRange, ...]:
    """Return ranges from "32768-60999,40000-40999" or an iterable; ValueError as PortRange.parse."""
    ranges = tuple(map(PortRange.parse, _as_items(value)))
    if not ranges:
        raise ValueError("ranges: the list is empty; give at least one, as in 32768-60999")
    return ranges


def _as_items(value: Any) -> Iterable[Any]:
    if isinstance(value, str):
        return value.split(",")
    if isinstance(value, PortRange) or not isinstance(value, Iterable):
        return (value,)
    return value


def parse_reserved(text: str) -> tuple[PortRange, ...]:
    """Return the ranges of /proc/sys/net/ipv4/ip_local_reserved_ports, such as "8080,9000-9010".

    Raises ValueError for text that is not of that form.
    """
    parts = [part for part in text.strip().split(",") if part]
    return tuple(PortRange.parse(part if "-" in part else f"{part}-{part}") for part in parts)
