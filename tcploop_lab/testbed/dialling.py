"""The one dialling loop, and what each errno of a connect() means to it.

Who dials is a dialler: one socket again and again, a new socket each time, several in turn. The loop counts, looks at
its bounds, and decides what an errno is: a refusal, no try at all, no answer in time, or the end.
"""

from __future__ import annotations

import errno
import itertools
import operator
import os
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import NotOnThisTestbed
from ..stacks.stack import Stack
from ..stacks.task import current_task
from ..tcp.endpoint import Endpoint

_CHECK_SECONDS = 0.02  # a burst of tries lasts about this long, then time and stop are looked at
MOST_UNLOOKED = 16384  # tries of a burst
FIRST_BURST = 16
# No segment was sent: the kernel could not even begin, so this was not a try.
NO_TRY = frozenset(
    {
        errno.EADDRNOTAVAIL,
        errno.EADDRINUSE,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENETUNREACH,
        errno.ECANCELED,  # what a dialler says instead of dialling, when others have ended the loop
    }
)
_WHY_ENDED = {errno.EINPROGRESS: "timeout", errno.EAGAIN: "timeout", errno.ECANCELED: "interrupted"}


@dataclass(frozen=True)
class Bounds:
    """How many tries, and until when by the stack's clock."""

    max_tries: int
    deadline: float


@dataclass
class LoopOutcome:
    """What a loop measured; `stopped` says why it ended."""

    tries: int = 0
    seconds: float = 0.0
    stopped: str = ""
    errors: Counter[str] = field(default_factory=Counter)
    trace: array[int] | None = None
    local: Endpoint | None = None
    peer: Endpoint | None = None

    def end(self, error: int) -> None:
        """Note the errno that ended the loop."""
        if error != errno.ECANCELED:
            self.errors[_name(error)] += 1
        self.stopped = _WHY_ENDED.get(error, "error")

    def met(self, sock: Any) -> None:
        """Note whom it met at the end: itself, or somebody who listens."""
        self.stopped = "connected"
        self.local, self.peer = Endpoint.of(sock.getsockname()), Endpoint.of(sock.getpeername())

    def check(self, port: int) -> LoopOutcome:
        """Return this, if it tells something about loops on `port`.

        Raises NotOnThisTestbed where they cannot be run, or somebody else answered.
        """
        if self.stopped == "error":
            names = [name for name in self.errors if name != "ECONNREFUSED"]
            told = ", ".join(f"{name} ({os.strerror(getattr(errno, name))})" for name in names)
            raise NotOnThisTestbed(f"port {port}: the loop could not be run: {told}")
        if self.local != self.peer:
            raise NotOnThisTestbed(
                f"port {port}: a program listens on it, so it cannot loop; end it or take another port"
            )
        return self


class Dialler(Protocol):
    """Who makes the tries. `socket` made the last one."""

    waits_for_ports: bool  # others may hold every port for a moment: then it goes on, and counts no try
    look_every: int  # most tries between two looks at the bounds

    @property
    def socket(self) -> Any:
        """The socket of the last try; None where none could be made."""

    @property
    def dial(self) -> Callable[[tuple[str, int]], int]:
        """What makes one try and returns its errno."""


def dial_until(
    stack: Stack, dialler: Dialler, address: tuple[str, int], bounds: Bounds, outcome: LoopOutcome
) -> Any | None:
    """Dial until a try connects, an error ends it, the bounds are reached, or the lab says stop.

    Fills `outcome`, but for its seconds, and returns the socket that connected.
    """
    task, size = current_task(), FIRST_BURST
    while True:
        began = stack.monotonic()
        connected = _burst(dialler, address, min(size, bounds.max_tries - outcome.tries), outcome)
        if connected:
            return dialler.socket
        if not outcome.stopped:
            task.report(outcome.tries)
            outcome.stopped = _reason_to_stop(bounds, outcome.tries, stack.monotonic(), task.stopped())
        if outcome.stopped:
            return None
        is_short = stack.monotonic() - began < _CHECK_SECONDS
        size = min(dialler.look_every, size * 2) if is_short else max(1, size // 2)


def _burst(dialler: Dialler, address: tuple[str, int], size: int, outcome: LoopOutcome) -> bool:
    """Dial up to `size` times, until a try is not refused; True if it connected.

    groupby() and countOf() run the tries without a step of the interpreter between two of them.
    """
    for error, same in itertools.groupby(map(dialler.dial, itertools.repeat(address, size))):
        if error == errno.ECONNREFUSED or (error == errno.EADDRNOTAVAIL and dialler.waits_for_ports):
            times = operator.countOf(same, error)
            outcome.tries += 0 if error in NO_TRY else times
            outcome.errors[_name(error)] += times
            continue
        outcome.tries += error not in NO_TRY
        if error:
            outcome.end(error)
        return error == 0
    return False


def _reason_to_stop(bounds: Bounds, tries: int, now: float, stopped: bool) -> str:
    if stopped:
        return "interrupted"
    if tries >= bounds.max_tries:
        return "max-tries"
    return "timeout" if now >= bounds.deadline else ""


def _name(error: int) -> str:
    return errno.errorcode.get(error, str(error))
