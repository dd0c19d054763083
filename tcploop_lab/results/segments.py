"""The table of segments, as every result shows it that has some."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..tcp.replay import Step
from ..tcp.segments import Segment
from ..tcp.words import Numbers, flag_words
from .description import Said, Table

_SEGMENT = (
    ("", "segment"), ("time", "sent at"), ("", "from → to"), ("src", ""), ("sport", ""), ("dst", ""), ("dport", ""),
    ("flags", "flags"), ("seq", "seq"), ("ack", "ack"), ("length", ""), ("", "bytes"),
)  # fmt: skip
_STEP = (("", "sender then"), ("state", "receiver then"), ("transition", ""))
_CABLE = (("from", ""), ("received", "received at"))
_SHORT = 0.01  # seconds: an exchange up to this long is told in microseconds

_Clock = Callable[[float | None], Said]


def table_of_segments(segments: Sequence[Segment]) -> Table:
    """Return the segments as they were seen, without a word on what they mean."""
    clock, numbers = _clock(segments), Numbers(segments, relative=False)
    rows = [(place, *_segment(one, clock, numbers)) for place, one in enumerate(segments, start=1)]
    return Table("segments", _SEGMENT, rows)


def table_of_steps(steps: Sequence[Step], brief: bool = False, received: Mapping[int, float] | None = None) -> Table:
    """Return the segments, and the states that each brings its ends to.

    A `brief` one fits into 80 columns, and its numbers count from each end's first one; `received` tells when each
    arrived on a cable.
    """
    segments = [step.segment for step in steps]
    clock, numbers = _clock(segments), Numbers(segments, relative=brief)
    arrived = received or {}
    rows = [
        (place, *_segment(step.segment, clock, numbers, f"{step.sender} → {step.receiver}"), *_states(step),
         step.sender, clock(arrived.get(place - 1)))
        for place, step in enumerate(steps, start=1)
    ]  # fmt: skip
    columns = _SEGMENT + _STEP + (() if received is None else _CABLE)
    if not brief:
        return Table("segments", columns, rows)
    left_out = {"segment", "sender then", *(["from → to"] if all(one.to_itself for one in segments) else [])}
    ends = {(step.segment.src, step.segment.sport): step.sender for step in steps}
    shown = tuple((key, "" if name in left_out else name) for key, name in columns)
    return Table("segments", shown, rows, numbers.legend(ends))


def _segment(one: Segment, clock: _Clock, numbers: Numbers, way: str = "") -> tuple[Any, ...]:
    ack = numbers.ack(one) if "A" in one.flags else ""
    return (
        clock(one.time), way or f"{one.source} → {one.target}", one.src, one.sport, one.dst, one.dport,
        Said(one.flags, flag_words(one.flags)), Said(one.seq, numbers.seq(one)), Said(one.ack, ack), one.length,
        len(one.payload),
    )  # fmt: skip


def _states(step: Step) -> tuple[Any, ...]:
    then = "lost or on the way" if step.lost else str(step.receiver_after)
    return step.sender_after, Said(step.receiver_after, then), step.transition


def _clock(segments: Sequence[Segment]) -> _Clock:
    """Return what tells a time since the first segment, in microseconds where all is over soon."""
    times = [one.time for one in segments] or [0.0]
    fine = max(times) - times[0] <= _SHORT
    scale, form = (1e6, ",.0f") if fine else (1e3, ",.1f")

    def tell(time: float | None) -> Said:
        return Said(time, "" if time is None else f"{(time - times[0]) * scale:{form}} {'µs' if fine else 'ms'}")

    return tell
