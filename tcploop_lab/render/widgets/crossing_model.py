"""Two hosts and the cable between them, without widgets: who calls, what is delivered, what is lost, what came of it.

Every move is made on the real hosts at once, and is told as a sentence of what their kernels say. A move that cannot
be made is answered in words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...tcp.outcomes import SOUGHT, Ending
from ...tcp.segments import Segment
from ...tcp.words import Numbers, flag_words, number_words
from ..figures_walk import exchange
from .background import in_words, must_be_there

_WAITING = "The cable is empty. A host that waits for an answer sends again after a second or more: look at the cable."


class CrossingByHand:
    """One call after the other between two hosts.

    `crossing` holds the hosts, `story` what happened to them so far, `found` the endings of all calls up to now.
    """

    def __init__(self, testbed: Any) -> None:
        self.testbed = testbed
        self.crossing: Any = None
        self.story: list[str] = []
        self.found: list[Ending] = []
        self.changed: Callable[[], None] = lambda: None  # called after every move
        self._note = ""
        self.begin()

    @property
    def words(self) -> str:
        """How things stand: what happened last, and what came of it."""
        if self._note:
            return self._note
        last = self.story[-1] if self.story else "Nobody has called yet. Both hosts are CLOSED, the cable is empty."
        over = f"It is over: {ending}. {ending.words}" if (ending := self.ending) else ""
        return " ".join(filter(None, (last, over or (_WAITING if self.story and not self.held else ""))))

    @property
    def held(self) -> list[Any]:
        """What is on the cable, in the order in which it was sent."""
        return [] if self.crossing is None else list(self.crossing.held)

    @property
    def sent(self) -> list[str]:
        """Who sent what up to now: "A SYN", "B SYN" and so on."""
        segments = [] if self.crossing is None else self.crossing.so_far.segments
        return [f"{one.sender} {flag_words(one.flags)}" for one in segments]

    @property
    def states(self) -> dict[str, str]:
        """What both kernels say."""
        return {} if self.crossing is None else {host: str(state) for host, state in self.crossing.states.items()}

    @property
    def paths(self) -> dict[str, list[str]]:
        """The states that each host went through, by its kernel."""
        return {} if self.crossing is None else {host: list(map(str, way)) for host, way in self.crossing.paths.items()}

    @property
    def ending(self) -> Ending:
        """How this call ended; `Ending.NONE` as long as it is not over."""
        return Ending.NONE if self.crossing is None else self.crossing.ending

    @property
    def sought(self) -> dict[Ending, bool]:
        """The endings to look for, and whether each was found."""
        return {one: one in self.found for one in SOUGHT}

    def begin(self) -> bool:
        """Take two new hosts; False if there can be none, and `words` says why."""
        self.close()
        self.story, self._note = [], ""
        try:
            must_be_there(self.testbed, "to make hosts on", "crossing_by_hand")
            with self.testbed.sibling() as place:  # the hosts outlive it, and the learner's testbed may be closed
                self.crossing = place.crossing()
        except (ValueError, RuntimeError, OSError) as reason:  # NotOnThisTestbed is a RuntimeError
            self._note = in_words(reason)
        self.changed()
        return self.crossing is not None

    def call(self, host: str) -> bool:
        """Let a host call the other one."""
        return self._move(lambda: self._call(host))

    def call_both(self) -> bool:
        """Let both hosts call each other, before anything is delivered."""
        return self._move(self._call_both)

    def deliver(self, index: int = 0) -> bool:
        """Deliver a segment that is on the cable."""
        return self._move(lambda: self._deliver(index))

    def lose(self, index: int = 0) -> bool:
        """Lose a segment that is on the cable."""
        return self._move(lambda: self._lose(index))

    def look(self) -> bool:
        """See what has been sent again meanwhile."""
        return self._move(lambda: self.crossing.look())

    def plot(self, ax: Any = None) -> Any:
        """Draw the ladder so far; of hosts that have not called, that of two others, half way. Returns the Axes.

        Raises ValueError where no hosts can be made.
        """
        if self.crossing is None:
            raise ValueError(self._note)
        if self.crossing.so_far.segments:
            return exchange(self.crossing, ax)
        with self.testbed.sibling() as place, place.crossing() as others:
            others.open().deliver(0)
            return exchange(others, ax)

    def close(self) -> None:
        """End both hosts."""
        if self.crossing is not None:
            self.crossing.close()
        self.crossing = None

    def name(self, held: Any) -> str:
        """A segment on the cable in words: "A's SYN, seq x"."""
        one: Segment = held.segment
        numbers = number_words(one, Numbers(self.crossing.so_far.segments))
        again = f", sent {held.copies} times" if held.copies > 1 else ""
        return f"{one.sender}'s {flag_words(one.flags)}, {numbers}{again}"

    def _move(self, act: Callable[[], object]) -> bool:
        """Do it, and note how it ended; False if it cannot be done, and `words` says why."""
        if self.crossing is None:
            return False
        self._note = ""
        try:
            act()
        except (ValueError, OSError) as reason:
            self._note = f"That cannot be: {in_words(reason)}."
        if (ending := self.ending) and ending not in self.found:
            self.found.append(ending)
        self.changed()
        return not self._note

    def _call(self, host: str) -> None:
        before = self._closed(host)
        self.crossing.connect(host)
        self.story.append(f"{host} calls: {self._change(host, before)}.")

    def _call_both(self) -> None:
        before = self._closed(*self.states)
        self.crossing.open()
        self.story.append(f"Both call: {' and '.join(self._change(host, before) for host in before)}.")

    def _closed(self, *hosts: str) -> dict[str, str]:
        """Both states. ValueError if one of these hosts cannot call any more."""
        for host in hosts:
            if self.states[host] != "CLOSED":
                raise ValueError(f"host {host} has called already, it is in {self.states[host]}; take new hosts")
        return self.states

    def _deliver(self, index: int) -> None:
        before, waiting = self.states, len(self.crossing.look())
        passed = self.crossing.deliver(index)
        sender = passed.segment.sender
        receiver = next(host for host in before if host != sender)
        answers = [flag_words(one.segment.flags) for one in self.held[waiting - 1 :] if one.segment.sender == receiver]
        sends = f", and sends {' and '.join(answers)}" if answers else ""
        self.story.append(f"{self._short(passed)} arrives: {self._change(receiver, before)}{sends}.")

    def _lose(self, index: int) -> None:
        passed = self.crossing.lose(index)
        self.story.append(f"{self._short(passed)} is lost.")

    @staticmethod
    def _short(passed: Any) -> str:
        return f"{passed.segment.sender}'s {flag_words(passed.segment.flags)}"

    def _change(self, host: str, before: dict[str, str]) -> str:
        after = self.states[host]
        return f"{host} stays in {after}" if after == before[host] else f"{host} goes from {before[host]} to {after}"
