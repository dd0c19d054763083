"""RFC 9293's figure 5, drawn from the state table, with the way that a connection took through it.

Only the places of the states and the routes of the lines are given here. Which lines there are, and what
stands beside them, comes from the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from ..tcp.replay import End, Replay
from ..tcp.states import TRANSITIONS, State, Transition
from . import style
from .ladder import STATE_COLOURS

_Point = tuple[float, float]
_Pair = tuple[State, State]

_NAME = "The state diagram of RFC 9293, figure 5"
_SIZE = (8.6, 9.3)
BOX = (1.36, 0.5)  # of a state; the lines end at its edges
_CORNER = 0.22

PLACES: dict[State, _Point] = {
    State.CLOSED: (4.0, 0.85),
    State.LISTEN: (4.0, 2.25),
    State.SYN_RECEIVED: (1.38, 3.55),
    State.SYN_SENT: (6.62, 3.55),
    State.ESTABLISHED: (4.0, 4.8),
    State.FIN_WAIT_1: (1.38, 6.15),
    State.CLOSE_WAIT: (6.62, 6.15),
    State.FIN_WAIT_2: (1.38, 7.55),
    State.CLOSING: (4.0, 7.35),
    State.LAST_ACK: (6.62, 7.55),
    State.TIME_WAIT: (4.0, 8.65),
}


@dataclass(frozen=True)
class Route:
    """The corners of a line from one state to another, and where its label stands."""

    points: tuple[_Point, ...]
    label: _Point
    where: str = "above"  # "above", "below", "left" or "right" of that point

    @property
    def alignment(self) -> tuple[str, str]:
        """The label's horizontal and vertical alignment, so that it grows away from the line."""
        return {
            "above": ("center", "bottom"),
            "below": ("center", "top"),
            "left": ("right", "center"),
            "right": ("left", "center"),
        }[self.where]


