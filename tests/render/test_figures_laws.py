"""The figure that compares laws: it draws each one, and says what it found."""

from __future__ import annotations

import numpy as np
import pytest

import tcploop_lab as lab
from tcploop_lab.render import style
from tcploop_lab.render.figures_laws import compare
from tcploop_lab.tries.theory import distribution

RANGE = (40000, 40999)
ERAS = ("even-sequence", "random-walk", "geometric")


def laws(start: str):
    """The laws of three eras for one port."""
    return [distribution(era, RANGE, 40500, start=start) for era in ERAS]


def test_each_law_has_its_curve():
    """The curves are the distribution functions, and the legend names each era with its mean."""
    ax = compare(laws("random"))
    for line, law in zip(ax.get_lines(), laws("random"), strict=True):
        tries, chance = line.get_data()
        assert np.allclose(chance, law.cdf(tries.astype(int)))
        assert len(tries) > 500
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["even-sequence: mean 250", "random-walk: mean 445", "lottery: mean 500"]


def test_laws_of_one_era_at_two_paces_have_two_names():
    """The legend says at which pace a client dials that does not dial without a pause."""
    slow = distribution("random-walk", RANGE, 40500, tries_per_second=10)
    ax = compare([distribution("random-walk", RANGE, 40500), slow])
    words = [text.get_text().split(":")[0] for text in ax.get_legend().get_texts()]
    assert words == ["random-walk", "random-walk, 10 tries a second"]


@pytest.mark.parametrize(
    ("start", "title"), [("return", "The same mean, 500 tries, in 3 shapes"), ("random", "Means from 250 to 500 tries")]
)
def test_the_title_is_the_finding(start, title):
    """Returns have one mean in every era, first hits have not; the alternative text says so too."""
    ax = compare(laws(start))
    assert ax.get_title(loc="left") == title
    assert style.alt_of(ax).startswith(title)
    assert "lottery: mean 500, half by try 347" in style.alt_of(ax)


def test_a_study_brings_what_it_measured():
    """Below the law of a study lie its samples, and the figure says on which kernel they were made."""
    study = lab.Study([40100], [(40000, 40199)], samples=50)
    result = study.run(lab.open_testbed(kernel="4.19"), progress=False)
    samples, law = compare([result]).get_lines()
    assert (samples.get_xdata()[1:-1] == np.unique(result.cells[0].tries)).all()
    assert law.get_label() == f"even-sequence: mean 50, measured {result.cells[0].mean:.0f}"
    assert style.alt_of(law.axes).startswith("simulated Linux 4.19, not live.")
