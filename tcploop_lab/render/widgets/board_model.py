"""The precondition board without its widgets: switches that act on the learner's own testbed.

Each switch breaks one precondition for real: a socket listens, a socket holds the port, the port is reserved, the
range is another one, another address is dialled. What was switched on is undone when it is switched off or closed.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ...ports.preconditions import Verdict
from ...ports.ranges import HIGHEST_PORT, PortRange, parse_port
from ...results.run import Run
from .background import Background, in_words, must_be_there

SWITCHES = {
    "listen": "a server listens on the port",
    "hold": "a socket holds the port with bind()",
    "reserve": "the port is reserved",
    "address": "dial 127.0.0.2",
}
RANGES = {
    "as opened": "as the testbed was opened",
    "elsewhere": "a range without the port",
    "parity": "a range that begins one port later",
}
MOST_TRIES = 5_000
DIAL_SECONDS = 3.0
_HOME, _OTHER = "127.0.0.1", "127.0.0.2"


class PreconditionBoard:
    """What is broken on a testbed for one port, and what the kernel makes of it.

    `range_kind` names the range in force, `verdict` is the last check, `run` the last loop.
    """

    def __init__(self, testbed: Any, port: Any) -> None:
        self.testbed = testbed
        self.port: int | None = None
        self.work = Background()
        self.range_kind = "as opened"
        self.verdict: Verdict | None = None
        self.run: Run | None = None
        self._undo: dict[str, Any] = {}
        self._note = ""
        self._opened: PortRange | None = None
        self.begin(port)

    @property
    def on(self) -> tuple[str, ...]:
        """The switches that are on."""
        return tuple(name for name in SWITCHES if name in self._undo)

    @property
    def host(self) -> str:
        """The address that is dialled."""
        return _OTHER if "address" in self._undo else _HOME

    @property
    def words(self) -> str:
        """How things stand."""
        if self.work.busy:
            return "Dialling. Press Stop to end it."
        found = _dialled(self.run) if self.run else _judged(self.verdict) if self.verdict else ""
        return " ".join(filter(None, (self.work.problem or self._note, found))) or "Ready."

    def begin(self, port: Any) -> None:
        """Take another port: everything is switched off first. A bad port is answered in words."""
        self.close()
        try:
            must_be_there(self.testbed, "to act on", "precondition_board")
            self.port = parse_port(port)
            self._opened = self.testbed.port_range
            self._look()
        except (ValueError, RuntimeError, OSError) as reason:
            self.port, self._note = None, in_words(reason)

    def switch(self, name: str, on: bool) -> bool:
        """Switch one precondition; False if that cannot be, and `words` says why."""
        return name in SWITCHES and self._change(lambda: self._set(name, on))

    def choose_range(self, kind: str) -> bool:
        """Put another range in force; False if that cannot be, and `words` says why."""
        return kind in RANGES and self._change(lambda: self._set_range(kind))

    def dial(self) -> bool:
        """Begin a loop as things stand, of at most 5,000 tries; False if something is still at work."""
        if self.port is None:
            return False
        self._note, self.run = "", None
        return self.work.start(self._dial)

    def stop(self) -> None:
        """End the loop under way."""
        self.work.stop()
        self.work.wait(DIAL_SECONDS)

    def reset(self) -> None:
        """Switch everything off."""
        self._note, self.run, self.verdict = "", None, None
        for name in list(self._undo):
            self._off(name)
        self.range_kind = "as opened"

    def close(self) -> None:
        """End the loop under way and switch everything off."""
        self.stop()
        self.reset()

    def plot(self, ax: Any = None) -> Any:
        """Draw which switch breaks which rule, each alone, and return the Axes. ValueError if nothing can be asked."""
        if self.port is None:
            raise ValueError(self.words)
        from .board_figure import draw_switches

        return draw_switches(self.port, self.testbed.kernel, self.table(), ax)

    def table(self) -> dict[str, Verdict]:
        """Return the verdict of each switch and each range, alone. What cannot be switched here is left out."""
        with self.testbed.sibling(self._opened) as place:
            return PreconditionBoard(place, self.port)._one_by_one()

    def _one_by_one(self) -> dict[str, Verdict]:
        found = {"nothing is switched": self.verdict}
        for name, words in SWITCHES.items():
            if self.switch(name, True):
                found[words] = self.verdict
            self.switch(name, False)
        for kind, words in list(RANGES.items())[1:]:
            if self.choose_range(kind):
                found[words] = self.verdict
            self.choose_range("as opened")
        return {words: verdict for words, verdict in found.items() if verdict is not None}

    def _change(self, act: Any) -> bool:
        if self.port is None or self.work.busy:
            return False
        self._note, self.run = "", None
        try:
            act()
            self._look()
        except OSError as reason:
            self._note = f"That cannot be: {reason.strerror}. Switch off what is in the way."
        except (ValueError, RuntimeError) as reason:
            self._note = f"That cannot be: {in_words(reason)}."
        self.work.changed()
        return not self._note

    def _look(self) -> None:
        self.verdict = self.testbed.check(self.port, self.host)

    def _set(self, name: str, on: bool) -> None:
        makers = {"listen": self.testbed.listen, "hold": self.testbed.hold, "reserve": self.testbed.reserve}
        if not on:
            self._off(name)
        elif name not in self._undo:  # what is kept is closed to switch it off
            self._undo[name] = makers[name](self.port) if name in makers else ExitStack()

    def _set_range(self, kind: str) -> None:
        self._off("range")
        self.range_kind = "as opened"
        if kind != "as opened":
            self._undo["range"] = self.testbed.use_range(self._range(kind))
            self.range_kind = kind

    def _range(self, kind: str) -> PortRange:
        assert self._opened is not None and self.port is not None
        if kind == "parity":
            low, high = self._opened.low + 1, self._opened.high + 1
            return PortRange(low, high) if high <= HIGHEST_PORT else PortRange(low - 2, high - 2)
        width = min(max(2, self._opened.width & ~1), 1_000)
        low = self.port + 2 if self.port + 1 + width <= HIGHEST_PORT else self.port - width
        return PortRange(low, low + width - 1)  # of the port's parity: so only one rule is broken

    def _off(self, name: str) -> None:
        if (undo := self._undo.pop(name, None)) is not None:
            try:
                undo.close()
            except RuntimeError as reason:  # the testbed was closed, and all of it is gone
                self._note = in_words(reason)

    def _dial(self) -> None:
        self._look()  # another board of this testbed, or a cell, may have changed how things stand
        run = self.testbed.connect_loop(
            self.port, self.host, max_tries=MOST_TRIES, timeout=DIAL_SECONDS, trace=True, progress=self.work.tick
        )
        run.close(reset=True)
        self.run = run


def _judged(verdict: Verdict) -> str:
    if verdict.can_loop:
        return f"{verdict.summary}."
    broken = f"{len(verdict.broken)} of {len(verdict.rules)} preconditions"
    return f"{verdict.host} port {verdict.port} cannot loop: {broken} do not hold."


def _dialled(run: Run) -> str:
    """How the loop went, and how often the kernel picked the dialled port as the source port."""
    count = run.trace.count(run.port) if run.trace else 0
    picked = {0: "never picked", 1: "picked once"}.get(count, f"picked {count} times")
    return f"The loop: {run.summary}. Source port {run.port} was {picked}."
