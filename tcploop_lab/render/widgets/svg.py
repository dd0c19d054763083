"""A small chart as SVG text: quick enough to be drawn while work goes on, on any thread.

The figures that are kept come from matplotlib, which is neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from .. import style
from ..figures import readable

_LEFT, _RIGHT, _TOP, _BOTTOM = 68, 16, 34, 44  # pixels around the plot
_TEXT = 'font-family="sans-serif" font-size="12"'

Pair = tuple[float, float]


class Chart:
    """Axes, and what was drawn on them. `alt` is what the picture says in words."""

    def __init__(
        self, x: Pair, y: Pair, title: str, labels: tuple[str, str], size: tuple[int, int] = (720, 300)
    ) -> None:
        self._x, self._y = _apart(x), _apart(y)
        self._title, self._labels, self._size = title, labels, size
        self._marks: list[str] = []

    def points(self, xs: Iterable[float], ys: Iterable[float], colour: str, radius: float = 1.6) -> None:
        """Draw a dot for each pair."""
        path = "".join(f"M{self._at_x(x):.1f} {self._at_y(y):.1f}h0" for x, y in zip(xs, ys, strict=True))
        look = f'stroke="{colour}" stroke-width="{2 * radius}" stroke-linecap="round"'
        self._marks.append(f'<path d="{path}" fill="none" {look}/>')

    def line(self, xs: Iterable[float], ys: Iterable[float], colour: str, dashes: str = "", width: float = 1.8) -> None:
        """Draw a line along the pairs."""
        places = " ".join(f"{self._at_x(x):.1f},{self._at_y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        look = f'stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}"'
        self._marks.append(f'<polyline points="{places}" fill="none" {look}/>')

    def bars(self, edges: Sequence[float], heights: Sequence[float], colour: str) -> None:
        """Draw a bar between each two edges."""
        for left, right, height in zip(edges, edges[1:], heights, strict=False):
            x, y = self._at_x(left), self._at_y(height)
            wide, high = max(0.5, self._at_x(right) - x - 1), max(0.0, self._at_y(self._y[0]) - y)
            place = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
            self._marks.append(f'<rect {place} fill="{colour}" fill-opacity="0.45"/>')

    def level(self, y: float, words: str, colour: str) -> None:
        """Draw a level line with words at its right end; of one that is not in the picture, say on which side it is."""
        low, high = self._y
        if low <= y <= high:
            self.line(self._x, (y, y), colour, width=1.2)
        else:
            words = f"{'↑' if y > high else '↓'} {words}"
        at = min(max(self._at_y(y) - 4, _TOP + 12), self._size[1] - _BOTTOM - 4)
        self._write(self._size[0] - _RIGHT, at, words, "end", readable(colour))

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        """Write what the colours stand for, (words, colour) each, one below the other."""
        first = (self._size[1] - 16 * len(entries)) / 2  # in the middle, at the right
        for number, (words, colour) in enumerate(entries):
            self._write(self._size[0] - _RIGHT - 8, first + 16 * number, words, "end", readable(colour))

    def html(self, alt: str) -> str:
        """Return the chart as SVG with this alternative text."""
        width, height = self._size
        head = f'class="{style.FIGURE}" role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}" {_TEXT}'
        title = f'<text x="8" y="20" font-size="14" font-weight="bold" fill="{style.INK}">{escape(self._title)}</text>'
        frame = "".join((title, *self._ticks(), *self._names()))
        drawn = f"{frame}{''.join(self._marks)}</svg>"
        return style.scrolling(f'<svg xmlns="http://www.w3.org/2000/svg" {head} style="{style.look(width)}">{drawn}')

    def _at_x(self, x: float) -> float:
        low, high = self._x
        return _LEFT + (x - low) / (high - low) * (self._size[0] - _LEFT - _RIGHT)

    def _at_y(self, y: float) -> float:
        low, high = self._y
        return self._size[1] - _BOTTOM - (y - low) / (high - low) * (self._size[1] - _TOP - _BOTTOM)

    def _write(self, x: float, y: float, words: str, anchor: str, colour: str = style.INK) -> None:
        halo = f'stroke="{style.PAPER}" stroke-width="3" paint-order="stroke"'  # readable over what is drawn
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {halo}'
        self._marks.append(f"<text {place}>{escape(words)}</text>")

    def _ticks(self) -> Iterable[str]:
        bottom, left = self._size[1] - _BOTTOM, _LEFT
        for x in _readable(*self._x):
            inside = self._at_x(x) < self._size[0] - 2 * _RIGHT  # else half of a long number would be cut off
            place = f'x="{self._at_x(x):.1f}" y="{bottom + 16}" text-anchor="{"middle" if inside else "end"}"'
            yield f'<text {place} fill="{style.GREY}">{_number(x, ",")}</text>'
        for y in _readable(*self._y):
            at = self._at_y(y)
            yield f'<path d="M{left} {at:.1f}H{self._size[0] - _RIGHT}" stroke="{style.PALE}"/>'
            yield f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end" fill="{style.GREY}">{_number(y)}</text>'

    def _names(self) -> Iterable[str]:
        width, height = self._size
        across, up = map(escape, self._labels)
        look = f'text-anchor="middle" fill="{style.INK}"'
        yield f'<text x="{(width + _LEFT) / 2}" y="{height - 8}" {look}>{across}</text>'
        yield f'<text transform="rotate(-90 14 {height / 2})" x="14" y="{height / 2}" {look}>{up}</text>'


def _apart(pair: Pair) -> Pair:
    low, high = pair
    return (low, high) if high > low else (low - 1, low + 1)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers from low to high, at most `most` of them."""
    rough = (high - low) / max(1, most - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    first = math.ceil(low / step)
    return [step * number for number in range(first, math.floor(high / step + 1e-9) + 1)][:most]


def _readable(low: float, high: float) -> list[float]:
    """The ticks whose number is written as it is: none between two ports."""
    return [tick for tick in ticks(low, high) if math.isclose(float(_number(tick)), tick)]


def _number(value: float, separator: str = "") -> str:
    return f"{value:{separator}.0f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"
