"""The bounds of a loop: every loop ends, by tries and by time."""

from __future__ import annotations

import math
import os
import sys

from ..ports.clients import ClientKind
from ..ports.ranges import PortRange

FAILURE_CHANCE = 1e-6  # a port that can loop stays unconnected so rarely under the default bound
MIN_TRIES = 100  # a certain first try may still meet a port that is busy for a moment
MAX_TRIES = 10**18  # thousands of years of tries
MAX_DELAY = 30.0  # seconds that a segment may spend on the cable of a crossing
MAX_TIMEOUT = 24 * 3600.0


def parse_tries(value: object, name: str = "max tries") -> int:
    """Return a number of tries of at least 1; ValueError says its name and the value otherwise."""
    tries = parse_whole(name, value, 1)
    if tries > MAX_TRIES:
        raise ValueError(f"{name} {value!r}: give at most {MAX_TRIES:,}")
    return tries


def parse_whole(name: str, value: object, least: int) -> int:
    """Return `value` as a whole number of at least `least`; ValueError names it otherwise."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < least:
        raise ValueError(f"{name} {value!r}: give a whole number of at least {least}")
    return int(value.__index__())


def parse_timeout(value: object) -> float:
    """Return a time-out in seconds, above 0 and at most a day; ValueError names the value otherwise."""
    seconds = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0 < seconds <= MAX_TIMEOUT:
        raise ValueError(f"timeout {value!r}: give seconds above 0 and at most {MAX_TIMEOUT:.0f}")
    return seconds


def parse_delay(value: object, name: str = "delay", most: float = MAX_DELAY) -> float:
    """Return seconds from 0 to `most`; ValueError says the name and the value otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise ValueError(f"{name} {value!r}: give seconds from 0 to {most:.0f}")
    return float(value) + 0.0  # no -0.0


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_max_tries(port_range: PortRange, client: ClientKind) -> int:
    """Return the tries after which a port that can loop has connected, but for one run in a million.

    Under the walk of Linux since 5.18, which has the longest tail of the eras with a counter; for a first hit and for
    a return, whichever takes longer. Elsewhere than on Linux all ports of the range are candidates.
    """
    from ..ports.eras import parse_era
    from ..tries.theory import distribution

    era = "random-walk" if sys.platform == "linux" else "rfc6056-1"  # all ports alike, memoryless
    one = parse_era(era).candidates(port_range, client).first(0)
    laws = [distribution(era, port_range, one, client, start) for start in ("random", "return")]
    return max(MIN_TRIES, *(law.tries_needed(1 - FAILURE_CHANCE) for law in laws))
