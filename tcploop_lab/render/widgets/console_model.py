"""The loop console without its widgets: one loop after another, to watch while it goes on.

A loop is dialled in pieces, each with its trace, so that the walk of the source port can be shown meanwhile. The
counter that chooses the ports is the kernel's: pieces make one walk. Each loop has a worker and a network of its own,
which end with it; the socket that met itself stays, until it is closed.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from ...ports.clients import ClientKind, parse_client
from ...ports.ranges import PortRange, parse_port
from ...results.run import Run
from ...tcp.words import counted
from .background import Background, in_words, must_be_there, parse_count

MOST_TRIES = 300_000  # the default bound: the walk through the default range needs more once in 30 billion loops
SECONDS = 120.0  # the other bound of a loop at full speed
PACES = {"full speed": 0.0, "20 tries a second": 0.05, "2 tries a second": 0.5}  # seconds between two tries

_HIGHEST_BOUND = 10_000_000
_PIECE_SECONDS = 0.1
_LARGEST_PIECE = 16_384
_OPENING = "This run was made to begin with."


@dataclass(frozen=True)
class Wish:
    """What to dial, checked."""

    port: int
    port_range: PortRange
    client: ClientKind
    most_tries: int
    pace: str

    @property
    def pause(self) -> float:
        """The seconds between two tries."""
        return PACES[self.pace]

    @classmethod
    def read(cls, port: Any, port_range: Any, client: Any, most_tries: Any, pace: str) -> Wish:
        """Return the wish that is typed there; ValueError says in one line what is wrong with it."""
        most = parse_count("most tries", most_tries, _HIGHEST_BOUND)
        if pace not in PACES:
            raise ValueError(f"pace {pace!r}: choose one of {', '.join(PACES)}")
        return cls(parse_port(port), PortRange.parse(port_range), parse_client(client), most, pace)


class LoopConsole:
    """Starts, watches and stops loops. `run` is the last one so far, `exchange` what was captured of it."""

    def __init__(self, testbed: Any) -> None:
        self.testbed = testbed
        self.work = Background()
        self.wish: Wish | None = None
        self.run: Run | None = None
        self.exchange: Any = None
        self.echoed = ""
        self._note = ""
        self._opening = False

    @property
    def connected(self) -> bool:
        """True while the socket of the last loop is open."""
        return self.run is not None and self.run.socket is not None and self.run.socket.fileno() >= 0

    @property
    def words(self) -> str:
        """How things stand."""
        if self.work.busy:
            so_far = f": {counted(self.run.tries, 'try')}, {self.run.rate:,.0f} tries/s" if self.run else ""
            return " ".join(filter(None, (f"Dialling{so_far}.", self._note)))
        if problem := self.work.problem:
            return problem
        if self.run is None:
            return self._note or "Ready."
        sentence = self.run.summary
        ending = f"{sentence[0].upper()}{sentence[1:]}."
        return " ".join(filter(None, (ending, _OPENING * self._opening, self._note)))

    def start(self, port: Any, port_range: Any, client: Any = "same-socket", most_tries: Any = MOST_TRIES,
              pace: str = "full speed") -> bool:  # fmt: skip
        """Begin a loop with what was typed; False if that cannot be, and `words` says why."""
        if self.work.busy:
            return False
        self.hang_up()
        try:
            must_be_there(self.testbed, "to dial in", "loop_console")
            self.wish = wish = Wish.read(port, port_range, client, most_tries, pace)
        except ValueError as reason:
            self._note, self.run = in_words(reason), None
            return False
        self._note, self._opening, self.run = "", False, None
        return self.work.start(lambda: self._loop(wish))

    def open(self, port: Any, port_range: Any) -> None:
        """Make one loop to begin with, of at most two seconds, so that there is something to see; close it."""
        if self.start(port, port_range) and not self.work.wait(2.0):
            self.stop()
        self.hang_up()
        self._opening = self.run is not None

    def stop(self) -> None:
        """End the loop under way."""
        self.work.stop()
        self.work.wait(3.0)

    def echo(self, text: str) -> str:
        """Send a text to the socket itself and return what came back, in words."""
        if not self.connected or self.run is None:
            self.echoed = "Nobody is connected. Press Start first."
        elif not text:
            self.echoed = "Write something first: nothing was sent."
        else:
            self.echoed = self._echo(self.run, text.encode()[:1000])
        return self.echoed

    @staticmethod
    def _echo(run: Run, data: bytes) -> str:
        try:
            return f"Sent {counted(len(data), 'byte')}, read {run.echo(data)!r} on the same socket."
        except (OSError, RuntimeError) as error:
            return f"The echo failed: {in_words(error)}"

    def hang_up(self) -> None:
        """Close the connection by a reset and end the capture."""
        if self.run is not None:
            self.run.close(reset=True)
        if self.exchange is not None:
            self.exchange.close()
        self.exchange, self.echoed = None, ""

    def plot(self, ax: Any = None) -> Any:
        """Draw the walk of the last loop and return the Axes. ValueError if there was none."""
        if self.run is None or not self.run.trace:
            raise ValueError(self.work.problem or self._note or "There was no loop yet: nothing to draw.")
        from ..figures_walk import walk

        return walk(self.run, ax)

    def close(self) -> None:
        """Stop the loop, close the connection, end the capture."""
        self.stop()
        self.hang_up()

    def _loop(self, wish: Wish) -> None:
        with self.testbed.sibling(wish.port_range) as place:
            verdict = place.check(wish.port, client=wish.client)
            if not verdict.can_loop:
                self._note = f"It cannot succeed: {'; '.join(rule.evidence for rule in verdict.broken)}."
            self.exchange = self._capture(place, wish.port)
            self._dial(place, wish)
        if self.exchange is not None:
            len(self.exchange.segments)  # reads them here: the first time takes a second, and loads scapy

    @staticmethod
    def _capture(place: Any, port: int) -> Any:
        try:
            return place.capture(port)
        except RuntimeError:  # NotOnThisTestbed: then there is no exchange to show, and the loop goes on
            return None

    def _dial(self, place: Any, wish: Wish) -> None:
        began, size = time.monotonic(), 1
        while not self._ended(wish, began):
            left = wish.most_tries - (self.run.tries if self.run else 0)
            piece = place.connect_loop(
                wish.port, client=wish.client, max_tries=min(size, left), trace=True, progress=self.work.tick
            )
            self.run = _joined(self.run, piece, wish.most_tries)
            if wish.pause:  # what the tries took includes the waiting between them
                self.run = replace(self.run, seconds=max(time.monotonic() - began, wish.pause * self.run.tries))
            self.work.tell()
            if wish.pause:
                self.work.pause(wish.pause)
            else:
                size = min(_LARGEST_PIECE, 2 * size) if piece.seconds < _PIECE_SECONDS else max(1, size // 2)

    def _ended(self, wish: Wish, began: float) -> bool:
        """Whether to dial no more; a run that was cut off says so."""
        if self.run is None or (self.run.stopped == "max-tries" and self.run.tries < wish.most_tries):
            late = not wish.pause and time.monotonic() - began > SECONDS
            if self.run is not None and (late or self.work.stopped):
                self.run = replace(self.run, stopped="timeout" if late else "interrupted")
            return late or self.work.stopped
        return True


def _joined(before: Run | None, piece: Run, most_tries: int) -> Run:
    """The run so far and one more piece as one run."""
    if before is None:
        return replace(piece, max_tries=most_tries)
    return replace(
        piece,
        tries=before.tries + piece.tries,
        seconds=before.seconds + piece.seconds,
        errors=dict(Counter(before.errors) + Counter(piece.errors)),
        trace=(before.trace or array("H")) + (piece.trace or array("H")),
        max_tries=most_tries,
    )
