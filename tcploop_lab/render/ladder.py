"""A ladder diagram: time runs down, two lifelines, an arrow for each segment, the states as they change.

For a self-connection both lifelines are one socket: on the left it sends, on the right it receives. Lengths
are in inches of a figure drawn at its own size.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ..results.shown import enumerated
from ..tcp.replay import End, Replay, Step
from ..tcp.replay import replay as replay_segments
from ..tcp.segments import Segment
from ..tcp.states import Event, State
from ..tcp.words import (
    Numbers,
    counted,
    flag_words,
    number_words,
    option_words,
    payload_words,
    replay_sentence,
    sack_words,
    step_sentence,
)
from . import style

STATE_COLOURS = {
    State.CLOSED: "#D0D0D0",
    State.LISTEN: "#EFEFEF",
    State.SYN_SENT: style.ground(style.ORANGE),
    State.SYN_RECEIVED: style.YELLOW,
    State.ESTABLISHED: style.ground(style.GREEN),
    State.FIN_WAIT_1: style.ground(style.SKY_BLUE),
    State.FIN_WAIT_2: style.ground(style.SKY_BLUE),
    State.CLOSE_WAIT: style.BLUE,
    State.CLOSING: style.ground(style.PURPLE),
    State.LAST_ACK: style.BLUE,
    State.TIME_WAIT: style.ground(style.VERMILLION),
}

_WIDTH = style.WIDEST
_MOST = 100  # segments; a figure of more takes minutes, and nobody reads it
_LINE = (1.6, 7.0)  # the lifelines
_BADGE = (0.64, 7.96)  # the middle of the state badges
_WIDE, _HIGH = 1.2, 0.26  # a badge; at its inner edge stand the times, below it where there is one
_TOP = 0.95  # room for the names
_SLOPE = 0.26  # how far an arrow falls
_TEXT = 0.185  # a line of text
_NEAR = 0.22  # between two things that happen at about the same time
_BELOW = 0.25  # how far below the middle of a badge a time stands
_BESIDE = 60  # characters of numbers and data in one line
# Text stays readable over an arrow.
_BEHIND: dict[str, Any] = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.6}
_COLUMNS, _HALF = 74, 36  # characters in a line of small print: across, and where two labels stand side by side


def ladder(
    segments: Sequence[Segment],
    replay: Replay | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    relative: bool = True,
    received: Mapping[int, float] | None = None,
    label: str = "",
    under_way: Collection[int] = (),
) -> Axes:
    """Draw `segments` of one connection as a ladder diagram and return its Axes.

    `replay` holds the states (None: they are worked out), `received` the times of arrival in seconds by
    position in `segments`, where they are known. With `relative`, numbers count from x and y. A `label`, such as where
    the segments come from, stands below the title and in the alternative text; `under_way` lists the positions of those
    that are still on the way. Of very many segments the first are drawn, and the label says so.
    Raises ValueError for no segments, or for segments of several connections.
    """
    segments = tuple(segments)
    if len(segments) > _MOST:
        part = f"the first {_MOST} of {counted(len(segments), 'segment')}"
        label = "; ".join(filter(None, (label, part)))
        segments, replay = segments[:_MOST], None
    found = replay or replay_segments(segments, received=received)
    if not segments:
        raise ValueError("segments: there are none to draw; capture a connection first")
    if len(found.ends) > 2:
        ports = enumerated(sorted(map(str, {end.port for end in found.ends})), first=6, last=1)
        raise ValueError(f"segments: a ladder shows one connection, these use the ports {ports}; choose two")
    return _draw(_Layout(segments, found, relative, received or {}, under_way), title, ax, label)


@style.styled
def _draw(layout: _Layout, title: str | None, ax: Axes | None, label: str) -> Axes:
    ax = style.figure(ax, size=(_WIDTH, layout.height + 0.6))
    ax.set(xlim=(0, _WIDTH), ylim=(layout.height, 0))
    ax.axis("off")
    name = _default_title(layout.replay, bool(layout.under_way)) if title is None else title
    style.set_titles(ax, name, label)
    _draw_names(ax, layout)
    _draw_lifelines(ax, layout)
    for index, step in enumerate(layout.replay.steps):
        _draw_segment(ax, layout, index, step)
    if layout.relative:
        ax.text(0.05, layout.height - 0.12, layout.legend, fontsize=8.5, color=style.GREY, va="center")
    return style.set_alt(ax, _alt(layout, label))


def _default_title(replay: Replay, unfinished: bool) -> str:
    count = counted(len(replay.steps), "segment")
    if replay.kind == "self-connection":
        return f"Self-connection: {count}, one socket"
    return f"{replay.kind.capitalize() or 'Exchange'}{' so far' if unfinished else ''}: {count}"


class _Layout:
    """Where everything goes: for each segment its sides (0 left, 1 right) and the heights of its two ends."""

    def __init__(
        self,
        segments: tuple[Segment, ...],
        replay: Replay,
        relative: bool,
        received: Mapping[int, float],
        under_way: Collection[int],
    ) -> None:
        self.segments, self.replay, self.relative, self.received = segments, replay, relative, received
        self.under_way = under_way
        self.numbers = Numbers(segments, relative)
        self.moments = replay.moments
        self.changes = state_changes(replay)
        self.tail: dict[int, float] = {}
        self.head: dict[int, float] = {}
        self.height = self._place() + 0.75

    @property
    def legend(self) -> str:
        """What x and y are."""
        names = {(end.address, end.port): end.name for end in self.replay.ends}
        return self.numbers.legend(names)

    def crosses(self, index: int) -> bool:
        """True if something else happens while the segment is on its way, or if it has not arrived."""
        if self.replay.steps[index].lost:
            return True
        departure = self.moments.index((index, False))
        return (index, True) in self.moments[departure + 2 :]

    def lines(self, index: int) -> list[str]:
        """The small print of a segment."""
        segment, small = self.segments[index], []
        if self.relative:
            small.append(number_words(segment))
        small += option_words(segment)
        parts = [payload_words(segment)] if segment.payload and not self._has_room(index) else []
        if not self.crosses(index):
            return parts + _pack(small, _COLUMNS)
        return parts + _pack([part for item in small for part in item.split(", ")], _HALF)

    def headline(self, index: int) -> str:
        """Flags, numbers and, where there is room for them, the data."""
        return self._headline(index, self._has_room(index))

    def _headline(self, index: int, data: bool) -> str:
        segment = self.segments[index]
        parts = (flag_words(segment.flags), number_words(segment, self.numbers), payload_words(segment) * data)
        return "   ".join(filter(None, parts))

    def _has_room(self, index: int) -> bool:
        """True if the data stand beside the numbers: they are short, and no other label is there."""
        return len(self._headline(index, data=True)) <= _BESIDE and not self.crosses(index)

    def remarks(self, index: int) -> list[tuple[str, str]]:
        """What stands out in a segment, with its colour: a D-SACK, a duplicate, loss, impossibility."""
        step = self.replay.steps[index]
        note = "" if step.note.startswith("answers") else step.note
        fate = "" if not step.lost else "still on the way" if index in self.under_way else "lost on the way"
        bad = f"impossible: {step.impossible}" if step.impossible else fate
        sack = sack_words(self.segments[index], self.numbers)
        texts = ((sack, style.BLUE), (note, style.BLUE), (bad, style.ALERT))
        columns = _HALF if self.crosses(index) else 70
        return [(line, colour) for text, colour in texts for line in wrap(text, columns)]

    def _room(self, position: int) -> float:
        """How much space a departure needs above it; where both ends send at once, the larger of the two."""
        rows = []
        for place in range(position, len(self.moments)):
            index, arrives = self.moments[place]
            if arrives or (place > position and not self._answers_at_once(place)):
                break
            rows.append(1.25 + len(self.lines(index)) * 0.85 + len(self.remarks(index)))
        return max(rows) * _TEXT

    def _answers_at_once(self, position: int) -> bool:
        """True for a departure right after one of the other end: the two labels stand side by side."""
        (before, arrived), (index, arrives) = self.moments[position - 1 : position + 1]
        return not arrived and not arrives and self.replay.side(before) != self.replay.side(index)

    def _place(self) -> float:
        y, under_way, last, beside = _TOP, 0, False, False
        for position, (index, arrives) in enumerate(self.moments):
            if arrives:
                again = last and self.replay.side(self.moments[position - 1][0]) == self.replay.side(index)
                y += _NEAR + _BELOW * again if last else _SLOPE * (1 if under_way == 1 and not beside else 3)
                self.head[index] = y
            elif beside := position > 0 and self._answers_at_once(position):
                y += _NEAR
                self.tail[index] = y
            else:
                y += self._room(position) + 0.28
                self.tail[index] = y
            under_way += -1 if arrives else int((index, True) in self.moments)
            last = arrives
        for index in self.tail:
            self.head.setdefault(index, self.tail[index] + _SLOPE)
        return max([y, *self.head.values()])


def _pack(items: Sequence[str], columns: int) -> list[str]:
    """Join `items` to lines of at most `columns` characters, never breaking an item."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + 3 + len(item) <= columns:
            lines[-1] += f" · {item}"
        else:
            lines.append(item)
    return lines


