"""Several exchanges beside each other: small ladders with flags, numbers and states, to compare at a glance.

Options, absolute numbers and times are left to the ladder of each one (`ladder.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from ..results.run import labelled
from ..tcp.replay import Replay
from ..tcp.segments import Segment
from ..tcp.states import State
from ..tcp.words import Numbers, counted, flag_words, number_words, payload_words
from . import style
from .ladder import STATE_COLOURS, state_changes

_COLUMNS, _WIDTH = 2, style.WIDEST / 2  # ladders in a row, inches of one
_LINE = (1.15, 3.15)
_TOP, _MOMENT = 0.95, 0.34  # inches
_SMALL = 9


@style.styled
def side_by_side(exchanges: Mapping[str, Any]) -> Any:
    """Draw the exchanges as small ladders, two in a row, under their names, and return the figure.

    An exchange is anything with `segments` and `replayed`; one with a `label`, such as a recorded one, shows it.
    Raises ValueError for none.
    """
    if not exchanges:
        raise ValueError("exchanges: there are none to compare; make some, as with four_exchanges(testbed)")
    shown = {name: (one.segments, one.replayed, getattr(one, "label", "")) for name, one in exchanges.items()}
    rungs = {name: _rungs(found) for name, (_, found, _) in shown.items()}
    rows = [list(shown)[place : place + _COLUMNS] for place in range(0, len(shown), _COLUMNS)]
    heights = [max(max(rungs[name].values(), default=_TOP) for name in row) + 0.3 for row in rows]
    size = (_WIDTH * _COLUMNS, sum(heights) + 0.5 * len(rows))
    fig = plt.figure(FigureClass=style.LabFigure, figsize=size, layout="constrained")
    grid = fig.add_gridspec(len(rows), _COLUMNS, height_ratios=heights)
    for place, name in enumerate(shown):
        row = place // _COLUMNS
        ax = fig.add_subplot(grid[row, place % _COLUMNS], axes_class=style.LabAxes)
        ax.set(xlim=(0, _WIDTH), ylim=(heights[row], 0))
        ax.axis("off")
        _draw(ax, name, *shown[name], rungs[name])
    return fig


def _draw(
    ax: Axes,
    name: str,
    segments: tuple[Segment, ...],
    found: Replay,
    label: str,
    rungs: Mapping[tuple[int, bool], float],
) -> None:
    many = counted(len(segments), "segment")
    ax.set_title(f"{_title(name, found)}: {many}", fontsize=12)
    ax.text(0.02, 0.06, label, fontsize=8.5, color=style.GREY, va="center")
    ends = ["the socket", "the same socket"] if found.one_socket else [end.name for end in found.ends]
    for x, end in zip(_LINE, ends, strict=False):
        ax.text(x, 0.36, end, ha="center", va="center", fontsize=10, fontweight="bold")
    _draw_lines(ax, found, rungs)
    numbers = Numbers(segments)
    for index, segment in enumerate(segments):
        _draw_arrow(ax, found, index, rungs, _words(segment, numbers, _crossed(found, index)))
    style.set_alt(ax, _alt(name, segments, found, label))


def _title(name: str, found: Replay) -> str:
    """The name as it is, or the kind of exchange where the name is short for it: "refused" for a refused try."""
    known = found.kind.replace("-", " ").startswith(name.replace("-", " "))
    words = found.kind if known else name
    return f"{words[:1].upper()}{words[1:]}"


def _rungs(found: Replay) -> dict[tuple[int, bool], float]:
    """The height of every departure and arrival; what departs right after the other end's shares its height."""
    y, rungs, before = _TOP, {}, None
    for index, arrives in found.moments:
        beside = before is not None and before[1] is arrives and found.side(before[0]) != found.side(index)
        y += 0.0 if beside else _MOMENT * (1.0 if arrives else 1.8 if _crossed(found, index) else 1.3)
        rungs[index, arrives] = y
        before = None if beside else (index, arrives)
    return rungs


def _draw_lines(ax: Axes, found: Replay, rungs: Mapping[tuple[int, bool], float]) -> None:
    """Colour the lifelines by state, and name each state where it begins."""
    bottom = max(rungs.values(), default=_TOP) + 0.2
    state, since = [found.first_state(side) for side in (0, 1)], [0.52, 0.52]
    for side in (0, 1):
        _name(ax, side, 0.62, state[side])
    for (index, arrives), after in state_changes(found).items():
        side, y = found.side(index) ^ arrives, rungs[index, arrives]
        _name(ax, side, y, after)
        for changed in (0, 1) if found.one_socket else (side,):
            _bar(ax, changed, since[changed], y, state[changed])
            since[changed], state[changed] = y, after
    for side in (0, 1):
        _bar(ax, side, since[side], bottom, state[side])


def _name(ax: Axes, side: int, y: float, state: State) -> None:
    colour = STATE_COLOURS[state]
    look = {"facecolor": colour, "edgecolor": style.INK, "linewidth": 0.5, "boxstyle": "round,pad=0.2"}
    x, align = (_LINE[0] - 0.1, "right") if side == 0 else (_LINE[1] + 0.1, "left")
    ax.text(x, y, state, ha=align, va="center", fontsize=8.5, color=style.text_on(colour), bbox=look, zorder=5)


def _bar(ax: Axes, side: int, top: float, bottom: float, state: State) -> None:
    for width, colour in ((5, style.INK), (4, STATE_COLOURS[state])):
        ax.plot([_LINE[side]] * 2, [top, bottom], color=colour, linewidth=width, solid_capstyle="butt", zorder=2)


def _draw_arrow(ax: Axes, found: Replay, index: int, rungs: Mapping[tuple[int, bool], float], words: str) -> None:
    side = found.side(index)
    start = (_LINE[side], rungs[index, False])
    end = (_LINE[1 - side], rungs.get((index, True), start[1] + 0.1))
    arrow = {"arrowstyle": "-|>,head_length=0.5,head_width=0.22", "shrinkA": 2, "shrinkB": 2, "linewidth": 1.2}
    ax.annotate("", end, start, arrowprops={**arrow, "color": style.INK}, zorder=3)
    crossed = _crossed(found, index)
    beside = (start[0] + (0.1 if side == 0 else -0.1), ("left", "right")[side])
    x, align = beside if crossed else (sum(_LINE) / 2, "center")
    y = start[1] - 0.03 if crossed else start[1] + 0.02
    behind = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.3}
    ax.text(x, y, words, ha=align, va="bottom", fontsize=_SMALL, bbox=behind, zorder=4)


def _crossed(found: Replay, index: int) -> bool:
    """True if something else happens while the segment is on its way."""
    place = found.moments.index((index, False))
    return found.moments[place + 1 : place + 2] != ((index, True),)


def _words(segment: Segment, numbers: Numbers, crossed: bool) -> str:
    """Flags and numbers; the data where there is room, and one below the other where another label is beside it."""
    written = number_words(segment, numbers)
    if crossed:
        return "\n".join((flag_words(segment.flags), *written.split(", ")))
    data = f"{payload_words(segment)}\n" if segment.payload else ""
    return f"{flag_words(segment.flags)}  {data}{written}"


def _alt(name: str, segments: tuple[Segment, ...], found: Replay, label: str) -> str:
    flags = ", ".join(f"{step.sender} {flag_words(step.segment.flags)}" for step in found.steps)
    ways = "; ".join(f"{end.name}: {' to '.join(end.path)}" for end in found.ends)
    title = labelled(_title(name, found), label)
    return f"{title}, {counted(len(segments), 'segment')}: {flags}. States: {ways}."
