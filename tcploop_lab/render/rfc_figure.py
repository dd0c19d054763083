"""An RFC's own picture of an opening or a close, line by line as printed, beside a captured exchange.

The RFCs draw a segment twice where it takes long: as it leaves and as it arrives. Such lines are marked. In a
self-connection they are one moment, and the lines of the other end are nobody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes

from ..tcp.replay import replay
from ..tcp.rfc_figures import Line, RfcFigure
from ..tcp.segments import Segment
from ..tcp.words import Numbers, flag_words, number_words
from . import style

_WIDTH, _ROW, _TOP = style.WIDEST, 0.29, 0.4  # inches
_LEFT, _ENDS = 0.05, (0.28, 4.59)  # the columns of the states
_MARK, _CAPTURED = 5.58, 5.85  # where the marks of pairs stand, and what was captured
_SMALL: dict[str, Any] = {"fontsize": 9.2, "va": "center"}
_PAIRS = (style.BLUE, style.ALERT)


@dataclass(frozen=True)
class Match:
    """A segment of the figure: the numbers of its lines, and its position among those captured (None: not there)."""

    lines: tuple[float, ...]
    line: Line
    captured: int | None


def match(figure: RfcFigure, segments: Sequence[Segment]) -> tuple[Match, ...]:
    """Return each segment of the figure with the captured one that is like it: same end, same flags, same order."""
    own = bool(segments) and segments[0].to_itself
    part = _part(figure, segments)
    free = list(part)
    matches = []
    for line in [line for line in figure.lines if line.departs]:
        partner = [b for a, b in figure.coincide if a == line.number]
        gone = own and line.number in figure.vanish
        like = (place for place in free if not gone and _alike(line, segments[part.start], segments[place]))
        at = next(like, None)
        if at is not None:
            free.remove(at)
        matches.append(Match((line.number, *partner), line, at))
    return tuple(matches)


def _part(figure: RfcFigure, segments: Sequence[Segment]) -> range:
    """The positions among which the figure's segments are looked for. A close begins with the first FIN."""
    fins = (place for place, one in enumerate(segments) if "F" in one.flags)
    return range(next(fins, len(segments)) if figure.closes else 0, len(segments))


def _alike(line: Line, first: Segment, one: Segment) -> bool:
    """True if `one` is like the line's segment. A is who sends the first segment."""
    sender = "A" if (one.src, one.sport) == (first.src, first.sport) else "B"
    flags = {flag for flag in one.flags if flag in "SAFR"}  # PSH and those of ECN make no other segment
    return flags == set(line.flags) and bool(one.payload) == line.data and (one.to_itself or sender == line.sender)


@style.styled
def rfc_figure(figure: RfcFigure, exchange: Any = None, ax: Axes | None = None) -> Axes:
    """Draw `figure` as the RFC prints it, with coinciding lines marked, and return the Axes.

    Beside it stands which segment of `exchange` (anything with `segments`) each line is, where one is given.
    """
    segments = tuple(exchange.segments) if exchange is not None else ()
    matches = match(figure, segments)
    told = _part(figure, segments) if figure.closes else range(_opening(segments))
    rest = [place for place in told if place not in {found.captured for found in matches}]
    beside = [_NOT_THERE, *(_named(segments, place) for place in rest)] if rest else []
    height = _below(figure, max(len(beside), len(_wrong(figure)), len(figure.last)) + 1)
    ax = style.figure(ax, size=(_WIDTH, height + 0.5))
    ax.set(xlim=(0, _WIDTH), ylim=(height, 0))
    ax.axis("off")
    style.set_titles(ax, f"{figure.name}: {figure.title}", getattr(exchange, "label", ""))
    _draw_head(ax, figure, exchange)
    _draw_lines(ax, figure, matches, segments)
    for row, text in enumerate(beside, start=1):
        ax.text(_CAPTURED, _below(figure, row), text, **_SMALL)
    return style.set_alt(ax, _alt(figure, matches, segments, rest))


def _opening(segments: Sequence[Segment]) -> int:
    """How many of the segments belong to the opening: those up to the first data, FIN or RST."""
    later = (place for place, one in enumerate(segments) if one.payload or set("FR") & set(one.flags))
    return next(later, len(segments))


def _heights(figure: RfcFigure) -> dict[float, float]:
    """Where each line stands, by its number. What a user calls has a row of its own above the line."""
    rows = accumulate(1 + any(line.calls) for line in figure.lines)
    return {line.number: _TOP + (row + 0.5) * _ROW for line, row in zip(figure.lines, rows, strict=True)}


def _below(figure: RfcFigure, rows: float) -> float:
    """So many rows below the last line."""
    return _heights(figure)[figure.lines[-1].number] + rows * _ROW


