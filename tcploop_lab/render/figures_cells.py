"""Figures that compare cells: of a study by the size of the range, and even with odd; of a crowd by its clients."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from ..ports.eras import parse_era
from ..tcp.words import counted
from ..tries.theory import START_WORDS, TriesDistribution
from . import style
from .figures import KEY, Curve, draw_curves, readable, tries_axis

if TYPE_CHECKING:
    from ..study.result import Cell
    from ..study.study import StudyResult

ERRORS = 4.0  # standard errors drawn: by chance a mean lies outside once in 16,000


@style.styled
def means(result: StudyResult, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the mean tries of every cell against M, the candidates, with the theory's line.

    The bars are 4 standard errors to either side. Raises ValueError if no cell has two hits.
    """
    cells = [cell for cell in result.cells if cell.standard_error is not None and cell.hits == cell.samples]
    if not cells:
        raise ValueError("study: no cell has two hits and no miss, so there is no mean to draw")
    ax = style.figure(ax)
    sizes = np.array([cell.law.candidates for cell in cells])
    ax.set(xscale="log", yscale="log", xlim=(sizes.min() / 1.6, sizes.max() * 2.2))
    _draw_lines(ax, cells)
    for cell in cells:
        _draw_mean(ax, cell)
    ax.set_xlabel("M, the ports that can be the first one tried (candidates)")
    ax.set_ylabel("mean tries until the socket connects to itself")
    tries_axis(ax.xaxis)
    tries_axis(ax.yaxis)
    ax.grid(which="major")
    small = f"{START_WORDS[result.study.start]} · bars: 4 standard errors · {result.provenance.get('kernel', '')}"
    style.set_titles(ax, title or _means_finding(cells), small)
    words = "; ".join(f"M {cell.law.candidates:,}: mean {cell.mean:,.0f}" for cell in cells)
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. Mean tries against M on logarithmic axes. {words}.")


def _draw_mean(ax: Axes, cell: Cell) -> None:
    mean, error = cell.mean or 0.0, ERRORS * (cell.standard_error or 0.0)
    low = max(mean - error, 0.5 * mean * 1e-3)
    bars = [[mean - low], [error]]
    ax.errorbar([cell.law.candidates], [mean], bars, fmt="o", color=style.BLUE, capsize=4, markersize=6, zorder=3)
    above = mean > cell.law.mean  # then the number stands above, too: below it the line would go through it
    spot: dict[str, Any] = {
        "xytext": (-9, 4) if above else (9, -10),
        "ha": "right" if above else "left",
        "textcoords": "offset points",
        "fontsize": 9.5,
        "color": readable(style.BLUE),
    }
    ax.annotate(f"{mean:,.0f}", (cell.law.candidates, mean), **spot)


def _draw_lines(ax: Axes, cells: Sequence[Cell]) -> None:
    """Draw the theory's mean against M, a line for each slope that the cells' eras have."""
    ends = np.array(ax.get_xlim())
    for slope in sorted({_slope(cell.law) for cell in cells}):
        ax.plot(ends, float(slope) * ends, color=style.INK, linewidth=1.1, linestyle=(0, (4, 2.5)))
        spot: dict[str, Any] = {"xytext": (-4, 8), "textcoords": "offset points", "ha": "right", "fontsize": 10}
        ax.annotate(_line(slope), (ends[1], float(slope) * ends[1]), **spot)


def _slope(law: TriesDistribution) -> Fraction:
    """The mean as a share of M, where M is large: 1 - 1 / (2 E step) for the first hit of a walk, else 1.

    A sweep of the circle takes M / E step tries and meets the port with probability 1 / E step; in the last one it is
    met halfway.
    """
    steps = parse_era(law.era).law_of(law.client)[1]
    if law.start == "return" or not steps:
        return Fraction(1)
    step = Fraction(sum(j * chance for j, chance in enumerate(steps, start=1))).limit_denominator(1000)
    return 1 - 1 / (2 * step)


def _line(slope: Fraction) -> str:
    share = "M" if slope.numerator == 1 else f"{slope.numerator} M"
    return f"mean = {share}" if slope.denominator == 1 else f"mean = {share} / {slope.denominator}"


