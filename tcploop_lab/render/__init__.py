"""What people look at: HTML tables and figures of every result, chosen by the name of its type.

By name, because the types live beside the code that touches a kernel, which nothing here may import. A
figure can also be asked for: `render.walk(run, first=80)`, `render.means(result)`, `render.even_and_odd(result)`.
"""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from typing import Any

from . import html_audit as _html_audit  # noqa: F401  (its writers register themselves)
from . import html_defences as _html_defences  # noqa: F401  (its writers register themselves)
from . import html_wire as _html_wire  # noqa: F401
from .html import html

# Every figure and the module that draws it. These import matplotlib, so they load at the first figure.
_HOME = {
    "audit": "figures_audit",
    "chances": "figures",
    "compare": "figures_laws",
    "crowd": "figures_crowd",
    "crowd_shares": "figures_crowd",
    "ecdf": "figures",
    "even_and_odd": "figures_cells",
    "exchange": "figures_walk",
    "increments": "figures_walk",
    "means": "figures_cells",
    "predictions": "figures",
    "thief": "figures_thief",
    "walk": "figures_walk",
}
# The figure that `plot()` draws of a result.
_FIGURE_OF = {
    "Run": "walk",
    "ProbeResult": "increments",
    "Exchange": "exchange",
    "Crossing": "exchange",
    "TriesDistribution": "chances",
    "Study": "predictions",
    "StudyResult": "ecdf",
    "CrowdResult": "crowd",
    "ThiefResult": "thief",
    "AuditResult": "audit",
}

__all__ = ["html", "plot", *_HOME]


def plot(result: Any, ax: Any = None) -> Any:
    """Draw the figure of a result on `ax` (a new figure if None) and return the matplotlib Axes.

    Raises TypeError for a type of result that has no figure.
    """
    for kind in type(result).__mro__:
        if kind.__name__ in _FIGURE_OF:
            return __getattr__(_FIGURE_OF[kind.__name__])(result, ax=ax)
    raise TypeError(f"{type(result).__name__}: there is no figure of it; show it as it is, in words")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _labelled(getattr(import_module(f".{_HOME[name]}", __name__), name))


def _labelled(draw: Any) -> Any:
    """Have a figure of something that is not live say so."""

    @wraps(draw)
    def labelled(result: Any, *args: Any, **settings: Any) -> Any:
        from . import style

        ax = draw(result, *args, **settings)
        return style.set_label(ax, getattr(result, "label", ""))

    return labelled


def __dir__() -> list[str]:
    return sorted(__all__)