_S = State
_EDGE, _RIGHT, _LEFT, _INNER = 8.42, 8.12, 0.1, 5.02  # the lanes of the long lines
_TOP = ((_EDGE, 0.3), (4.0, 0.3), (4.0, 0.6))  # the common end of the lines back to CLOSED
_BELOW = ((_INNER, 1.5), (4.5, 1.5), (4.5, 1.1))
# fmt: off
ROUTES: dict[_Pair, Route] = {
    (_S.CLOSED, _S.LISTEN): Route(((3.79, 1.1), (3.79, 2.0)), (3.68, 1.55), "left"),
    (_S.LISTEN, _S.CLOSED): Route(((4.21, 2.0), (4.21, 1.1)), (4.32, 1.62), "right"),
    (_S.CLOSED, _S.SYN_SENT): Route(((4.68, 0.95), (6.45, 0.95), (6.45, 3.3)), (5.58, 1.09), "below"),
    (_S.SYN_SENT, _S.CLOSED): Route(((6.87, 3.3), (6.87, 0.75), (4.68, 0.75)), (5.57, 0.67)),
    (_S.LISTEN, _S.SYN_SENT): Route(((4.68, 2.25), (6.12, 2.25), (6.12, 3.3)), (5.45, 2.17)),
    (_S.LISTEN, _S.SYN_RECEIVED): Route(((3.32, 2.35), (1.59, 2.35), (1.59, 3.3)), (2.46, 2.44), "below"),
    (_S.SYN_RECEIVED, _S.LISTEN): Route(((1.17, 3.3), (1.17, 2.15), (3.32, 2.15)), (2.31, 2.07)),
    (_S.SYN_SENT, _S.SYN_RECEIVED): Route(((5.94, 3.55), (2.06, 3.55)), (4.0, 3.47)),
    (_S.SYN_RECEIVED, _S.ESTABLISHED): Route(((1.72, 3.8), (1.72, 4.8), (3.32, 4.8)), (2.6, 4.72)),
    (_S.SYN_SENT, _S.ESTABLISHED): Route(((6.28, 3.8), (6.28, 4.8), (4.68, 4.8)), (5.43, 4.72)),
    (_S.SYN_RECEIVED, _S.FIN_WAIT_1): Route(((1.04, 3.8), (1.04, 5.9)), (0.94, 4.85), "left"),
    (_S.ESTABLISHED, _S.FIN_WAIT_1): Route(((3.75, 5.05), (3.75, 6.05), (2.06, 6.05)), (2.78, 5.97)),
    (_S.ESTABLISHED, _S.CLOSE_WAIT): Route(((4.34, 5.05), (4.34, 6.15), (5.94, 6.15)), (5.22, 6.07)),
    (_S.FIN_WAIT_1, _S.FIN_WAIT_2): Route(((1.21, 6.4), (1.21, 7.3)), (1.1, 6.82), "left"),
    (_S.FIN_WAIT_1, _S.CLOSING): Route(((2.06, 6.27), (4.0, 6.27), (4.0, 7.1)), (2.86, 6.41), "below"),
    (_S.CLOSE_WAIT, _S.LAST_ACK): Route(((6.62, 6.4), (6.62, 7.3)), (6.51, 6.82), "left"),
    (_S.FIN_WAIT_2, _S.TIME_WAIT): Route(((1.38, 7.8), (1.38, 8.65), (3.32, 8.65)), (2.4, 8.57)),
    (_S.CLOSING, _S.TIME_WAIT): Route(((4.0, 7.6), (4.0, 8.4)), (4.11, 8.1), "right"),
    (_S.LAST_ACK, _S.CLOSED): Route(((7.3, 7.55), (_EDGE, 7.55), *_TOP), (7.84, 7.47)),
    (_S.TIME_WAIT, _S.CLOSED): Route(((4.68, 8.65), (_EDGE, 8.65), *_TOP), (6.28, 8.57)),
    # Lines that figure 5 leaves out, drawn only where a connection took them.
    (_S.FIN_WAIT_1, _S.TIME_WAIT): Route(((2.01, 6.4), (3.37, 8.4)), (2.92, 8.19), "left"),
    (_S.SYN_RECEIVED, _S.CLOSED): Route(
        ((2.06, 3.4), (3.04, 3.4), (3.04, 0.85), (3.32, 0.85)), (2.98, 1.45), "left"),
    (_S.ESTABLISHED, _S.CLOSED): Route(
        ((4.42, 4.55), (4.42, 4.11), (_INNER, 4.11), *_BELOW), (5.1, 2.92), "right"),
    (_S.CLOSING, _S.CLOSED): Route(((4.68, 7.35), (_INNER, 7.35), *_BELOW), (5.1, 2.92), "right"),
    (_S.FIN_WAIT_1, _S.CLOSED): Route(((0.7, 6.15), (_LEFT, 6.15), (_LEFT, 0.85), (3.32, 0.85)), (1.72, 0.77)),
    (_S.FIN_WAIT_2, _S.CLOSED): Route(((0.7, 7.55), (_LEFT, 7.55), (_LEFT, 0.85), (3.32, 0.85)), (1.72, 0.77)),
    (_S.CLOSE_WAIT, _S.CLOSED): Route(
        ((7.3, 6.15), (_RIGHT, 6.15), (_RIGHT, 0.45), (4.42, 0.45), (4.42, 0.6)), (8.01, 5.51), "left"),
    (_S.TIME_WAIT, _S.SYN_RECEIVED): Route(
        ((3.32, 8.8), (_LEFT, 8.8), (_LEFT, 3.55), (0.7, 3.55)), (2.05, 8.88), "below"),
}
# fmt: on
_DRAWN = frozenset((row.state, row.after) for row in TRANSITIONS if row.figure5)


