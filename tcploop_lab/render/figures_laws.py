"""The figure that lays laws side by side: what several eras expect of the same loop, with no try made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from ..tries.theory import TriesDistribution
from . import style
from .figures import STARTS, subtitle, tries_axis

_SEEN = 0.98  # the axis ends where the slowest law has got that far
_POINTS = 1200  # of a curve
_DASHES = ("-", (0, (5, 1.5)), "-.", (0, (1, 1)), (0, (8, 2, 1, 2)))


@style.styled
def compare(laws: Sequence[TriesDistribution], ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the chance to be connected by then against the tries, one curve per law.

    Raises ValueError for no laws, and for one that cannot loop: its curve would be the axis.
    """
    if not laws:
        raise ValueError("laws: the list is empty; give at least one distribution(...)")
    for law in laws:
        if not law.can_loop:
            raise ValueError(f"law of port {law.port}, era {law.era}: it cannot loop ({law.reason}); leave it out")
    ax = style.figure(ax)
    end = max(law.quantile(_SEEN * law.ever) for law in laws)
    x = np.unique(np.linspace(0, end, _POINTS).astype(np.int64))
    for i, law in enumerate(laws):
        line: dict[str, Any] = {"color": style.CYCLE[i % len(style.CYCLE)], "linestyle": _DASHES[i % len(_DASHES)]}
        ax.plot(x, law.cdf(x), label=_words(law), drawstyle="steps-post", **line)
    _finish(ax, laws, end, title)
    return style.set_alt(ax, _alt(ax, laws))


def _words(law: TriesDistribution) -> str:
    return f"{law.era}: mean {law.mean:,.0f}"


def _finish(ax: Axes, laws: Sequence[TriesDistribution], end: int, title: str | None) -> None:
    ax.set(xlim=(0, end), ylim=(0, 1.03))
    ax.set_xlabel("tries (connect calls) until the socket connects to itself")
    ax.set_ylabel("chance to be connected by then")
    tries_axis(ax.xaxis)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(axis="y")
    ax.set_title(title or _finding(laws), pad=26)
    first = laws[0]
    subtitle(ax, f"{STARTS[first.start]} · port {first.port} in {first.port_range} · theory")
    ax.legend(loc="lower right", fontsize=9.5, handlelength=3.2)


def _finding(laws: Sequence[TriesDistribution]) -> str:
    means = [law.mean for law in laws]
    if len(laws) == 1:
        return f"The mean is {means[0]:,.0f} tries"
    if max(means) - min(means) < 0.5:
        return f"The same mean, {means[0]:,.0f} tries, in {len(laws)} shapes"
    return f"Means from {min(means):,.0f} to {max(means):,.0f} tries"


def _alt(ax: Axes, laws: Sequence[TriesDistribution]) -> str:
    half = "; ".join(f"{_words(law)}, half by try {law.quantile(law.ever / 2):,}" for law in laws)
    return f"{ax.get_title(loc='left')}. Chance to be connected against the number of tries, by era. {half}."
