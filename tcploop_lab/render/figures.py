"""Figures of tries to success: measured against theory, cell by cell."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import FuncFormatter, LogFormatter, PercentFormatter
from numpy.typing import NDArray

from ..tcp.words import counted
from ..tries.theory import START_WORDS, TriesDistribution
from . import style

if TYPE_CHECKING:
    from ..study.result import Cell
    from ..study.study import StudyResult

BAND = 1.95  # Kolmogorov: 99.9 % of samples of n stay within 1.95 / sqrt(n) of their law
LOG_FROM = 8.0  # the tries are drawn on a logarithmic axis if the cells differ by more than this factor
KEY = "line: measured, dashes: theory, pale: 99.9 % of all such samples"
_POINTS = 600  # of a theoretical curve


@dataclass(frozen=True)
class Curve:
    """One curve: a label, the law it should follow, and the sample, if there is one."""

    label: str
    law: TriesDistribution
    tries: NDArray[np.int64]
    observed: NDArray[np.bool_]

    @property
    def reach(self) -> int:
        """How many tries the curve covers."""
        if len(self.tries):
            return int(self.tries.max())
        return self.law.quantile(0.999 * self.law.ever) if self.law.can_loop else 2 * self.law.candidates

    @property
    def steps(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The measured share connected after each number of tries: Kaplan and Meier's, which knows censoring."""
        if not self.observed.any():
            return np.array([0, self.reach]), np.zeros(2)
        with warnings.catch_warnings():  # SciPy's import sets filters, which are the caller's to set
            from scipy.stats import CensoredData, ecdf

        known = CensoredData(self.tries[self.observed], right=self.tries[~self.observed])
        found = ecdf(known).cdf
        ends = np.concatenate([[0], found.quantiles, [self.reach]]).astype(np.int64)
        return ends, np.concatenate([[0.0], found.probabilities, found.probabilities[-1:]])

    @property
    def band(self) -> float:
        """How far chance takes the measured share from its law, at most, in 999 of 1000 studies."""
        return BAND / np.sqrt(len(self.tries)) if len(self.tries) else 0.0

    @property
    def follows(self) -> bool:
        """True if the measured shares stay within the band, or no try hit where none could."""
        if not self.law.can_loop:
            return not self.observed.any()
        tries, share = self.steps
        above = share - self.law.cdf(tries)
        below = self.law.cdf(np.maximum(tries[1:] - 1, 0)) - share[:-1]
        return bool(max(above.max(), below.max()) <= self.band)

    def level(self, tries: NDArray[np.int64]) -> NDArray[np.float64]:
        """The share drawn at some numbers of tries: the measured one, or that of the law."""
        if not len(self.tries):
            return np.asarray(self.law.cdf(tries))
        ends, share = self.steps
        return np.asarray(share[np.searchsorted(ends, tries, side="right") - 1])


def curve_of(cell: Cell) -> Curve:
    """Return the curve of one cell, labelled with its finding."""
    return Curve(_cell_label(cell), cell.law, cell.tries, cell.observed)


def _cell_label(cell: Cell) -> str:
    name = _name(cell.law)
    if cell.mean is None:
        return f"{name}\n{cell.hits} of {cell.samples:,} in {counted(int(cell.tries.max(initial=0)), 'try')} each"
    theory = f", theory {cell.expected:,.0f}" if cell.law.can_loop else ""
    if cell.hits < cell.samples:
        return f"{name}\n{cell.samples - cell.hits:,} censored; mean of the hits {cell.mean:,.0f}{theory}"
    return f"{name}\nmean {cell.mean:,.0f}{theory}"


def _name(law: TriesDistribution) -> str:
    client = "" if law.client == "same-socket" else f", {law.client}"
    return f"port {law.port} in {law.port_range}{client}"


