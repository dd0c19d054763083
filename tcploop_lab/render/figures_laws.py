"""The figure that lays laws side by side: what several eras expect of the same loop, and what was measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from ..tries.theory import START_WORDS, TriesDistribution
from . import style
from .figures import curve_of, tries_axis

if TYPE_CHECKING:
    from ..study.study import StudyResult

_SEEN = 0.98  # the axis ends where the slowest law has got that far
_POINTS = 1200  # of a curve
_MEASURED: dict[str, Any] = {"linewidth": 6, "alpha": 0.25, "solid_capstyle": "butt"}
_DASHES = ("-", (0, (5, 1.5)), "-.", (0, (1, 1)), (0, (8, 2, 1, 2)))


@style.styled
def compare(laws: Iterable[TriesDistribution | StudyResult], ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the chance to be connected by then against the tries, one curve per law.

    A study brings the law of its first cell, and what it measured as a broad, pale staircase below. Raises ValueError
    for no laws, and for one that cannot loop: its curve would be the axis.
    """
    pairs = [(one, None) if isinstance(one, TriesDistribution) else (one.cells[0].law, one) for one in laws]
    _check([law for law, _ in pairs])
    ax = style.figure(ax)
    end = max(law.quantile(_SEEN * law.ever) for law, _ in pairs)
    x = np.unique(np.linspace(0, end, _POINTS).astype(np.int64))
    for i, (law, study) in enumerate(pairs):
        colour = style.CYCLE[i % len(style.CYCLE)]
        if study is not None:
            ax.step(*curve_of(study.cells[0]).steps, where="post", color=colour, **_MEASURED)
        dashes = _DASHES[i % len(_DASHES)]
        ax.plot(x, law.cdf(x), label=_words(law, study), drawstyle="steps-post", color=colour, linestyle=dashes)
    studies = [study for _, study in pairs if study is not None]
    _finish(ax, [law for law, _ in pairs], studies, end, title)
    style.set_alt(ax, _alt(ax, pairs))
    labels = {study.label for study in studies if study.label}
    return style.set_label(ax, "simulated kernels" if len(labels) > 1 else "".join(labels))


def _check(laws: Sequence[TriesDistribution]) -> None:
    if not laws:
        raise ValueError("laws: the list is empty; give at least one distribution(...)")
    for law in laws:
        if not law.can_loop:
            raise ValueError(f"law of port {law.port}, era {law.era}: it cannot loop ({law.reason}); leave it out")


def _words(law: TriesDistribution, study: StudyResult | None) -> str:
    mean = study.cells[0].mean if study is not None else None
    pace = f", {law.tries_per_second:g} tries a second" if law.tries_per_second else ""
    return f"{law.name}{pace}: mean {law.mean:,.0f}" + (f", measured {mean:,.0f}" if mean is not None else "")


def _finish(
    ax: Axes, laws: Sequence[TriesDistribution], studies: Sequence[StudyResult], end: int, title: str | None
) -> None:
    ax.set(xlim=(0, end), ylim=(0, 1.03))
    ax.set_xlabel("tries (connect calls) until the socket connects to itself")
    ax.set_ylabel("chance to be connected by then")
    tries_axis(ax.xaxis)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(axis="y")
    first = laws[0]
    small = f"{START_WORDS[first.start]} · port {first.port} in {first.port_range} · {_source(studies)}"
    style.set_titles(ax, title or _finding(laws), small)
    ax.legend(loc="lower right", fontsize=9.5, handlelength=3.2)


def _source(studies: Sequence[StudyResult]) -> str:
    if not studies:
        return "theory"
    most = max(study.cells[0].samples for study in studies)
    return f"lines: theory; broad and pale: {most:,} samples each"


def _finding(laws: Sequence[TriesDistribution]) -> str:
    means = [law.mean for law in laws]
    if len(laws) == 1:
        return f"The mean is {means[0]:,.0f} tries"
    if max(means) - min(means) < 0.5:
        return f"The same mean, {means[0]:,.0f} tries, in {len(laws)} shapes"
    return f"Means from {min(means):,.0f} to {max(means):,.0f} tries"


def _alt(ax: Axes, pairs: Sequence[tuple[TriesDistribution, StudyResult | None]]) -> str:
    half = "; ".join(f"{_words(*pair)}, half by try {pair[0].quantile(pair[0].ever / 2):,}" for pair in pairs)
    return f"{ax.get_title(loc='left')}. Chance to be connected against the number of tries, by era. {half}."
