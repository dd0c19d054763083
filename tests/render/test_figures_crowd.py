"""The figures of several clients: what was found, in the title, the labels and the alternative text."""

from __future__ import annotations

import numpy as np

import tcploop_lab as lab
from tcploop_lab.render import style
from tcploop_lab.study.crowd import CrowdCell, CrowdResult
from tcploop_lab.tries.theory import TriesDistribution, distribution

RANGE = lab.PortRange(40000, 40999)
LAW = distribution("random-walk", RANGE, 40500)


def cell(clients: int, factor: int = 1, samples: int = 100) -> CrowdCell:
    """A sample of the law by its quantiles, times a factor; each client makes the same share of the tries."""
    law: TriesDistribution = LAW
    together = factor * np.array([law.quantile((i + 0.5) / samples) for i in range(samples)], dtype=np.int64)
    own = 1 + together // (2 * clients)
    ones, seconds = np.full(samples, clients), together / 1e5
    return CrowdCell(clients, law, law.mean / clients, together, own, ones, together > 0, seconds, 0 * seconds)


def result(*cells: CrowdCell, other_traffic: bool = False, kernel: str = "Linux 6.18") -> CrowdResult:
    """A result of these cells on a machine with two cores."""
    return CrowdResult(40500, RANGE, other_traffic, 0, cells, {"kernel": kernel, "cores": "2"})


def test_the_curves_fall_together_and_the_title_says_so() -> None:
    """One curve per number of clients, labelled with tries and time; plot() draws this figure."""
    ax = result(cell(1), cell(8)).plot()
    assert ax.get_title(loc="left") == "However many clients dial, together they need the tries of one"
    labels = [text.get_text() for text in ax.texts]
    assert "8 clients\nmean 443 tries, 4.4 ms" in labels
    assert "1 client: mean 443 tries, 4.4 ms" in style.alt_of(ax)


def test_another_law_is_not_praised() -> None:
    """Where the tries together are not those of one client, the title counts it, and so does the summary."""
    ax = result(cell(1), cell(8, factor=3)).plot()
    assert ax.get_title(loc="left") == "1 of 2 numbers of clients: the tries are not those of one client"
    assert "they do not follow the law of one client" in result(cell(8, factor=3)).summary
    assert "they follow the law of one client" in result(cell(8)).summary


def test_what_the_machine_was_stands_below_the_title() -> None:
    """Other traffic and the cores are told."""
    texts = [text.get_text() for text in result(cell(1), other_traffic=True).plot().texts]
    assert any("beside other traffic · 2 cores" in text for text in texts)


def test_the_table_has_a_row_for_each_number_of_clients() -> None:
    """Tries together beside theory, the winner's own, and the time."""
    text = result(cell(1), cell(8))._repr_html_()
    assert text.count("<tr>") == 3
    assert ">444.8<" in text and "cores: 2" in text