def _means_finding(cells: Sequence[Cell]) -> str:
    near = [abs(_mean(cell) - cell.law.mean) <= ERRORS * (cell.standard_error or 0.0) for cell in cells]
    if not all(near):
        return f"{near.count(False)} of {len(cells)} means are not the theory's"
    lines = {_line(_slope(cell.law)) for cell in cells}
    return "Twice the candidates, twice the tries" + (f": {lines.pop()}" if len(lines) == 1 else "")


def _mean(cell: Cell) -> float:
    return cell.mean if cell.mean is not None else np.nan


@style.styled
def even_and_odd(result: StudyResult, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw even against odd ports: the share connected against the tries, all ports of one parity together.

    Ports that never connect are censored, not missing: a flat line at 0 as far as they were tried. Raises
    ValueError unless the study has samples of both parities, in one range, by one kind of client.
    """
    kinds = {(cell.port_range, cell.client) for cell in result.cells}
    groups = [[cell for cell in result.cells if cell.port % 2 == odd and cell.samples] for odd in (0, 1)]
    if len(kinds) > 1 or not all(groups):
        raise ValueError("study: give even and odd ports, one range and one client, to compare the two parities")
    curves = [_pooled(name, cells) for name, cells in zip(("even", "odd"), groups, strict=True)]
    ax = draw_curves(curves, ax)
    ports = result.cells[0].port_range
    style.set_titles(ax, title or _parity_finding(curves), f"{START_WORDS[result.study.start]} · range {ports} · {KEY}")
    words = "; ".join(curve.label.replace("\n", ": ") for curve in curves)
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. Share connected against tries. {words}.")


def _pooled(name: str, cells: Sequence[Cell]) -> Curve:
    tries = np.concatenate([cell.tries for cell in cells])
    observed = np.concatenate([cell.observed for cell in cells])
    hits, most = int(observed.sum()), int(tries.max())
    count = counted(len(cells), f"{name} port")
    found = f"{hits:,} of {len(tries):,} in {most:,} tries each"
    if observed.all():
        found = f"mean {tries.mean():,.0f} tries"
    law: TriesDistribution = cells[0].law
    return Curve(f"{count}\n{found}", law, tries, observed)


def _parity_finding(curves: Sequence[Curve]) -> str:
    hits = [int(curve.observed.sum()) for curve in curves]
    if hits[0] and not hits[1]:
        return "Even ports connect to themselves, odd ports never do"
    if hits[1] and not hits[0]:
        return "Odd ports connect to themselves, even ports never do"
    return "Even and odd ports both connect to themselves" if all(hits) else "No port connects to itself"


@style.styled
def crowd(result: Any, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the share of samples connected against the tries of all clients together, the law of one dashed.

    One curve per number of clients; the pale band is where 99.9 % of such samples lie if the law is right. Raises
    ValueError for a result without samples.
    """
    cells = [cell for cell in result.cells if cell.samples]
    if not cells:
        raise ValueError("crowd: there are no samples to draw; run it again and let it go on for longer")
    curves = [Curve(_crowd_label(cell), cell.law, cell.together, cell.observed) for cell in cells]
    ax = draw_curves(curves, ax)
    ax.set_xlabel("tries of all clients together until one connects to itself")
    style.set_titles(ax, title or _crowd_finding(curves), f"{_crowd_place(result)} · {KEY}")
    words = "; ".join(curve.label.replace("\n", ": ") for curve in curves)
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. Share connected against tries together. {words}.")


def _crowd_label(cell: Any) -> str:
    return f"{counted(cell.clients, 'client')}\nmean {cell.mean:,.0f} tries, {1e3 * cell.mean_seconds:,.1f} ms"


def _crowd_finding(curves: Sequence[Curve]) -> str:
    off = sum(not curve.follows for curve in curves)
    if off:
        return f"{off} of {len(curves)} numbers of clients: the tries are not those of one client"
    return "However many clients dial, together they need the tries of one"


def _crowd_place(result: Any) -> str:
    beside = ", beside other traffic" if result.other_traffic else ""
    cores = result.provenance.get("cores", "?")
    cores = counted(int(cores), "core") if cores.isdigit() else f"{cores} cores"
    return f"port {result.port} in {result.port_range}{beside} · {cores} · {result.provenance.get('kernel', '')}"