def state_changes(found: Replay) -> dict[tuple[int, bool], State]:
    """Return the moments at which the state of a lifeline changes, and its state from then on."""
    changes, state = {}, [found.first_state(0), found.first_state(1)]
    for index, arrives in found.moments:
        step, side = found.steps[index], found.side(index) ^ arrives
        after = step.receiver_after if arrives else step.sender_after
        if after is not state[side]:
            changes[index, arrives] = after
            for changed in (0, 1) if found.one_socket else (side,):
                state[changed] = after
    return changes


def _draw_names(ax: Axes, layout: _Layout) -> None:
    ends = layout.replay.ends
    if layout.replay.one_socket:
        names = [("the socket, sending", ends[0].name), ("the same socket, receiving", ends[0].name)]
    else:
        names = [(end.name, _role(end)) for end in ends]
    for x, (name, where) in zip(_LINE, names, strict=True):
        ax.text(x, 0.12, name, ha="center", va="center", fontsize=12, fontweight="bold")
        ax.text(x, 0.36, where, ha="center", va="center", fontsize=9.5, color=style.GREY)
    for side in (0, 1):
        _badge(ax, _LINE[side], 0.72, layout.replay.first_state(side), link=None)


def _role(end: End) -> str:
    """How an end came to be there, and its address if its name does not say it."""
    roles = {Event.PASSIVE_OPEN: "listens", Event.ACTIVE_OPEN: "connects"}
    role = next((roles[row.event] for row in end.transitions if row.event in roles), "nobody listens")
    return role if str(end.port) in end.name else f"{end.address} port {end.port}, {role}"


