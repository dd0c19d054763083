"""The figures of the explorer: shares connected and a histogram of the tries, measured beside theory.

Once as charts that are drawn while samples come in, and once as a figure to keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .. import style
from ..figures import Curve, draw_curves, tries_axis
from .svg import Chart

_BINS = 24
_POINTS = 240
_MEASURED, _THEORY = "bars: measured", "dashes: theory"


def shares_html(curves: Sequence[Curve]) -> str:
    """Return the share of samples connected against the tries, as a chart."""
    end = _end(curves)
    tries = np.unique(np.linspace(1, end, _POINTS).astype(np.int64))
    chart = Chart((0, end), (0, 1), "Share connected after so many tries", ("tries (connect calls)", "share"))
    for curve, colour in _painted(curves):
        if len(curve.tries):
            ends, share = curve.steps
            chart.line(np.repeat(ends, 2)[1:], np.repeat(share, 2)[:-1], colour, width=2.4)
        chart.line(tries, np.asarray(curve.law.cdf(tries)), style.INK if len(curve.tries) else colour, "5 4")
    chart.legend([(curve.label.replace("\n", " "), colour) for curve, colour in _painted(curves)])
    return chart.html(_alt("Share connected against tries", curves))


def histogram_html(curves: Sequence[Curve]) -> str:
    """Return how often a loop took so many tries, as a chart."""
    edges, heights, expected = histogram(curves)
    top = max(float(np.max([*heights, *expected])), 1e-9)
    words = f"How often a loop takes so many tries ({_MEASURED}, {_THEORY})"
    chart = Chart(
        (0, float(edges[-1])), (0, 1.05 * top), words, ("tries (connect calls)", "share of the loops"), (720, 260)
    )
    for (curve, colour), measured, law in zip(_painted(curves), heights, expected, strict=True):
        if len(curve.tries):
            chart.bars(edges.tolist(), measured.tolist(), colour)
        chart.line((edges[1:] + edges[:-1]) / 2, law, style.INK if len(curve.tries) else colour, "5 4")
    return chart.html(_alt("Histogram of the tries", curves))


def histogram(curves: Sequence[Curve]) -> tuple[NDArray[Any], list[NDArray[Any]], list[NDArray[Any]]]:
    """Return edges, and for each curve the share of all samples that hit in each bin, measured and expected."""
    edges = np.unique(np.linspace(0, _end(curves), _BINS + 1).astype(np.int64))
    heights = [np.histogram(c.tries[c.observed], edges + 0.5)[0] / max(1, len(c.tries)) for c in curves]
    return edges, heights, [np.diff(np.asarray(curve.law.cdf(edges))) for curve in curves]


@style.styled
def draw_both(curves: Sequence[Curve], ax: Axes | None = None) -> Axes:
    """Draw the shares and, on a figure of its own, the histogram below; return the Axes of the shares."""
    if ax is None:
        fig = plt.figure(FigureClass=style.LabFigure, figsize=(style.WIDEST, 7.4), layout="constrained")
        ax = fig.add_subplot(2, 1, 1, axes_class=style.LabAxes)
        _draw_histogram(fig.add_subplot(2, 1, 2, axes_class=style.LabAxes), curves)
    draw_curves(curves, ax)
    ax.set_title(f"Port {curves[0].law.port} in {curves[0].law.port_range}, era {curves[0].law.era}")
    return style.set_alt(ax, _alt("Share connected against tries", curves))


def _draw_histogram(ax: Axes, curves: Sequence[Curve]) -> None:
    edges, heights, expected = histogram(curves)
    for (curve, colour), measured, law in zip(_painted(curves), heights, expected, strict=True):
        if len(curve.tries):
            ax.stairs(measured, edges, color=colour, fill=True, alpha=0.45)
        ax.plot((edges[1:] + edges[:-1]) / 2, law, color=style.INK, linestyle=(0, (4, 2.5)), linewidth=1.1)
    ax.set(xlabel="tries (connect calls) until the socket connects to itself", ylabel="share of the loops")
    ax.set_title(f"How often a loop takes so many tries ({_MEASURED}, {_THEORY})")
    tries_axis(ax.xaxis)
    style.set_alt(ax, _alt("Histogram of the tries", curves))


def _painted(curves: Sequence[Curve]) -> list[tuple[Curve, str]]:
    return [(curve, style.CYCLE[number % len(style.CYCLE)]) for number, curve in enumerate(curves)]


def _end(curves: Sequence[Curve]) -> int:
    reaches = [curve.law.quantile(0.995 * curve.law.ever) for curve in curves if curve.law.can_loop]
    return max(reaches or [max(curve.reach for curve in curves)], default=1) + 1


def _alt(what: str, curves: Sequence[Curve]) -> str:
    clients = "; ".join(curve.label.replace("\n", " ") for curve in curves)
    return f"{what} for port {curves[0].law.port} in {curves[0].law.port_range}: {clients}."
