"""What people look at: a description of a result as HTML and as text, and the figures.

A result says what it is by its `describe()`, and names its own figure. Others can be asked for:
`render.walk(run, first=80)`, `render.means(result)`, `render.even_and_odd(result)`.
"""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from typing import Any

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
__all__ = ["html", "text", *_HOME]


def __getattr__(name: str) -> Any:
    if name == "text":  # rich takes its time, too
        return import_module(".plain", __name__).text
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
