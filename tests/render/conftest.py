"""What every test of a figure needs."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tcploop_lab.render import style

READABLE = 11.0  # CSS pixels: no text of a figure is smaller at full size


def too_small(figure: Figure) -> list[str]:
    """The texts of a figure that cannot be read, where an inch has 72 points and 96 CSS pixels: it is never shrunk."""
    return [
        one.get_text() for one in figure.findobj(Text) if one.get_text() and one.get_fontsize() * 96 / 72 < READABLE
    ]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Close what a test has drawn, after a look at it: all of its text can be read."""
    yield
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    ours = [one for one in figures if isinstance(one, style.LabFigure)]
    assert [text for one in ours for text in too_small(one)] == []
    assert [one.alt for one in ours if one.get_size_inches()[0] > style.WIDEST] == []
