"""Which switch breaks which precondition, as a figure: a row for each switch, a column for each rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ...ports.preconditions import Verdict
from .. import style


@style.styled
def draw_switches(port: int, kernel: str, verdicts: Mapping[str, Verdict], ax: Axes | None = None) -> Axes:
    """Draw the verdicts, one in each row, with their broken rules marked in colour and word; return the Axes."""
    names = [rule.name for rule in next(iter(verdicts.values())).rules]
    ax = style.figure(ax, size=(style.WIDEST, 1.2 + 0.42 * len(verdicts)))
    for row, (words, verdict) in enumerate(verdicts.items()):
        for column, rule in enumerate(verdict.rules):
            _draw_cell(ax, column, row, rule.ok)
        ax.text(-0.1, row + 0.5, words, ha="right", va="center")
    ax.set(xlim=(0, len(names)), ylim=(len(verdicts), 0))
    ax.set_xticks([i + 0.5 for i in range(len(names))], ["\n".join(name.rsplit(" ", 1)) for name in names])
    ax.set_yticks([])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    small = f"each switch alone, asked of {kernel}"
    style.set_titles(ax, f"Which switch breaks which precondition of port {port}", small)
    return style.set_alt(ax, _alt(ax, verdicts))


def _draw_cell(ax: Axes, column: int, row: int, ok: bool) -> None:
    colour = style.PALE if ok else style.ground(style.VERMILLION)
    ax.add_patch(Rectangle((column + 0.04, row + 0.07), 0.92, 0.86, facecolor=colour, edgecolor="none"))
    look: dict[str, Any] = {"color": style.text_on(colour), "fontweight": "normal" if ok else "bold"}
    ax.text(column + 0.5, row + 0.5, "holds" if ok else "BROKEN", ha="center", va="center", fontsize=9, **look)


def _alt(ax: Axes, verdicts: Mapping[str, Verdict]) -> str:
    rows = (f"{words}: {', '.join(rule.name for rule in found.broken) or 'none'}" for words, found in verdicts.items())
    return f"{ax.get_title(loc='left')}. Broken rules: {'; '.join(rows)}."
