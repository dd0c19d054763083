"""Figures of several clients at once: their tries together beside the law of one, and who made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from ..study.result import standard_error
from . import style
from .figures import KEY, Curve, draw_curves, readable, subtitle, tries_axis
from .figures_cells import ERRORS


@style.styled
def crowd(result: Any, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the share of samples connected against the tries of all clients together, the law of one dashed.

    One curve per number of clients; the pale band is where 99.9 % of such samples lie if the law is right. Raises
    ValueError for a result without samples.
    """
    cells = [cell for cell in result.cells if cell.samples]
    if not cells:
        raise ValueError("crowd: there are no samples to draw; run it again and let it go on for longer")
    curves = [Curve(_label(cell), cell.law, cell.together, cell.observed) for cell in cells]
    ax = draw_curves(curves, ax)
    ax.set_xlabel("tries of all clients together until one connects to itself")
    ax.set_title(title or _finding(curves), pad=26)
    subtitle(ax, f"{_place(result)} · {KEY}")
    words = "; ".join(curve.label.replace("\n", ": ") for curve in curves)
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. Share connected against tries together. {words}.")


def _label(cell: Any) -> str:
    return f"{_clients(cell.clients)}\nmean {cell.mean:,.0f} tries, {1e3 * cell.mean_seconds:,.1f} ms"


def _clients(count: int) -> str:
    return f"{count} client{'s' if count > 1 else ''}"


def _finding(curves: Sequence[Curve]) -> str:
    off = sum(not curve.follows for curve in curves)
    if off:
        return f"{off} of {len(curves)} numbers of clients: the tries are not those of one client"
    return "However many clients dial, together they need the tries of one"


def _place(result: Any) -> str:
    beside = ", beside other traffic" if result.other_traffic else ""
    cores = result.provenance.get("cores", "?")
    cores = f"{cores} core{'s' if cores != '1' else ''}"
    return f"port {result.port} in {result.port_range}{beside} · {cores} · {result.provenance.get('kernel', '')}"


@style.styled
def crowd_shares(result: Any, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw mean tries against the number of clients: of all together, and of the client that connects.

    Beside them, dashed, what the model expects if every try is made by any of the clients with equal chance. The bars
    are 4 standard errors to either side. Raises ValueError if a number of clients has fewer than two hits.
    """
    cells = sorted(result.cells, key=lambda cell: cell.clients)
    if any(cell.hits < 2 for cell in cells):
        raise ValueError("crowd: a number of clients has fewer than two hits, so there is no mean to draw")
    ax = style.figure(ax, size=(style.SIZE[0] + 1.6, style.SIZE[1]))
    counts = np.array([cell.clients for cell in cells])
    law = [cell.law.mean for cell in cells]
    _draw(ax, counts, [cell.together[cell.observed] for cell in cells], law, style.BLUE, "all clients together")
    own = [cell.own[cell.observed] for cell in cells]
    _draw(ax, counts, own, [cell.model_own for cell in cells], style.VERMILLION, "the client that connects")
    _finish(ax, counts, result)
    ax.set_title(title or _shares_finding(cells), pad=26)
    words = "; ".join(
        f"{_clients(cell.clients)}: {cell.mean:,.0f} together, {cell.mean_own:,.0f} own" for cell in cells
    )
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. Mean tries against the number of clients. {words}.")


def _draw(
    ax: Axes, counts: np.ndarray, samples: Sequence[np.ndarray], model: Sequence[float], colour: str, words: str
) -> None:
    means = np.array([sample.mean() for sample in samples])
    errors = np.array([ERRORS * standard_error(sample) for sample in samples])
    ax.plot(counts, model, color=colour, linewidth=1.1, linestyle=(0, (4, 2.5)))
    ax.errorbar(counts, means, errors, fmt="o", color=colour, capsize=4, markersize=6, zorder=3)
    label = f"{words}\nmeasured {means[-1]:,.0f}, model {model[-1]:,.0f}"
    spot: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    ax.annotate(label, (1.02, means[-1]), va="center", fontsize=9, color=readable(colour), **spot)


def _finish(ax: Axes, counts: np.ndarray, result: Any) -> None:
    ax.set_xscale("log", base=2)
    ax.set(xlim=(counts[0] / 1.2, counts[-1] * 1.2))
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(FixedLocator(counts.tolist()))
    ax.xaxis.set_minor_locator(NullLocator())
    tries_axis(ax.xaxis)
    tries_axis(ax.yaxis)
    ax.set_xlabel("clients that dial at once")
    ax.set_ylabel("mean tries until one connects to itself")
    ax.grid(axis="y")
    subtitle(ax, f"{_place(result)} · dashes: model · bars: {ERRORS:.0f} standard errors")


def _shares_finding(cells: Sequence[Any]) -> str:
    last = cells[-1]
    if last.clients == 1:
        return f"One client connects after {last.mean_own:,.0f} tries in the mean"
    share = last.mean_own / last.mean
    return f"Of {last.clients} clients, the one that connects made {share:.0%} of the tries"
