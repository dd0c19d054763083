"""Figures: right data, a finding as title, words on the axes, labels that do not overlap."""

from __future__ import annotations

import subprocess
import sys
from array import array
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

import tcploop_lab as lab
from tcploop_lab import show
from tcploop_lab.ports.eras import parse_era
from tcploop_lab.ports.identify import classify
from tcploop_lab.render import style
from tcploop_lab.render.figures_laws import compare
from tcploop_lab.study.store import Store
from tcploop_lab.testbed.sampling import Samples
from tcploop_lab.tries.theory import distribution

from . import test_figures_crowd as crowd
from .test_html import audit

RANGE = lab.PortRange(40000, 40999)
KERNEL = "Linux 5.15.167.4-microsoft-standard-WSL2"  # the longest name of one that many have


def drawn(law: object, samples: int, seed: int = 1) -> array[int]:
    """A sample of a law, by its quantiles."""
    chances = np.random.default_rng(seed).random(samples)
    return array("Q", [law.quantile(chance) for chance in chances])  # type: ignore[attr-defined]


def result(
    era: str = "random-walk", start: str = "random", theory: str = "random-walk", kernel: str = KERNEL, **plan: object
) -> lab.StudyResult:
    """A finished study whose samples come from `era`, and whose theory is that of today's Linux, or another."""
    arguments = {"ports": [40500, 40501], "ranges": RANGE, "samples": 150, "start": start} | plan
    study = lab.Study(**arguments)  # type: ignore[arg-type]
    with Store.create(None, study) as store:
        store.set_facts({"kernel": kernel}, [(theory, 20_000)] * len(study.cells))
        for index, cell in enumerate(study.cells):
            law = cell.law(era, start)
            hit = law.can_loop
            tries = drawn(law, study.samples, index) if hit else array("Q", [1000] * study.samples)
            columns = tries, array("B", [hit] * study.samples), array("d", [0.1] * study.samples)
            store.add(index, range(study.samples), Samples("h", kernel, *columns))
        return lab.StudyResult.of(store.read())


def run(port: int, tries: int = 2000, connected: bool = False) -> lab.Run:
    """A run with the trace of a simulated walk; `connected` ends it with the port dialled."""
    walk = parse_era("random-walk")(seed=3)
    ports = [walk.connect_port(RANGE) for _ in range(tries - connected)] + [port] * connected
    ends = ("127.0.0.1", port) if connected else None
    return lab.Run(
        port, "127.0.0.1", lab.ClientKind.SAME_SOCKET, RANGE, tries, 0.1, "connected" if connected else "max-tries",
        {}, ends, ends, tries, KERNEL, array("H", ports),
    )  # fmt: skip


def probe(era: str = "random-walk", tries: int = 400) -> object:
    """What a probe finds in the ports of a simulated allocator."""
    kernel = parse_era(era)(seed=5)
    return classify([kernel.connect_port(RANGE) for _ in range(tries)], RANGE)


FIGURES = {
    "ecdf": lambda ax=None: show.ecdf(result(), ax=ax),
    "ecdf of many cells": lambda ax=None: show.ecdf(result(ports=range(40500, 40512), samples=40), ax=ax),
    "ecdf of many ranges": lambda ax=None: show.ecdf(
        result(ports=40004, ranges=[(40000, 40019), (40000, 40199), (38000, 41999)]), ax=ax
    ),
    "ecdf of returns": lambda ax=None: show.ecdf(result(start="return", ports=40500), ax=ax),
    "predictions": lambda ax=None: show.predictions(lab.Study([40500, 40501], RANGE), ax=ax),
    "chances": lambda ax=None: show.chances(distribution("random-walk", RANGE, 40500), ax=ax),
    "chances of a sequence": lambda ax=None: show.chances(distribution("even-sequence", RANGE, 40500), ax=ax),
    "walk": lambda ax=None: show.walk(run(40500, connected=True), ax=ax),
    "walk past an odd port": lambda ax=None: show.walk(run(40501), ax=ax),
    "walk from near": lambda ax=None: show.walk(run(40501), first=60, ax=ax),
    "increments": lambda ax=None: show.increments(probe(), ax=ax),
    "increments of a sequence": lambda ax=None: show.increments(probe("even-sequence"), ax=ax),
    "increments of a lottery": lambda ax=None: show.increments(probe("geometric"), ax=ax),
    "means": lambda ax=None: show.means(
        result(ports=40004, ranges=[(40000, 40019), (40000, 40199), (38000, 41999)]), ax=ax
    ),
    "crowd": lambda ax=None: show.crowd(crowd.result(*map(crowd.cell, (1, 2, 4, 8)), kernel=KERNEL), ax=ax),
    "even and odd": lambda ax=None: show.even_and_odd(result(ports=range(40500, 40506)), ax=ax),
}


