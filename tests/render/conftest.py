"""What every test of a figure needs."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

from tcploop_lab.render import style


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Close what a test has drawn, after a look at it: all of its text can be read."""
    yield
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    sizes = [figure.smallest for figure in figures if isinstance(figure, style.LabFigure)]
    assert [size for size in sizes if size < style.READABLE] == []
