"""The state stepper without its widgets: an exchange, moment by moment, and the states of its ends.

A moment is a segment that departs or arrives. A self-connection has one end, which is both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...tcp.replay import End, Replay, Step
from ...tcp.states import State, Transition
from ...tcp.words import Numbers, flag_words, number_words, payload_words
from .background import in_words

_NO_EXCHANGE = "There is no exchange to step through. Write: lab.state_stepper(lab.recorded('self-connection'))"


class StateStepper:
    """Steps through the moments of an exchange; `position` counts those that have happened."""

    def __init__(self, exchange: Any) -> None:
        self.exchange = exchange
        self.position = 0
        self.note = ""
        self.changed: Callable[[], None] = lambda: None  # called after every move
        self.replay = Replay((), ())
        try:
            self.replay = exchange.replayed
        except (AttributeError, ValueError, RuntimeError) as reason:
            self.note = _NO_EXCHANGE if isinstance(reason, AttributeError) else in_words(reason)
        self._numbers = Numbers([step.segment for step in self.replay.steps])

    @property
    def last(self) -> int:
        """How many moments there are."""
        return len(self.replay.moments)

    def go_to(self, position: Any) -> int:
        """Go to a position, 0 to `last`, and return it. What is no number changes nothing."""
        if isinstance(position, int) and not isinstance(position, bool):
            self.position = min(max(position, 0), self.last)
            self.changed()
        return self.position

    def move(self, by: int) -> int:
        """Go on (or back) by so many moments and return the position."""
        return self.go_to(self.position + by)

    @property
    def words(self) -> str:
        """What happened at this moment."""
        if not self.last:
            return self.note or "There is no segment in this exchange: nothing to step through."
        if not self.position:
            states = ", ".join(f"{name} is {state}" for name, state in self.states.items())
            return f"Before the first of {self.last} moments. {states}."
        index, arrives = self.replay.moments[self.position - 1]
        step = self.replay.steps[index]
        what = "arrives" if arrives else "is lost on the way" if step.lost else "departs"
        head = f"Moment {self.position} of {self.last}: segment {index + 1}, {self.segment_words(step)}, {what}."
        bad = f"Impossible: {step.impossible}." if step.impossible else ""
        return " ".join(filter(None, (head, *_sentences(step.received if arrives else step.sent), bad)))

    def segment_words(self, step: Step) -> str:
        """A segment in words: flags, numbers, data."""
        parts = (flag_words(step.segment.flags), number_words(step.segment, self._numbers), payload_words(step.segment))
        return " ".join(filter(None, (parts[0], f"({parts[1]})", parts[2])))

    @property
    def states(self) -> dict[str, State]:
        """The state of each end now, by its name."""
        return {end.name: self._state_of(end) for end in self.replay.ends}

    @property
    def taken(self) -> tuple[Transition, ...]:
        """The transitions so far, of all ends, in the order in which they were made."""
        return tuple(row for _, rows in self._past() for row in rows)

    def happened(self, index: int, arrives: bool) -> bool:
        """Whether the segment has departed, or arrived, by now."""
        return (index, arrives) in self.replay.moments[: self.position]

    def plot(self, ax: Any = None) -> Any:
        """Draw the ladder of the whole exchange and return the Axes. ValueError if there is nothing to draw."""
        if not self.last:
            raise ValueError(self.words)
        return self.exchange.plot(ax)

    def close(self) -> None:
        """Nothing is held, nothing is left behind."""

    def _past(self) -> Iterator[tuple[str, tuple[Transition, ...]]]:
        for index, arrives in self.replay.moments[: self.position]:
            step = self.replay.steps[index]
            yield (step.receiver, step.received) if arrives else (step.sender, step.sent)

    def _state_of(self, end: End) -> State:
        rows = [row for name, rows in self._past() if name == end.name for row in rows]
        return rows[-1].after if rows else self._first_state(end)

    def _first_state(self, end: End) -> State:
        """The state before anything happens at this end: a listener was opened before the first segment."""
        for index, arrives in self.replay.moments:
            step = self.replay.steps[index]
            if end.name == (step.receiver if arrives else step.sender):
                return step.receiver_before if arrives else step.sender_before
        return end.state


def _sentences(rows: tuple[Transition, ...]) -> list[str]:
    """What a moment did to the state of its end."""
    return [
        f"{row.event} in {row.state}: {f'on to {row.after}' if row.changes else 'no change'} "
        f"(RFC 9293 section {row.section})."
        for row in rows
    ] or ["No state changes."]