def state_diagram(
    path: Replay | End | Iterable[State | Transition] = (), ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw the state diagram, and return its Axes.

    `path` is the way to highlight, its lines numbered in order: states one after the other, or transitions,
    or an end of a replay, or a replay (its first end). Raises ValueError where the table has no such way.
    """
    return _draw(_transitions(path), ax, title)


def _transitions(path: Replay | End | Iterable[State | Transition]) -> tuple[Transition, ...]:
    if isinstance(path, Replay):
        path = path.ends[0] if path.ends else ()
    items: list[Any] = list(path.transitions if isinstance(path, End) else path)
    rows = [item for item in items if isinstance(item, Transition)]
    if not rows:  # states
        rows = [_between(State(a), State(b)) for a, b in pairwise(items)]
    return tuple(row for row in rows if row.changes)


def _between(state: State, after: State) -> Transition:
    leaving = [row for row in TRANSITIONS if row.state is state and (row.changes or after is state)]
    rows = [row for row in leaving if row.after is after]
    if not rows:
        ways = ", ".join(dict.fromkeys(row.after for row in leaving))
        raise ValueError(f"path: RFC 9293 has no way from {state} to {after}; from there it leads to {ways}")
    return max(rows, key=lambda row: row.figure5)


@style.styled
def _draw(taken: Sequence[Transition], ax: Axes | None, title: str | None) -> Axes:
    ax = style.figure(ax, size=_SIZE)
    notes = "\n".join(fill(f"{number}: {row.note}", 100) for number, row in enumerate(taken, start=1) if row.note)
    ax.set(xlim=(0, _SIZE[0]), ylim=(_SIZE[1] + 0.2 * notes.count("\n"), 0.1))
    ax.axis("off")
    ax.set_title(title or "The states of a TCP connection (RFC 9293, figure 5)")
    visited = {state for row in taken for state in (row.state, row.after)} if taken else set(State)
    for state, place in PLACES.items():
        _draw_state(ax, state, place, state in visited)
    way: dict[_Pair, list[tuple[int, Transition]]] = {}
    for number, row in enumerate(taken, start=1):
        way.setdefault((row.state, row.after), []).append((number, row))
    for row in TRANSITIONS:
        if row.figure5 and (row.state, row.after) not in way:
            _draw_line(ax, [row], style.GREY if taken else style.INK, strong=False)
    for steps in way.values():
        _draw_line(ax, [row for _, row in steps], style.BLUE, strong=True)
        _draw_numbers(ax, steps)
    ax.text(_LEFT, _SIZE[1] - 0.2, notes, fontsize=9, color=style.GREY, va="top", linespacing=1.5)
    return style.set_alt(ax, _alt(taken))


def _draw_state(ax: Axes, state: State, place: _Point, visited: bool) -> None:
    (x, y), (width, height) = place, BOX
    colour = STATE_COLOURS[state] if visited else style.PAPER
    edge = style.INK if visited else style.GREY
    look: dict[str, Any] = {"facecolor": colour, "edgecolor": edge, "linewidth": 1.2, "zorder": 5}
    corner, shape = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.12"
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, **look))
    text: dict[str, Any] = {"color": style.text_on(colour), "fontweight": "bold"} if visited else {"color": style.GREY}
    ax.text(x, y, state, ha="center", va="center", fontsize=10.5, zorder=6, **text)


def _rounded(points: Sequence[_Point]) -> Path:
    """A path along `points` with rounded corners."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        vertices += [_towards(corner, before), corner, _towards(corner, after)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _towards(start: _Point, end: _Point) -> _Point:
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    share = min(_CORNER, length / 2) / length
    return (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))


def _label(row: Transition, where: str) -> str:
    """The event and the reply; beside an upright line one above the other."""
    reply = f"snd {row.reply}" if row.reply else ""
    return (" / " if where in ("above", "below") else "\n").join(filter(None, (row.event, reply)))


def _draw_line(ax: Axes, rows: Sequence[Transition], colour: str, strong: bool) -> None:
    """Draw the line from one state to another, labelled with `rows`, all of them between these two."""
    pair = (rows[0].state, rows[0].after)
    route = ROUTES[pair]
    look: dict[str, Any] = {"linewidth": 3.2, "zorder": 3} if strong else {"linewidth": 1.1, "zorder": 2}
    look["linestyle"] = "solid" if pair in _DRAWN else (0, (3, 1.5))
    head = "-|>,head_length=7,head_width=3.5" if strong else "-|>,head_length=5,head_width=2.5"
    ax.add_patch(FancyArrowPatch(path=_rounded(route.points), color=colour, arrowstyle=head, **look))
    text = "\n".join(dict.fromkeys(_label(row, route.where) for row in rows))
    ha, va = route.alignment
    ink: dict[str, Any] = {"color": colour, "fontweight": "bold" if strong else "normal", "fontsize": 9}
    behind: dict[str, Any] = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.5}
    ax.text(*route.label, text, ha=ha, va=va, zorder=4, bbox=behind, **ink)


def _draw_numbers(ax: Axes, steps: Sequence[tuple[int, Transition]]) -> None:
    """Number the line where it leaves its state, once for each time it was taken."""
    route = ROUTES[steps[0][1].state, steps[0][1].after]
    (x, y), (to_x, to_y) = route.points[:2]
    length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
    for place, (number, _) in enumerate(steps):
        share = (0.3 + 0.36 * place) / length
        spot = (x + share * (to_x - x), y + share * (to_y - y))
        ax.plot(*spot, marker="o", markersize=15, color=style.BLUE, markeredgecolor=style.PAPER, zorder=7)
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "fontweight": "bold"}
        ax.text(*spot, str(number), color=style.text_on(style.BLUE), zorder=8, **look)


def _alt(taken: Sequence[Transition]) -> str:
    drawn = [row for row in TRANSITIONS if row.figure5]
    if not taken:
        lines = "; ".join(row.name for row in drawn)
        return f"{_NAME}: {len(State)} states, {len(drawn)} transitions. {lines}."
    numbered = enumerate(taken, start=1)
    steps = "; ".join(f"{number}: {row.name}, section {row.section}" for number, row in numbered)
    return f"{_NAME}, with a way of {len(taken)} transitions highlighted. {steps}."
