"""A clock that stands still until somebody waits: then it goes straight to what happens next."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

Action = Callable[[], None]


class Timer:
    """Something that happens at `when` (seconds of the clock), unless it is cancelled before.

    An `idle` timer keeps a conversation warm (a zero-window probe): it alone never ends anybody's waiting.
    """

    __slots__ = ("action", "idle", "when")

    def __init__(self, when: float, action: Action, idle: bool) -> None:
        self.when, self.idle = when, idle
        self.action: Action | None = action


class Clock:
    """Seconds since the simulated boot (`now`), and what is due when. `due` is when the next timer fires."""

    def __init__(self, started: float) -> None:
        self.now = 0.0
        self.due = math.inf
        self._started = started
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self._started + self.now

    def after(self, seconds: float, action: Action, idle: bool = False) -> Timer:
        """Have `action` called so many seconds from now."""
        timer = Timer(self.now + seconds, action, idle)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        self.due = min(self.due, timer.when)
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Forget a timer; one that has fired, or None, is no matter."""
        if timer is not None:
            timer.action = None

    def wind(self, until: float) -> None:
        """Go on to `until`, and let happen on the way what is due, each thing at its time."""
        while self._timers and self._timers[0][0] <= until:
            when, _, timer = heapq.heappop(self._timers)
            if timer.action is not None:
                self.now = max(self.now, when)
                action, timer.action = timer.action, None
                action()
        self.now = max(self.now, until)
        self.due = self._timers[0][0] if self._timers else math.inf

    def catch_up(self) -> None:
        """Let happen what is due by now: calls and segments move the clock, too."""
        self.wind(self.now)

    def next_event(self) -> float:
        """Return when the next timer fires that can end somebody's waiting; infinity if there is none."""
        while self._timers and self._timers[0][2].action is None:  # cancelled
            heapq.heappop(self._timers)
        if self._timers and not self._timers[0][2].idle:
            return self._timers[0][0]
        return min((when for when, _, timer in self._timers if timer.action and not timer.idle), default=math.inf)
