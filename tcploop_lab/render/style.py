"""How every figure looks: colours, fonts, a light background, and an alternative text that reaches the page.

JupyterLab ignores an output's `alt` metadata, so a LabFigure shows itself as HTML with an <img alt="...">.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from html import escape
from io import BytesIO
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from . import html

# Okabe and Ito's palette, which stays distinct for colour-blind readers (jfly.uni-koeln.de/color, 2008).
BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"

INK = "#1A1A1A"
GREY = "#5C5C5C"  # small print: contrast 6.7 to 1 on PAPER
ALERT = "#A84200"  # vermillion, dark enough for text
PALE = "#DDDDDD"
PAPER = "#FFFFFF"

CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY_BLUE, BLACK)  # YELLOW is too light for a line
SIZE = (8.0, 4.5)  # inches
WIDEST = 8.6  # so wide is a notebook's output in a window of 1280 pixels, beside the list of files
# In a dark theme (of JupyterLab, of VS Code, of the course's web pages) the lightness of a figure is turned round and
# its hues stay; where no style is allowed, as on GitHub, it stays on PAPER.
FIGURE = "tcploop-figure"
_DARK = ("[data-jp-theme-light=false]", ".vscode-dark", "html[data-theme=dark]")
DARK_TOO = (
    f"<style>:is({', '.join(_DARK)}) .{FIGURE} "
    "{ filter: invert(1) hue-rotate(180deg) !important; mix-blend-mode: screen; "
    "background: transparent !important }</style>"
)
_LIGHTER = 0.4  # how much white is in the ground of a text
_SMALL, _LINE = 9, 12  # points: the size of small print, and from one line of it to the next
_BESIDE = 84  # points: the labels of a y axis, a margin, and by how much letters are wider than their outlines
_DPI = 144  # half as many pixels again as on the page, for sharp text
_CSS_DPI = 96

RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.facecolor": PAPER,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "text.parse_math": False,  # a text from outside is no formula: "$\\frac{ $x^" is what a program printed
    "xtick.color": GREY,
    "ytick.color": GREY,
}

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_alts: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


@contextmanager
def _style() -> Iterator[None]:
    # Not rc_context: the first figure of a notebook switches interactive mode on, and that must last.
    before = {key: mpl.rcParams[key] for key in RC}
    mpl.rcParams.update(RC)
    try:
        yield
    finally:
        mpl.rcParams.update(before)


def styled(draw: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorate a function that draws: in the project's style, whatever the caller's, and what is not live says so."""

    @wraps(draw)
    def drawn(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        with _style():
            made = draw(*args, **kwargs)
        if isinstance(made, Axes):
            set_label(made, getattr(args[0], "label", "") if args else "")
        return made

    return drawn


def look(width: float) -> str:
    """Return the CSS of a picture that is so many pixels wide, wherever it is shown."""
    return f"width: {width:.0f}px; max-width: none; height: auto; background: {PAPER}"


def scrolling(picture: str) -> str:
    """Return the HTML of a picture (an img or svg of class FIGURE) that scrolls: shrunk, its text could not be read."""
    return DARK_TOO + html.scrolling("figure", picture)


class LabAxes(Axes):
    """Axes that a notebook shows as their figure."""

    def _ipython_display_(self) -> None:
        _display(self.figure)


class LabFigure(Figure):
    """A figure with an alternative text: that of its axes, one after the other."""

    @property
    def alt(self) -> str:
        """The alternative text."""
        return " ".join(filter(None, map(alt_of, self.axes)))

    def png(self, on_paper: bool = True) -> bytes:
        """Return the figure as a PNG on a light background, or on none."""
        buffer = BytesIO()
        with _style():
            self.savefig(buffer, format="png", dpi=_DPI, transparent=not on_paper, metadata={"Software": None})
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        width = round(self.get_size_inches()[0] * _CSS_DPI)
        picture = b64encode(self.png(on_paper=False)).decode("ascii")
        words = f'alt="{escape(self.alt)}" class="{FIGURE}"'
        return scrolling(f'<img {words} style="{look(width)}" src="data:image/png;base64,{picture}">')

    def _ipython_display_(self) -> None:
        # Without this method IPython would store the figure a second time, as image/png without its text.
        _display(self)


def _display(fig: Any) -> None:
    """Show `fig` in a notebook, once: the inline backend would show it again at the end of the cell."""
    from IPython.display import display

    display({"text/html": fig._repr_html_(), "text/plain": fig.alt}, raw=True)
    if "inline" in mpl.get_backend():
        plt.close(fig)


@styled
def figure(ax: Axes | None = None, alt: str = "", size: tuple[float, float] = SIZE) -> Axes:
    """Return `ax`, or the axes of a new LabFigure of `size` inches; with `alt` as their alternative text."""
    if ax is None:
        fig = plt.figure(FigureClass=LabFigure, figsize=size, layout="constrained")
        ax = fig.add_subplot(axes_class=LabAxes)
    return set_alt(ax, alt) if alt else ax


def set_titles(ax: Axes, title: str, small: str = "") -> None:
    """Write the title, and small print between it and the axes, in lines that break at " · " where it has no room.

    The name of a kernel may be long: 5.15.167.4-microsoft-standard-WSL2.
    """
    lines = small and _lines(small.split(" · "), 72 * ax.figure.bbox.width / ax.figure.dpi - _BESIDE)
    ax.set_title(title, pad=14 + _LINE * len(lines) if lines else None)
    for above, line in enumerate(reversed(lines)):
        put = partial(ax.annotate, xycoords="axes fraction", textcoords="offset points")
        put(line, (0, 1), (0, 9 + _LINE * above), fontsize=_SMALL, color=GREY)


def _lines(parts: Sequence[str], width: float) -> list[str]:
    """The parts in as few lines as a width in points asks for."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]} · {part}"
        if TextPath((0, 0), longer, size=_SMALL).get_extents().width <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def set_alt(ax: Axes, text: str) -> Axes:
    """Give `ax` its alternative text, and return it."""
    _alts[ax] = " ".join(text.split())
    return ax


def set_label(ax: Axes, label: str) -> Axes:
    """Write at the foot of the figure where its data come from, if that is not live and not said yet; return `ax`."""
    said = alt_of(ax)
    if label and label not in said:
        ax.figure.text(0.995, 0.005, f"{label}, not live", ha="right", va="bottom", fontsize=8.5, color=GREY)
        set_alt(ax, f"{label}, not live. {said}")
    return ax


def alt_of(ax: Axes) -> str:
    """Return the alternative text of `ax`; without one, its title and the labels of its axes."""
    if ax in _alts:
        return _alts[ax]
    title = ax.get_title(loc="left") or ax.get_title()
    labels = [f"{name}: {label}" for name, label in (("x", ax.get_xlabel()), ("y", ax.get_ylabel())) if label]
    return ". ".join(filter(None, (title, ", ".join(labels))))


def contrast(colour: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.1; text needs 4.5)."""
    dark, light = sorted((_luminance(colour), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ground(colour: str) -> str:
    """Return the colour, so much lighter that INK can be read on it, in a dark theme too."""
    return to_hex([_LIGHTER + (1 - _LIGHTER) * part for part in to_rgb(colour)])


def text_on(background: str) -> str:
    """Return the colour, INK or PAPER, that reads better on `background`."""
    return max((INK, PAPER), key=lambda colour: contrast(colour, background))
