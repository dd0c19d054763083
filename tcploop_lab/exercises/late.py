"""When a file was handed in, and what being late costs."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from ..testbed import files

DAY = timedelta(days=1)
_LONGEST = 100  # bytes of a timestamp
STAMP = "timestamp.txt"  # what nbgrader's exchange puts beside what was handed in


@dataclass(frozen=True)
class Deadline:
    """When it is due; the first `free` days after that cost nothing, each one more `percent` of the points."""

    due: datetime
    free: int = 0
    percent: float = 0.0

    def days(self, handed_in: datetime) -> int:
        """Return how many days late, each begun day a whole one; 0 in time."""
        return max(0, math.ceil((handed_in - self.due) / DAY))

    def share(self, days: int) -> float:
        """Return which share of the points counts after so many days, from 1 down to 0."""
        return max(0.0, 1 - max(0, days - self.free) * self.percent / 100)


def parse_time(text: str) -> datetime:
    """Return a time such as 2026-11-25T23:59, of this machine's zone unless it names one. ValueError for others."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(text).astimezone()
    raise ValueError(f"time {text!r}: write it as 2026-11-25T23:59, or with a zone, as 2026-11-25T23:59+01:00")


def parse_days(text: str | int) -> int:
    """Return a whole number of days, 0 to 366. ValueError for others."""
    if str(text).isascii() and str(text).isdecimal() and len(str(text)) < 4 and int(text) <= 366:
        return int(text)
    raise ValueError(f"days {text!r}: give a whole number from 0 to 366")


def parse_percent(text: str | float) -> float:
    """Return a percentage, 0 to 100. ValueError for others."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 100:
            return float(text)
    raise ValueError(f"percent {text!r}: give a number from 0 to 100")


def handed_in(path: Path) -> datetime:
    """Return when a file was handed in: what nbgrader's timestamp beside it says, else the file's own time.

    The timestamp may be the student's: what is no file, or a long one, is none.
    """
    with contextlib.suppress(OSError, ValueError, OverflowError):
        day, clock, *zone = files.content(path.parent / STAMP, _LONGEST, "a timestamp").decode().split()
        return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=_zone(zone))
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _zone(words: list[str]) -> tzinfo:
    """The zone of a timestamp; UTC where none is named, or none that is known (ZoneInfoNotFoundError is a KeyError)."""
    from zoneinfo import ZoneInfo

    with contextlib.suppress(KeyError, OSError, ValueError):
        return ZoneInfo(words[0]) if words else UTC
    return UTC
