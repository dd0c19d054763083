"""The figure of an audit: what the program said to itself, as a ladder diagram."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ..tcp.segments import Segment
from .ladder import ladder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 12  # segments: what comes after them is more of the same


def audit(result: Any, ax: Axes | None = None) -> Axes:
    """Draw the first connection attempt of an audited program on `ax` and return the Axes.

    Raises ValueError if the program sent no segment of the port.
    """
    first = _first_attempt(result.segments)
    if not first:
        raise ValueError(f"verdict {result.verdict}: the program sent no segment of port {result.port} to draw")
    shown = first[:_MOST]
    part = f"the first {_MOST} of {len(first):,} segments" if len(first) > _MOST else ""
    return ladder(shown, ax=ax, label="; ".join(filter(None, (part, result.label))))


def _first_attempt(segments: Sequence[Segment]) -> list[Segment]:
    """The segments from the first SYN to the next one that is another attempt, between the same two ends."""
    syns = [one for one in segments if one.is_syn]
    if not syns:
        return []
    ends = {(syns[0].src, syns[0].sport), (syns[0].dst, syns[0].dport)}
    later = takewhile(lambda one: not one.is_syn or one.seq == syns[0].seq, segments[segments.index(syns[0]) :])
    return [one for one in later if {(one.src, one.sport), (one.dst, one.dport)} == ends]