def _badge(ax: Axes, x: float, y: float, state: State, link: float | None) -> None:
    """A box with the name of a state, tied to the lifeline at `link`."""
    colour = STATE_COLOURS[state]
    shape = "round,pad=0.02,rounding_size=0.12"
    if link is not None:
        ax.plot([x, link], [y, y], color=colour, linewidth=2, zorder=1, solid_capstyle="butt")
    corner = (x - _WIDE / 2, y - _HIGH / 2)
    look: dict[str, Any] = {"facecolor": colour, "edgecolor": style.INK, "linewidth": 0.8, "zorder": 5}
    ax.add_patch(FancyBboxPatch(corner, _WIDE, _HIGH, boxstyle=shape, **look))
    ink = style.text_on(colour)
    ax.text(x, y, state, ha="center", va="center", fontsize=8.8, fontweight="bold", color=ink, zorder=6)


def _draw_lifelines(ax: Axes, layout: _Layout) -> None:
    """Colour each lifeline by the state of its end, and mark each change with a badge."""
    state, since = [layout.replay.first_state(0), layout.replay.first_state(1)], [0.87, 0.87]
    for (index, arrives), after in layout.changes.items():
        side = layout.replay.side(index) ^ arrives
        y = layout.head[index] if arrives else layout.tail[index]
        _badge(ax, _BADGE[side], y, after, link=_LINE[side])
        for changed in (0, 1) if layout.replay.one_socket else (side,):
            _bar(ax, _LINE[changed], since[changed], y, state[changed])
            since[changed], state[changed] = y, after
    for side in (0, 1):
        _bar(ax, _LINE[side], since[side], layout.height - 0.35, state[side])


