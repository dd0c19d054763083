"""The look of figures: readable colours, an alternative text, and one picture per figure in a notebook."""

from __future__ import annotations

import re
from io import BytesIO
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from tcploop_lab.render import style
from tcploop_lab.render.ladder import STATE_COLOURS


def outputs_of(*cells: str) -> list[list[dict[str, str]]]:
    """Run `cells` in a notebook; the data of the outputs of each."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [[output["data"] for output in cell.outputs] for cell in notebook.cells]


@pytest.mark.slow
def test_a_notebook_stores_each_figure_once_with_its_text() -> None:
    """However a cell shows a figure, it stores one <img> with the alternative text, and no bare image."""
    (), *shown = outputs_of(
        "from tcploop_lab.render import style; import matplotlib.pyplot as plt",
        "axes = style.figure(alt='kept in a name')",
        "style.figure(alt='the last value')",
        "plt.show(style.figure(alt='shown').figure.number)",
        "style.figure(alt='as its figure').figure",
        "axes",
    )
    texts = ["kept in a name", "the last value", "shown", "as its figure", "kept in a name"]
    for outputs, text in zip(shown, texts, strict=True):
        (data,) = outputs
        assert set(data) == {"text/html", "text/plain"}
        picture = r'class="tcploop-figure" style="[^"]+" src="data:image/png;base64,[A-Za-z0-9+/=]+">'
        # The keyboard scrolls it.
        place = '<div role="group" aria-label="figure" tabindex="0" style="overflow-x: auto">'
        assert re.fullmatch(rf'<style>[^<]+</style>{place}<img alt="{text}" {picture}</div>', data["text/html"])


def test_html_escapes_the_text() -> None:
    """Quotes and angle brackets of an alternative text cannot break the HTML."""
    ax = style.figure(alt='"x" <b> & y')
    assert '<img alt="&quot;x&quot; &lt;b&gt; &amp; y" ' in ax.figure._repr_html_()


def test_the_picture_is_a_png_that_takes_any_ground() -> None:
    """A figure is a PNG, the same bytes each time; white at its corner, or transparent there as notebooks show it."""
    fig = style.figure(size=(2, 1)).figure
    data = fig.png()
    assert data.startswith(b"\x89PNG")
    assert data == fig.png()
    assert list(plt.imread(BytesIO(data))[0, 0]) == [1, 1, 1, 1]
    assert plt.imread(BytesIO(fig.png(on_paper=False)))[0, 0, 3] == 0


def test_alternative_text_of_axes() -> None:
    """`set_alt` gives a text on one line; without one, title and labels serve."""
    ax = style.figure()
    ax.set_title("Tries")
    ax.set(xlabel="tries", ylabel="share")
    assert style.alt_of(ax) == "Tries. x: tries, y: share"
    assert style.alt_of(style.set_alt(ax, "one\n  line")) == "one line"


def test_a_figure_says_what_all_its_axes_say() -> None:
    """The text of a figure is that of its axes, in order."""
    fig = style.figure(alt="Left.").figure
    style.figure(fig.add_axes((0.5, 0, 0.5, 1)), alt="Right.")
    assert fig.alt == "Left. Right."


def test_given_axes_are_used() -> None:
    """`figure` draws on axes that it is given, and opens no figure then."""
    _, mine = plt.subplots()
    assert style.figure(mine, alt="mine") is mine
    assert len(plt.get_fignums()) == 1
    assert style.alt_of(mine) == "mine"


def test_the_caller_s_style_is_left_alone() -> None:
    """Drawing changes no setting of matplotlib, even when it fails."""

    @style.styled
    def fail() -> None:
        assert mpl.rcParams["axes.titleweight"] == "bold"
        raise KeyError

    with mpl.rc_context({"axes.titleweight": "light"}):
        before = dict(mpl.rcParams)
        with pytest.raises(KeyError):
            fail()
        assert dict(mpl.rcParams) == before


# Filter Effects Module Level 1, section 8.3: hue-rotate(180deg), by which DARK_TOO turns the colours after invert(1).
HALF_ROUND = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])


def in_the_dark(colour: str) -> str:
    """What a dark theme makes of a colour in a figure."""
    turned = HALF_ROUND @ (1 - np.array(mpl.colors.to_rgb(colour)))
    return mpl.colors.to_hex(np.clip(turned, 0, 1))


@pytest.mark.parametrize("colour", [style.BLUE, style.PALE, *map(style.ground, style.CYCLE), *STATE_COLOURS.values()])
def test_text_on_a_colour_is_readable(colour: str) -> None:
    """Text on every ground in use has the contrast that WCAG asks for, 4.5 to 1, in light and dark themes."""
    for shown in (str, in_the_dark):
        assert style.contrast(shown(style.text_on(colour)), shown(colour)) >= 4.5


def test_small_print_is_readable() -> None:
    """Grey and coloured text on the light background has a contrast of 4.5 to 1."""
    colours = (style.INK, style.GREY, style.BLUE, style.ALERT)
    assert min(style.contrast(colour, style.PAPER) for colour in colours) >= 4.5


def test_contrast() -> None:
    """The contrast ratio is 21 for black on white, 1 for a colour on itself, whatever the order."""
    assert style.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert style.contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert style.contrast(style.BLUE, style.BLUE) == 1


def test_colours_stay_distinct_without_colour_vision() -> None:
    """The first colours of the cycle differ even for readers without red or green cones (Vienot 1999)."""
    protan = ((0.1124, 0.8876, 0), (0.1124, 0.8876, 0), (0.004, -0.004, 1))
    deutan = ((0.2928, 0.7072, 0), (0.2928, 0.7072, 0), (-0.0223, 0.0223, 1))
    for matrix in (protan, deutan):
        seen = [[sum(a * b for a, b in zip(row, mpl.colors.to_rgb(colour), strict=True)) for row in matrix]
                for colour in style.CYCLE[:4]]  # fmt: skip
        for one, other in combinations(seen, 2):
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.1