def texts(ax: Axes) -> list[Text]:
    """All texts that a reader sees: title, labels and annotations."""
    drawn_texts = [ax.title, ax._left_title, *ax.texts, ax.xaxis.label, ax.yaxis.label]  # type: ignore[attr-defined]
    return [text for text in drawn_texts if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_what_it_shows(name: str) -> None:
    """A title, words on both axes, and an alternative text with the title and more.

    No text leaves the picture or lies over another one, and no setting of matplotlib has changed.
    """
    before = dict(plt.rcParams)
    ax = FIGURES[name]()
    title = ax.get_title(loc="left")
    assert 20 < len(title) < 80
    assert len(ax.get_xlabel()) > 5 and len(ax.get_ylabel()) > 5
    assert style.alt_of(ax).startswith(title)
    assert 80 < len(style.alt_of(ax)) < 2000
    ax.figure.canvas.draw()
    renderer, frame = ax.figure.canvas.get_renderer(), ax.figure.bbox.padded(1)
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts(ax)]
    assert len(boxes) >= 3
    outside = [words for words, box in boxes if not (frame.contains(*box.p0) and frame.contains(*box.p1))]
    over = [(a, b) for (a, one), (b, two) in combinations(boxes, 2) if one.padded(-1).overlaps(two.padded(-1))]
    assert (outside, over, dict(plt.rcParams)) == ([], [], before)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_goes_onto_given_axes(name: str) -> None:
    """With `ax` it draws there and makes no figure of its own."""
    _, ax = plt.subplots()
    before = plt.get_fignums()
    assert FIGURES[name](ax) is ax
    assert plt.get_fignums() == before


def test_every_text_can_be_read_on_white() -> None:
    """Labels take the colour of their curve, darkened to a contrast of at least 4.5."""
    ax = show.ecdf(result(ports=range(40500, 40514), samples=30))
    colours = {text.get_color() for text in texts(ax)}
    assert len(colours) > 7
    assert [colour for colour in colours if style.contrast(colour, style.PAPER) < 4.5] == []


def test_the_steps_of_the_ecdf_are_the_sample() -> None:
    """The measured line rises by 1/n at each of the tries."""
    measured = result(ports=40500)
    ax = show.ecdf(measured)
    line = max(ax.get_lines(), key=lambda one: (one.get_drawstyle() == "steps-post", one.get_linewidth()))
    tries = np.sort(measured.cells[0].tries)
    x, y = line.get_data()
    for n in (tries[0], tries[70], tries[-1]):
        assert y[x <= n][-1] == pytest.approx((tries <= n).mean())


