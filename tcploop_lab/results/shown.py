"""Results that show themselves, without the result knowing about plots.

A result type derives from `Shown`. What it looks like is decided elsewhere: the package installs a
presenter (`tcploop_lab.render`) that is imported only when something is really shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Presenter(Protocol):
    """What a presenter must offer: `html(result)` and `plot(result, ax)`."""

    def html(self, result: Any) -> str:
        """Return the result as HTML."""
        ...

    def plot(self, result: Any, ax: Any = None) -> Any:
        """Draw the result on a matplotlib Axes and return it."""
        ...


_load: Callable[[], Presenter] | None = None


def install(load: Callable[[], Presenter]) -> None:
    """Name the function that loads the presenter. It runs at the first display, not before."""
    global _load
    _load = load


def _presenter() -> Presenter:
    if _load is None:
        raise RuntimeError("no presenter is installed: import tcploop_lab, which installs one")
    return _load()


class Shown:
    """Base of every result: HTML in a notebook, `.plot()` for a figure."""

    def _repr_html_(self) -> str:
        return _presenter().html(self)

    def plot(self, ax: Any = None) -> Any:
        """Draw the result on `ax` (a new figure if None) and return the matplotlib Axes.

        Raises TypeError if this kind of result has no figure.
        """
        return _presenter().plot(self, ax)


def enumerated(words: Sequence[str], first: int = 24, last: int = 6) -> str:
    """Return words separated by commas; of very many the first and the last, and how many are between."""
    between = len(words) - first - last
    if between > 0:
        words = [*words[:first], f"({between:,} more)", *words[-last:]]
    return ", ".join(words)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equal length as lines of text, their columns two spaces apart. ValueError for other lengths."""
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return "\n".join("".join(map(str.ljust, row, widths)).rstrip() for row in rows)
