"""The figure of a benchmark: every ratio with its range, and how long a sample takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from tcploop_lab.render import style
from tcploop_lab.render.figures import readable

_SIZE = (11.5, 4.4)  # inches


@style.styled
def draw(results: Mapping[str, Any]) -> style.LabFigure:
    """Return the figure of what compare.measure_all measured."""
    fig = plt.figure(FigureClass=style.LabFigure, figsize=_SIZE, layout="constrained")
    left, right = fig.subplots(1, 2, width_ratios=(1.75, 1))
    _ratios(left, results["comparisons"], results["kernel"])
    _growth(right, results["milliseconds per sample"])
    fig.get_layout_engine().set(wspace=0.06)
    return fig


def _ratios(ax: Axes, comparisons: Mapping[str, Mapping[str, float]], kernel: str) -> None:
    rows = list(comparisons.items())
    places = np.arange(len(rows))[::-1]
    ratios = np.array([row["ratio"] for _, row in rows])
    ranges = np.abs(np.array([[row["lowest"], row["highest"]] for _, row in rows]).T - ratios)
    ax.barh(places, ratios, height=0.56, color=style.BLUE, alpha=0.85)
    ax.errorbar(ratios, places, xerr=ranges, fmt="none", ecolor=style.INK, elinewidth=1.3, capsize=4)
    ax.axvline(1.0, color=style.INK, linewidth=1.0, linestyle=(0, (4, 2.5)))
    for place, (name, row) in zip(places, rows, strict=True):
        _value(ax, place, row)
        one, other = name.split(" / ")
        ax.text(-0.015, place, f"{one} against\n{other}", transform=ax.get_yaxis_transform(), ha="right", va="center")
    ax.set(yticks=[], xlim=(0, 1.18 * max(row["highest"] for _, row in rows)))
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("ratio of tries per second, measured in turn (1: equally fast)")
    style.set_titles(ax, _finding(rows), f"median, and lowest to highest of all rounds · {_release(kernel)}")
    words = "; ".join(f"{name}: {row['ratio']:.2f}, {row['lowest']:.2f} to {row['highest']:.2f}" for name, row in rows)
    style.set_alt(ax, f"{ax.get_title(loc='left')}. Bars of ratios: {words}.")


def _release(kernel: str) -> str:
    """The kernel's version without what a distribution or a machine adds to it."""
    found = re.match(r"\w+ \d+\.\d+", kernel)
    return found.group() if found else kernel


def _value(ax: Axes, place: float, row: Mapping[str, float]) -> None:
    spot: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontweight": "bold"}
    spot["bbox"] = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.5}
    ax.annotate(f"{row['ratio']:.2f}", (row["highest"], place), color=readable(style.BLUE), **spot)


def _finding(rows: list[tuple[str, Mapping[str, float]]]) -> str:
    name, row = rows[0]
    return f"The {name.split(' / ')[0]} makes {row['ratio']:.0%} of the tries of a C loop"


def _growth(ax: Axes, times: Mapping[int, float]) -> None:
    sizes, milliseconds = np.array(list(times)), np.array(list(times.values()))
    ax.plot(sizes, milliseconds, "o-", color=style.VERMILLION, markersize=6)
    ax.set(xscale="log", yscale="log", xlim=(sizes[0] / 1.6, sizes[-1] * 5), ylim=(0.55 * min(milliseconds), None))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    for size, value in zip(sizes, milliseconds, strict=True):
        spot: dict[str, Any] = {"xytext": (5, -12), "textcoords": "offset points", "fontsize": 9.5}
        ax.annotate(f"{value:,.3g} ms", (size, value), color=readable(style.VERMILLION), **spot)
    ax.set_xlabel("ports in the range")
    ax.set_ylabel("milliseconds per sample")
    ax.grid(which="major")
    style.set_titles(ax, "Time per sample", "a study on all cores, 200 samples per range")
    words = "; ".join(f"{size:,} ports: {value:.3g} ms" for size, value in times.items())
    style.set_alt(ax, f"Milliseconds per sample against the ports in the range. {words}.")