def test_censored_samples_count_as_not_connected() -> None:
    """Half of the samples stopped at 100 tries: the curve does not end at 1 there."""
    study = lab.Study(40500, RANGE, samples=4)
    with Store.create(None, study) as store:
        store.set_facts({}, [("random-walk", 100)])
        columns = array("Q", [10, 20, 100, 100]), array("B", [1, 1, 0, 0]), array("d", [0.1] * 4)
        store.add(0, range(4), Samples("h", "Linux", *columns))
        ax = show.ecdf(lab.StudyResult.of(store.read()))
    assert max(line.get_ydata()[-1] for line in ax.get_lines() if line.get_drawstyle() == "steps-post") == 0.5
    law = distribution("random-walk", RANGE, 40500)
    within = float((np.arange(1, 101) * law.pmf(np.arange(1, 101))).sum() / law.chance(100))
    assert f"2 censored; mean of the hits 15, theory {within:.0f}" in style.alt_of(ax)
    assert within == pytest.approx(50, abs=1)  # not the 445 of loops that are never given up


def test_the_title_tells_when_the_theory_fails() -> None:
    """Samples of a lottery do not pass for the walk; those of the walk do."""
    good, bad = result(start="return", ports=40500), result("geometric", "return", ports=40500)
    assert show.ecdf(good).get_title(loc="left") == "Port 40500 connects to itself as the theory says"
    assert show.ecdf(bad).get_title(loc="left") == "1 of 1 cells: the tries are not those of the theory"


def test_the_title_tells_when_an_impossible_port_connects() -> None:
    """A hit on a port that cannot loop by theory is not passed over."""
    odd = result("socket-range", ports=40501)
    assert "not those of the theory" in show.ecdf(odd).get_title(loc="left")


def test_the_walk_is_the_trace() -> None:
    """One point per try; the port dialled as a line; where it met, a ring around the last try."""
    made = run(40500, connected=True)
    ax = show.walk(made)
    points, line, ring = ax.get_lines()
    assert points.get_ydata().tolist() == list(made.trace or ())
    assert set(line.get_ydata()) == {40500}
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (2000, 40500)
    assert ax.get_title(loc="left") == "The source port meets the port it dials, 40500, at try 2,000"


def test_the_walk_past_an_odd_port_says_why() -> None:
    """Every source port was even, and the title says so."""
    assert show.walk(run(40501)).get_title(loc="left") == "Every source port is even, so it never meets 40501"


def test_the_bars_of_increments_are_the_counts() -> None:
    """Heights are the shares of the steps seen; a mark at the share that the era expects."""
    found = probe()
    ax = show.increments(found)
    counts = list(found.increments.values())  # type: ignore[attr-defined]
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([n / sum(counts) for n in counts])
    assert {line.get_ydata()[0] for line in ax.get_lines()} == {1 / 8}
    assert ax.get_title(loc="left") == "Each try moves on by 2 to 16 ports"


def test_the_means_lie_where_they_were_measured() -> None:
    """Each point at (M, mean), with bars of four standard errors, beside the line 8M/9."""
    measured = result(ports=40004, ranges=[(40000, 40199), (38000, 41999)])
    ax = show.means(measured)
    for cell, container in zip(measured.cells, ax.containers, strict=True):
        points, _, (bar,) = container
        assert points.get_xydata().tolist() == [[cell.law.candidates, cell.mean]]
        (_, low), (_, high) = bar.get_segments()[0]
        assert (high - low) / 2 == pytest.approx(4 * (cell.standard_error or 0))
    x, y = ax.get_lines()[0].get_data()
    assert (y / x).tolist() == pytest.approx([8 / 9] * 2)
    assert ax.get_title(loc="left") == "Twice the candidates, twice the tries: mean = 8 M / 9"


@pytest.mark.parametrize(("era", "side"), [("geometric", "right"), ("even-sequence", "left")])
def test_the_line_goes_through_no_number(era: str, side: str) -> None:
    """A mean above the line has its number to the left above it, one below to the right below it."""
    ax = show.means(result(era, ports=40004, ranges=[(38000, 41999)], samples=1000))
    (number,) = (text for text in ax.texts if text.get_text().isdecimal() or "," in text.get_text())
    assert number.get_ha() == side


