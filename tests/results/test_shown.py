"""What a result shows of itself: aligned text where there is no HTML, and the names that Tab offers."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.results.shown import columns


def test_columns_stand_below_each_other() -> None:
    """Each column is as wide as its widest text, two spaces apart, and no line ends in spaces."""
    text = columns([("", "state"), ("127.0.0.1:40000", "LISTEN"), ("::1", "")])
    assert text.splitlines() == ["                 state", "127.0.0.1:40000  LISTEN", "::1"]


def test_rows_of_unequal_length_are_refused() -> None:
    """A row that lacks a column is an error, not a table that lacks one."""
    with pytest.raises(ValueError, match="shorter"):
        columns([("local", "state"), ("::1",)])


def test_tab_offers_what_a_learner_may_use() -> None:
    """Of a live object and of its class: no name that only the lab uses, and a figure where there is one."""
    with lab.open_testbed(kind="simulated") as testbed:
        run, verdict = testbed.connect_loop(40000), testbed.check(40000)
    for one in (testbed, run, verdict, lab.distribution("geometric", (40000, 40999), 40000)):
        for offered in (dir(one), dir(type(one))):
            assert {"describe", "figure", "executor", "submit", "arm_reset", "mro"}.isdisjoint(offered)
            assert ("plot" in offered) is bool(one.figure) and "summary" in offered
    assert {"hold", "dial_and_compare"} <= set(dir(lab.clients)) and {"os", "errno", "Address"}.isdisjoint(
        dir(lab.clients)
    )
