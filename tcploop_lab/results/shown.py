"""Results that show themselves, without the result knowing about plots.

A result type derives from `Shown` and says what there is to say in `describe()`. How that looks is decided elsewhere:
the package installs a presenter (`tcploop_lab.show`) that is imported only when something is really shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from .description import Description

_load: Callable[[], Any] | None = None


def install(load: Callable[[], Any]) -> None:
    """Name the function that loads the presenter, at the first display and not before.

    It offers `html` and `text` of a description, and every figure by its name.
    """
    global _load
    _load = load


def _presenter() -> Any:
    if _load is None:
        raise RuntimeError("no presenter is installed: import tcploop_lab, which installs one")
    return _load()


class _Tab(type):
    """What Tab offers of a result: the names that a learner may use. IPython asks the class of an object, too."""

    of_the_lab: frozenset[str]
    figure: str
    plot: Any

    def __dir__(cls) -> list[str]:
        """Return the names without those of the lab, and without `plot` where there is no figure."""
        no_figure = {"plot"} if cls.plot is Shown.plot and not cls.figure else set()
        return sorted({*super().__dir__()} - _OF_THE_LAB - cls.of_the_lab - no_figure)


_OF_THE_LAB = {"describe", "figure", "mro", "of_the_lab"}


class Shown(metaclass=_Tab):
    """Base of every result: HTML in a notebook, one line elsewhere, `.plot()` for a figure.

    A subclass has a `summary`, one sentence; `figure` names the function in `tcploop_lab.show` that draws it, if one
    does; `of_the_lab` are names that Tab does not offer. A dataclass among them is made with repr=False, and keeps the
    repr of this one.
    """

    figure: ClassVar[str] = ""
    of_the_lab: ClassVar[frozenset[str]] = frozenset()

    @property
    def summary(self) -> str:
        """What the result says, in one sentence."""
        raise NotImplementedError

    def describe(self) -> Description:
        """Return all that the result says: what its HTML, its text and its JSON are made of."""
        return Description(self.summary, label=getattr(self, "label", ""))

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *vars(self)} - self.of_the_lab)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary}>"

    def _repr_html_(self) -> str:
        return str(_presenter().html(self.describe()))

    def plot(self, ax: Any = None) -> Any:
        """Draw the result on `ax` (a new figure if None) and return the matplotlib Axes.

        Raises TypeError if this kind of result has no figure.
        """
        if not self.figure:
            raise TypeError(f"{type(self).__name__}: there is no figure of it; show it as it is, in words")
        return getattr(_presenter(), self.figure)(self, ax=ax)


class ShownWhole(Shown):
    """Base of results whose rows are the point: the text of them has the whole table, too."""

    def __repr__(self) -> str:
        return str(_presenter().text(self.describe())).rstrip("\n")


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