@pytest.mark.parametrize(
    ("era", "start", "words"),
    [
        ("even-sequence", "random", "mean = M / 2"),
        ("even-sequence", "return", "mean = M"),
        ("perturbed-even-sequence", "random", "mean = 9 M / 17"),
        ("geometric", "random", "mean = M"),
    ],
)
def test_the_line_of_the_means_is_that_of_the_era(era: str, start: str, words: str) -> None:
    """8 M / 9 is the walk's line alone: a sequence sweeps half the circle, a lottery and a return need all of it."""
    ax = show.means(result(era, start, era, ports=40004, ranges=[(40000, 40199), (38000, 41999)]))
    assert words in [text.get_text() for text in ax.texts]
    assert ax.get_title(loc="left") == f"Twice the candidates, twice the tries: {words}"


def test_odd_ports_are_a_flat_line_at_zero() -> None:
    """They were tried and never hit: the line is there, at 0, as far as they were tried."""
    ax = show.even_and_odd(result(ports=range(40500, 40504)))
    steps = [line for line in ax.get_lines() if line.get_drawstyle() == "steps-post"]
    flat = [line for line in steps if not line.get_ydata().any()]
    assert len(steps) == 2 and len(flat) == 1
    assert flat[0].get_xdata().tolist() == [0, 1000]
    assert ax.get_title(loc="left") == "Even ports connect to themselves, odd ports never do"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: show.means(result(ports=40501)), "no cell has two hits"),
        (lambda: show.even_and_odd(result(ports=40500)), "give even and odd ports"),
        (lambda: show.chances(distribution("random-walk", RANGE, 40501)), "cannot loop"),
        (lambda: show.walk(run(40500, tries=0)), r"make one with connect_loop\(port, trace=True\)"),
        (lambda: audit("never-tried", attempts=0).plot(), "verdict never-tried: the program sent no segment of port"),
        (lambda: crowd.result(crowd.cell(2, samples=0)).plot(), "crowd: "),
        (lambda: compare([]), "laws: the list is empty"),
        (lambda: compare([distribution("random-walk", RANGE, 40501)]), "port 40501, era random-walk: it cannot loop"),
    ],
)
def test_what_cannot_be_drawn_is_one_clear_line(draw: object, message: str) -> None:
    """A result that lacks what a figure needs raises ValueError with the reason."""
    with pytest.raises(ValueError, match=message) as caught:
        draw()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_plot_finds_the_figure_of_a_result() -> None:
    """Results draw themselves; what has no figure says so."""
    assert run(40501).plot().get_ylabel() == "source port of the try"
    assert result(ports=40500).plot().get_ylabel() == "share connected by then"
    with pytest.raises(TypeError, match="Fit: there is no figure of it"):
        lab.fit([1, 2], [True, True], result(ports=40500).cells[0].law).plot()


def test_a_text_from_outside_is_no_formula() -> None:
    """A kernel of any name is drawn as it is called: nothing in a figure is read as TeX, however it is broken."""
    name = r"$\frac{ $x^ \$ 50"
    for ax in (show.ecdf(result(kernel=name)), show.means(result(kernel=name, ports=[40500]))):
        ax.figure.canvas.draw()
        assert ax.figure.png()
        assert any(name in text.get_text() for text in ax.texts)


@pytest.mark.parametrize("first", ["lab.audit", "lab.show.audit"])
def test_a_figure_does_not_take_the_place_of_a_command(first):
    """lab.audit audits, whether it or the figure of the same name was used first."""
    code = f"import tcploop_lab as lab; {first}; lab.show.audit; print(lab.audit.__module__, lab.show.audit.__module__)"
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).split()
    assert printed == ["tcploop_lab.audits.audit", "tcploop_lab.render.figures_walk"]


def test_the_figure_is_the_first_conversation() -> None:
    """Of several attempts the first is drawn, and all of it."""
    ax = audit(attempts=2).plot()
    texts = " ".join(text.get_text() for text in ax.texts)
    plt.close(ax.figure)
    assert "Self-connection: 5 segments" in ax.get_title(loc="left") + texts
    assert texts.count("SYN-ACK") == 1