def _draw_head(ax: Axes, figure: RfcFigure, exchange: Any) -> None:
    for x, name in zip(_ENDS, "AB", strict=True):
        ax.text(x, 0.2, f"TCP peer {name}", fontsize=10.5, fontweight="bold", va="center")
    if exchange is not None:
        kind = replay(tuple(exchange.segments)).kind or "exchange"
        ax.text(_CAPTURED, 0.2, f"captured: {kind}", fontsize=10.5, fontweight="bold", va="center")
    _write(ax, _TOP + 0.5 * _ROW, "1.", figure.a_state, figure.b_state)
    heights = _heights(figure)
    for line in figure.lines:
        _write(ax, heights[line.number] - _ROW, f"{line.number}.", *line.calls)
    for row, sides in enumerate(figure.last):
        number = "" if row else f"{figure.lines[-1].number // 1 + 1:.0f}."
        _write(ax, _below(figure, row + 1), number, *sides)


def _write(ax: Axes, y: float, number: str, left: str, right: str) -> None:
    """Write a row without a segment; nothing if it is empty."""
    if left or right:
        ax.text(_LEFT, y, f"{number:<3}{left:<13}{'':43}{right}", family="monospace", **_SMALL)


def _draw_lines(ax: Axes, figure: RfcFigure, matches: Sequence[Match], segments: Sequence[Segment]) -> None:
    words, heights = _words(figure, matches, segments), _heights(figure)
    for line in figure.lines:
        y, gone = heights[line.number], words.get(line.number) == _GONE
        look = {
            **_SMALL,
            "color": style.GREY if gone else _colour(figure, line),
            "style": "italic" if gone else "normal",
        }
        ax.text(_LEFT, y, _printed(line), family="monospace", **look)
        ax.text(_CAPTURED, y, words.get(line.number, ""), **look)
    for pair in figure.coincide:
        top, bottom = (heights[number] for number in pair)
        colour = _colour(figure, figure.line(pair[0]))
        ax.plot([_MARK, _MARK + 0.12, _MARK + 0.12, _MARK], [top, top, bottom, bottom], color=colour)
    for row, text in enumerate(_wrong(figure), start=1):
        ax.text(_LEFT, _below(figure, row), text, **{**_SMALL, "color": style.ALERT})


def _printed(line: Line) -> str:
    """The line in the RFC's notation."""
    left, right = ("-->" if line.departs else "...", "-->" if line.arrives else "...")
    if line.sender == "B":
        left, right = ("<--" if line.arrives else "...", "<--" if line.departs else "...")
    number = "" if any(line.calls) or line.number % 1 else f"{line.number}."
    a, b = line.printed or (line.a_state or "", line.b_state or "")
    return f"{number:<3}{a:<13}{left} {line.text:<33}  {right} {b}"


def _colour(figure: RfcFigure, line: Line) -> str:
    if line.wrong:
        return style.ALERT
    pairs = [place for place, pair in enumerate(figure.coincide) if line.number in pair]
    return _PAIRS[pairs[0]] if pairs else style.INK


_NOT_THERE, _GONE = "not in the figure:", "the other end's: it is not there"


def _words(figure: RfcFigure, matches: Sequence[Match], segments: Sequence[Segment]) -> dict[float, str]:
    """What stands beside each line, by its number."""
    own = bool(segments) and segments[0].to_itself
    words = {}
    for found in matches:
        name = "" if found.captured is None else _named(segments, found.captured)
        gone = own and found.lines[0] in figure.vanish
        words[found.lines[0]] = name or (_GONE if gone else "it leaves" * (len(found.lines) > 1))
        for later in found.lines[1:]:
            words[later] = "the same segment, the same moment" if own else "the same segment arrives"
    return words


def _named(segments: Sequence[Segment], place: int) -> str:
    return (
        f"segment {place + 1}: {flag_words(segments[place].flags)}, {number_words(segments[place], Numbers(segments))}"
    )


def _wrong(figure: RfcFigure) -> list[str]:
    """What is wrong in the figure, in lines that end before what was captured."""
    return [row for line in figure.lines for row in wrap(line.wrong[:1].upper() + line.wrong[1:], 74)]


def _alt(figure: RfcFigure, matches: Sequence[Match], segments: Sequence[Segment], rest: Sequence[int]) -> str:
    words = _words(figure, matches, segments)
    parts = [f"{figure.name}, {figure.title}, line by line."]
    for line in figure.lines:
        beside = f". Beside it: {words[line.number]}" if words.get(line.number) else ""
        parts.append(f"Line {line.number}, from {line.sender}: {line.text}{beside}.")
    parts += [f"{' '.join(wrong)}."] if (wrong := _wrong(figure)) else []
    parts += [f"{_named(segments, place)}; not in the figure." for place in rest]
    return " ".join(part[0].upper() + part[1:] for part in parts)
