"""One job at a time: it can be asked to end, and what goes wrong in it is kept in words."""

from __future__ import annotations

import threading

import pytest

from tcploop_lab.render.widgets.background import Background, parse_count
from tcploop_lab.render.widgets.svg import ticks


def test_a_job_runs_beside_its_caller_and_ends_when_asked():
    """The second start is refused while the first job runs; a stop cuts its pause short."""
    work, release = Background(), threading.Event()
    assert work.start(lambda: work.pause(60) or release.set())
    assert work.busy and not work.start(lambda: None)
    work.stop()
    assert work.wait(1.0) and release.is_set() and work.stopped


def test_what_a_job_raises_is_kept_in_words():
    """No traceback: one line, told with the last change; the next job begins without it."""
    work, told = Background(), []
    work.changed = lambda: told.append(work.problem)
    work.start(lambda: [][1])
    work.wait(1.0)
    assert told == ["list index out of range"]
    assert work.start(lambda: None) and work.wait(1.0) and work.problem == ""


def test_a_stop_interrupts_the_loop_that_ticks():
    """The progress function of a loop passes the stop on as an interrupt, which ends the loop."""
    work = Background()
    work.tick(5)
    work.stop()
    with pytest.raises(KeyboardInterrupt):
        work.tick(6)


def test_changes_are_told_at_a_pace_that_a_page_can_follow():
    """Of a thousand changes in a moment one is told."""
    work, told = Background(), []
    work.changed = lambda: told.append(1)
    for _ in range(1000):
        work.tell()
    assert told == [1]


@pytest.mark.parametrize("typed", ["1,000", 1000, " 01000 "])
def test_a_count_is_read_as_it_is_typed(typed):
    """With commas, blanks and leading zeros, as text or as a number."""
    assert parse_count("samples", typed, 1000) == 1000


@pytest.mark.parametrize("typed", ["", None, 0, -1, 1.5, "1e3", "\u0663", "1001", "9" * 5000, "0" * 11 + "1" * 9])
def test_a_count_that_is_none_is_told_what_is_allowed(typed):
    """What is no whole number from 1 to the bound raises one line, however many digits it has."""
    with pytest.raises(ValueError, match=r"^samples .*: give a whole number from 1 to 1,000$"):
        parse_count("samples", typed, 1000)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (40000, 40199, [40000, 40050, 40100, 40150]), (1, 20, [5, 10, 15, 20])],
)
def test_ticks_are_round_numbers_within_the_axis(low, high, expected):
    """At most six numbers, evenly apart, none outside."""
    assert ticks(low, high) == pytest.approx(expected)