def _bar(ax: Axes, x: float, top: float, bottom: float, state: State) -> None:
    ax.plot([x, x], [top, bottom], color=style.INK, linewidth=7.5, solid_capstyle="butt", zorder=2)
    ax.plot([x, x], [top, bottom], color=STATE_COLOURS[state], linewidth=6, solid_capstyle="butt", zorder=2)


def _draw_segment(ax: Axes, layout: _Layout, index: int, step: Step) -> None:
    side = layout.replay.side(index)
    start, end = (_LINE[side], layout.tail[index]), (_LINE[1 - side], layout.head[index])
    if step.lost:
        end = (start[0] + 0.6 * (end[0] - start[0]), start[1] + 0.6 * (end[1] - start[1]))
        if index not in layout.under_way:
            ax.plot(*end, marker="x", markersize=9, markeredgewidth=2.5, color=style.VERMILLION, zorder=6)
    look: dict[str, Any] = {"color": style.INK, "linewidth": 1.8}
    if step.impossible:
        look = {"color": style.VERMILLION, "linewidth": 1.8, "linestyle": (0, (4, 3))}
    arrow = {"arrowstyle": "-|>,head_length=0.7,head_width=0.3", "shrinkA": 4, "shrinkB": 4, **look}
    ax.annotate("", end, start, arrowprops=arrow, zorder=3)
    _draw_label(ax, layout, index)
    _draw_times(ax, layout, index, step)


def _draw_label(ax: Axes, layout: _Layout, index: int) -> None:
    """Write the segment above its arrow: near its tail if another arrow crosses it, else in the middle."""
    side = layout.replay.side(index)
    x, align = sum(_LINE) / 2, "center"
    if layout.crosses(index):
        x, align = (_LINE[0] + 0.2, "left") if side == 0 else (_LINE[1] - 0.2, "right")
    y = layout.tail[index] - 0.03
    look: dict[str, Any] = {"ha": align, "va": "bottom", "zorder": 4, "bbox": _BEHIND}
    for remark, colour in reversed(layout.remarks(index)):
        ax.text(x, y, remark, fontsize=9.2, color=colour, fontweight="bold", **look)
        y -= _TEXT
    for line in reversed(layout.lines(index)):
        ax.text(x, y, line, fontsize=8.5, color=style.GREY, **look)
        y -= _TEXT * 0.85
    ax.text(x, y, layout.headline(index), fontsize=11, fontweight="bold", **look)


def _draw_times(ax: Axes, layout: _Layout, index: int, step: Step) -> None:
    side = layout.replay.side(index)
    shown = [(False, layout.tail[index], step.segment.time)]
    if index in layout.received:
        shown.append((True, layout.head[index], layout.received[index]))
    for arrives, y, time in shown:
        column, below = side ^ arrives, _BELOW * ((index, arrives) in layout.changes)
        x, align = (_BADGE[0] + _WIDE / 2, "right") if column == 0 else (_BADGE[1] - _WIDE / 2, "left")
        ax.text(x, y + below, _time(layout, time), ha=align, va="center", fontsize=8.8, color=style.GREY)


def _time(layout: _Layout, time: float) -> str:
    """Microseconds since the first segment."""
    return f"{(time - layout.segments[0].time) * 1e6:,.0f} µs"


def _alt(layout: _Layout, label: str) -> str:
    sentences = [replay_sentence(layout.replay)]
    for index, step in enumerate(layout.replay.steps):
        time = _time(layout, step.segment.time)
        sentences.append(step_sentence(index + 1, step, layout.numbers, time, index in layout.under_way))
    return " ".join([f"Ladder diagram, {label}." if label else "Ladder diagram.", *sentences])