@style.styled
def ecdf(result: StudyResult, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the share of samples connected against the tries, one curve per cell, theory dashed beside it.

    The pale band is where 99.9 % of such samples lie if the theory is right. Censored samples count as what
    they are: not connected by then. Raises ValueError for a result without samples.
    """
    curves = [curve_of(cell) for cell in result.cells if cell.samples]
    if not curves:
        raise ValueError("study: there are no samples to draw yet; run it, or go on with resume=True")
    ax = draw_curves(curves, ax)
    kernel = result.provenance.get("kernel", "")
    small = " · ".join(filter(None, [START_WORDS[result.study.start], kernel, KEY]))
    style.set_titles(ax, title or _finding(curves), small)
    return set_alt(ax, curves)


@style.styled
def predictions(study: Any, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw what the theory expects of a study that was not run, under today's Linux."""
    none = np.array([], dtype=np.int64)
    laws = [cell.law(start=study.start) for cell in study.cells]
    curves = [Curve(_law_label(law), law, none, none.astype(bool)) for law in laws]
    ax = draw_curves(curves, ax)
    small = f"{START_WORDS[study.start]} · era {laws[0].era} · {counted(study.samples, 'sample')} planned per cell"
    style.set_titles(ax, title or "What the theory expects, before any try", small)
    return set_alt(ax, curves)


def _law_label(law: TriesDistribution) -> str:
    return f"{_name(law)}\n" + (f"mean {law.mean:,.0f} expected" if law.can_loop else "cannot loop")


def draw_curves(curves: Sequence[Curve], ax: Axes | None) -> Axes:
    """Draw curves with direct labels and their laws; the caller adds title and words."""
    ax = style.figure(ax, size=(style.WIDEST, max(style.SIZE[1], 0.62 * len(curves) + 1.6)))
    reaches = [curve.reach for curve in curves]
    end = max(reaches)
    log = end > LOG_FROM * max(1, min(reaches))
    if log:
        ax.set_xscale("log")
    ax.set(xlim=(1 if log else 0, end * (1.15 if log else 1.02)), ylim=(-0.02, 1.04))
    painted = list(zip(curves, _colours(len(curves)), strict=True))
    for curve, colour in sorted(painted, key=lambda pair: -pair[0].reach):  # the short ones on top
        if len(curve.tries):
            ax.step(*curve.steps, where="post", color=colour, linewidth=2.2, solid_capstyle="butt")
    for key in dict.fromkeys(map(_law_key, curves)):  # each law once, however many cells follow it
        _draw_law(ax, [(curve, colour) for curve, colour in painted if _law_key(curve) == key], end)
    _label_curves(ax, curves, end)
    ax.set_xlabel("tries (connect calls) until the socket connects to itself")
    ax.set_ylabel("share connected by then")
    tries_axis(ax.xaxis)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(axis="y")
    return ax


def _colours(count: int) -> list[str]:
    return [style.CYCLE[i % len(style.CYCLE)] for i in range(count)]


def _grid(end: int, log: bool) -> NDArray[np.int64]:
    points = np.geomspace(1, end, _POINTS) if log else np.linspace(0, end, _POINTS)
    return np.unique(points.astype(np.int64))


def _law_key(curve: Curve) -> tuple[object, ...]:
    """The same for curves whose tries follow the same law, such as those of two even ports."""
    law = curve.law
    return law.can_loop, law.candidates if law.can_loop else 0, f"{law.mean:.6g}", law.ever


def _draw_law(ax: Axes, painted: Sequence[tuple[Curve, str]], end: int) -> None:
    """Draw a law, dashed, and around it the band for the smallest sample that should follow it."""
    (first, colour), *others = painted
    colour = style.GREY if others and len(first.tries) else colour
    x = _grid(end, ax.get_xscale() == "log")
    theory = first.law.cdf(x)
    band = max(curve.band for curve, _ in painted)
    if band and first.law.can_loop:
        low, high = np.clip(theory - band, 0, 1), np.clip(theory + band, 0, 1)
        ax.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
    line: dict[str, Any] = {"color": style.INK, "linewidth": 1.1} if band else {"color": colour, "linewidth": 2.0}
    ax.plot(x, theory, linestyle=(0, (4, 2.5)), **line)


def _label_curves(ax: Axes, curves: Sequence[Curve], end: int) -> None:
    """Put the labels on the right, fastest on top, each led by a thin line to its own curve."""
    order = sorted(range(len(curves)), key=lambda i: _median(curves[i]))
    colours = _colours(len(curves))
    rises = [curve.observed.any() if len(curve.tries) else curve.law.can_loop for curve in curves]
    rising, flat = [i for i in order if rises[i]], [i for i in order if not rises[i]]
    step = min(0.2, 0.9 / max(1, len(curves)))
    for place, i in enumerate(rising):
        level = 0.93 - place * step
        x = _grid(end, ax.get_xscale() == "log")
        above = x[curves[i].level(x) >= level]
        if len(above):
            ax.plot([above[0], ax.get_xlim()[1]], [level, level], color=colours[i], linewidth=0.8, alpha=0.7)
        _label(ax, level, curves[i].label, colours[i])
    for place, i in enumerate(reversed(flat)):
        _label(ax, 0.02 + place * step, curves[i].label, colours[i])


def _median(curve: Curve) -> float:
    tries, share = curve.steps if len(curve.tries) else (np.array([0]), np.array([0.0]))
    if not len(curve.tries):
        return curve.law.quantile(curve.law.ever / 2) if curve.law.can_loop else np.inf
    above = tries[share >= 0.5]
    return float(above[0]) if len(above) else np.inf


def _label(ax: Axes, level: float, text: str, colour: str) -> None:
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    ax.plot([1.0, 1.014], [level] * 2, color=colour, linewidth=4, transform=ax.get_yaxis_transform(), clip_on=False)
    ax.annotate(text, (1.024, level), va="center", fontsize=8.8, color=readable(colour), **where)


def readable(colour: str) -> str:
    """Return the colour, darkened as far as text on white needs it (WCAG 2.1: a contrast of 4.5)."""
    red, green, blue = to_rgb(colour)
    while style.contrast(colour, style.PAPER) < 4.5:
        red, green, blue = 0.95 * red, 0.95 * green, 0.95 * blue
        colour = to_hex((red, green, blue))
    return colour


def tries_axis(axis: Any) -> None:
    """Write tries as whole numbers with separators; between two powers where matplotlib would, too."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if axis.get_scale() == "log":
        axis.set_minor_formatter(_Between())


class _Between(LogFormatter):
    """The labels between two powers, in plain figures: matplotlib's own are formulas."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a value, "" where there is no room for one."""
        return f"{x:,.0f}" if super().__call__(x, pos) else ""


def _finding(curves: Sequence[Curve]) -> str:
    able = [curve for curve in curves if curve.law.can_loop]
    unable = [curve for curve in curves if not curve.law.can_loop]
    off = [curve for curve in curves if not curve.follows]
    if off:
        return f"{len(off)} of {len(curves)} cells: the tries are not those of the theory"
    if not able:
        return "No self-connection, as the theory says"
    ports = {curve.law.port for curve in unable} - {curve.law.port for curve in able}
    never = f"; port {min(ports)} never does" if len(ports) == 1 else ""
    if len(able) == 1:
        return f"Port {able[0].law.port} connects to itself as the theory says{never}"
    more = f"; {len(unable)} more never connect{'s' if len(unable) == 1 else ''}" if unable else ""
    cells = "both cells" if len(able) == 2 else f"all {len(able)} cells"
    return f"Tries to success follow the theory in {cells}{more}"


def set_alt(
    ax: Axes, curves: Sequence[Curve], what: str = "Share of samples connected against the number of tries"
) -> Axes:
    """Give the figure of these curves its alternative text, and return it."""
    shares = "; ".join(curve.label.replace("\n", ": ") for curve in curves)
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. {what}. {shares}.")


@style.styled
def chances(law: TriesDistribution, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the chance of a self-connection within n tries, with the median and the 99 % point marked.

    Raises ValueError for a port that cannot loop: its chance is 0 everywhere.
    """
    half, most = law.quantile(law.ever / 2), law.quantile(0.99 * law.ever)
    ax = style.figure(ax)
    x = _grid(int(most * 1.25) + 1, log=False)
    ax.fill_between(x, law.cdf(x), color=style.BLUE, alpha=0.12, linewidth=0)
    ax.plot(x, law.cdf(x), color=style.BLUE, drawstyle="steps-post")
    ax.set(xlim=(0, x[-1]), ylim=(0, 1.04))
    for tries, share, words in ((half, 0.5, "half connect"), (most, 0.99, "99 % connect")):
        _mark(ax, tries, share * law.ever, f"{words} by try {tries:,}")
    ax.set_xlabel("tries (connect calls)")
    ax.set_ylabel("chance to be connected by then")
    tries_axis(ax.xaxis)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    mean = f"the mean is {law.mean:,.0f}" if law.ever == 1 else f"it ever connects in {law.ever:.2%}"
    small = f"{START_WORDS[law.start]} · era {law.era} · {law.candidates:,} candidates in {law.port_range}"
    style.set_titles(ax, title or f"Port {law.port} connects half the time by try {half:,}; {mean}", small)
    words = f"Half of all loops connect by try {half:,}, 99 percent by try {most:,}."
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. Chance against tries, rising from 0 to 1. {words}")


def _mark(ax: Axes, tries: int, share: float, words: str) -> None:
    ax.plot([tries, tries], [0, share], color=style.INK, linewidth=0.9, linestyle=(0, (2, 2)))
    ax.plot([tries], [share], "o", color=style.INK, markersize=5)
    left = tries < 0.6 * ax.get_xlim()[1]
    place: dict[str, Any] = {"xytext": (7, -14) if left else (-8, -30), "ha": "left" if left else "right"}
    ax.annotate(words, (tries, share), textcoords="offset points", fontsize=9.5, **place)
