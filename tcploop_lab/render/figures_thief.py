"""The port thief as a timeline: who holds the port, what the server is told, from the crash to the restart."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..tcp.words import counted
from . import style

_SERVER, _PORT, _CLIENT = 2.0, 1.0, 0.0  # the lanes
_TALL = 0.5  # height of a bar
_LEAST = 0.03  # seconds: the crash stands at the tenth part of the first thing that is drawn after it
_BEFORE, _AFTER = 9, 4  # what comes before the crash and after the end, as factors of time
_ACROSS = 105  # characters from the left end of the axis to the right one
_TICKS = {0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min"}
_LABEL = {"color": style.INK, "bbox": {"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.0}}
_OURS, _THIEF, _WAIT = style.BLUE, style.ground(style.VERMILLION), style.ground(style.ORANGE)


@style.styled
def thief(result: Any, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the timeline of a port thief, in three lanes: the server, the port in the kernel's table, the client.

    Time is logarithmic, since the tries take milliseconds and TIME-WAIT takes a minute.
    """
    ax = style.figure(ax, size=(style.WIDEST, 5.2))
    drawing = _Timeline(ax, result)
    drawing.draw()
    style.set_titles(ax, title or _finding(result), _place(result))
    story = "; ".join(f"{event.at:.3f} s: {event.who} {event.what}" for event in result.events if event.at >= 0)
    words = f"{_finding(result)}. Timeline since the crash of the server; {_place(result)}. {story}."
    return style.set_alt(ax, words)


class _Timeline:
    def __init__(self, ax: Axes, result: Any) -> None:
        self.ax, self.result = ax, result
        self.crash = min(result.looped, _LEAST) / 10
        self.end = max(result.started or 0.0, result.last_attempt)
        self.left, self.right = self.crash / _BEFORE, self.end * _AFTER
        self.seen_until = self.right if result.started is not None else self.end  # nothing is drawn that was not seen

    def draw(self) -> None:
        """Draw all three lanes and the axis under them."""
        self._server()
        self._port()
        self._client()
        self._axis()

    def _bar(
        self, lane: float, begin: float, end: float, colour: str, text: str = "", tall: float = _TALL, **how: Any
    ) -> None:
        self.ax.barh(lane, end - begin, tall, left=begin, color=colour, edgecolor=style.PAPER, linewidth=1.2, **how)
        room = _ACROSS * math.log(end / begin) / math.log(self.right / self.left)  # in characters
        if text and room > max(map(len, text.split("\n"))):
            ink = style.text_on(colour)
            self.ax.text((begin * end) ** 0.5, lane, text, ha="center", va="center", fontsize=9, color=ink)

    def _note(self, x: float, lane: float, text: str, above: bool = True, **how: Any) -> None:
        offset, va = (_TALL / 2 + 0.05, "bottom") if above else (-_TALL / 2 - 0.05, "top")
        self.ax.text(x, lane + offset, text, va=va, fontsize=9, **{"ha": "center", **_LABEL, **how})

    def _server(self) -> None:
        seen = self.result
        self._bar(_SERVER, self.left, self.crash, _OURS, "listens")
        self._note(self.crash, _SERVER, "crashes")
        if seen.error:
            begin, end = seen.first_attempt, seen.started or seen.last_attempt
            self._bar(_SERVER, begin, end, style.PALE, hatch="///")
            failed = seen.attempts - (seen.started is not None)
            self._note(
                (begin * end) ** 0.5,
                _SERVER,
                f"{counted(failed, 'attempt')} to start, each: {seen.error}",
                color=style.ALERT,
            )
        if seen.started is not None:
            self._bar(_SERVER, seen.started, self.right, _OURS, "listens")
            self._note(seen.started, _SERVER, f"starts at {_time(seen.started)}", above=False)

    def _port(self) -> None:
        seen = self.result
        self._bar(_PORT, self.left, self.crash, _OURS, "LISTEN")
        self._bar(_PORT, self.crash, seen.looped, style.PAPER, "free")
        held_until = self.seen_until if seen.let_go is None else seen.let_go
        if seen.started is not None and held_until > seen.started:
            self._bar(_PORT + _TALL / 4, seen.started, self.right, _OURS, "LISTEN", _TALL / 2)
            self._bar(_PORT - _TALL / 4, seen.looped, self.right, _THIEF, "ESTABLISHED", _TALL / 2)
            return
        self._bar(_PORT, seen.looped, held_until, _THIEF, "ESTABLISHED,\nwith itself")
        if "TIME-WAIT" in seen.states:
            self._bar(_PORT, held_until, seen.started or self.end, _WAIT, "TIME-WAIT")
        if seen.started is not None:
            self._bar(_PORT, seen.started, self.right, _OURS, "LISTEN")

    def _client(self) -> None:
        seen = self.result
        self._bar(_CLIENT, self.left, self.crash, _OURS, "connected")
        self._bar(_CLIENT, self.crash, seen.looped, style.PALE, "dials, is refused")
        self._note(seen.looped, _CLIENT, f"{seen.tries - 1:,} x ECONNREFUSED", above=False, ha="right")
        self._note(seen.looped, _CLIENT, f"try {seen.tries:,} connects, at {_time(seen.looped)}")
        end = self.seen_until if seen.let_go is None else seen.let_go
        self._bar(_CLIENT, seen.looped, end, _THIEF, "talks to itself")
        if seen.let_go is not None:
            verb = "resets" if seen.ending == "resets" else "closes"
            self._note(seen.let_go, _CLIENT, f"{verb} at {_time(seen.let_go)}", above=False, ha="left")

    def _axis(self) -> None:
        ax = self.ax
        for moment in filter(None, (self.crash, self.result.looped, self.result.let_go, self.result.started)):
            ax.axvline(moment, color=style.GREY, linewidth=0.8, linestyle=(0, (3, 3)), zorder=0)
        ax.set_xscale("log")
        ax.set(xlim=(self.left, self.right), ylim=(-0.75, 2.75))
        ax.set_yticks([_SERVER, _PORT, _CLIENT], ["the server", f"port {self.result.port}", "its client"])
        ax.tick_params(axis="y", length=0, labelsize=10.5, labelcolor=style.INK)
        places = [self.crash, *(second for second in _TICKS if self.crash * 3 < second < self.right)]
        ax.xaxis.set_major_locator(FixedLocator(places))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _TICKS.get(x, "0")))
        ax.set_xlabel("time since the crash (logarithmic; what was before is not to scale)")
        ax.spines["left"].set_visible(False)


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _finding(result: Any) -> str:
    if not result.error:
        return "The server starts at once, although its client had taken the port"
    if result.restart_seconds is None:
        return f"Its own client took the port: the server cannot start, not even {result.waited:.0f} s later"
    return f"Its own client took the port: for {result.restart_seconds:.0f} s the server cannot start"


def _place(result: Any) -> str:
    options = {(False, False): "without SO_REUSEADDR", (True, True): "SO_REUSEADDR on both sides"}
    one = "SO_REUSEADDR on the client only" if result.client_reuse else "SO_REUSEADDR on the server only"
    who = options.get((result.client_reuse, result.server_reuse), one)
    return " · ".join((f"range {result.port_range}", who, result.label or f"live, {result.kernel}"))
