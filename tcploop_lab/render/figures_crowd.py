"""The figure of several clients at once: their tries together beside the law of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from ..tcp.words import counted
from . import style
from .figures import KEY, Curve, draw_curves


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
    style.set_titles(ax, title or _finding(curves), f"{_place(result)} · {KEY}")
    words = "; ".join(curve.label.replace("\n", ": ") for curve in curves)
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. Share connected against tries together. {words}.")


def _label(cell: Any) -> str:
    return f"{counted(cell.clients, 'client')}\nmean {cell.mean:,.0f} tries, {1e3 * cell.mean_seconds:,.1f} ms"


def _finding(curves: Sequence[Curve]) -> str:
    off = sum(not curve.follows for curve in curves)
    if off:
        return f"{off} of {len(curves)} numbers of clients: the tries are not those of one client"
    return "However many clients dial, together they need the tries of one"


def _place(result: Any) -> str:
    beside = ", beside other traffic" if result.other_traffic else ""
    cores = result.provenance.get("cores", "?")
    cores = counted(int(cores), "core") if cores.isdigit() else f"{cores} cores"
    return f"port {result.port} in {result.port_range}{beside} · {cores} · {result.provenance.get('kernel', '')}"
