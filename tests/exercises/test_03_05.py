"""The exercises of lessons 03 to 05: what was measured or done by hand, and puzzles with one solution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations

import numpy as np
import pytest

import tcploop_lab as lab
from tcploop_lab.exercises import lesson_03, lesson_05
from tcploop_lab.exercises.engine import Checker, State
from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.study.result import Cell
from tcploop_lab.study.study import Study, StudyResult
from tcploop_lab.tcp.replay import replay
from tcploop_lab.tcp.segments import Segment
from tcploop_lab.testbed.capture import Exchange
from tcploop_lab.tries import simulate
from tcploop_lab.tries.theory import distribution

RANGE = PortRange(50000, 50599)


class Stored(Exchange):
    """An exchange that holds given segments, without a capture."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = tuple(segments)

    def __repr__(self) -> str:
        return f"Stored({self._segments})"

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments it was made with."""
        return self._segments


def result_of(
    port: int, port_range: PortRange, samples: int, max_tries: int | None = None, start: str = "random"
) -> StudyResult:
    """A study of one cell with simulated samples."""
    study = Study([port], [port_range], samples=samples, start=start)
    plan, limit = study.cells[0], max_tries or 50 * port_range.width
    drawn = simulate.tries("random-walk", port_range, port, samples=samples, seed=7, max_tries=limit)
    rest = (np.zeros(samples), np.arange(samples), np.zeros(samples, np.int16))
    cell = Cell(plan, limit, plan.law("random-walk"), drawn.tries, drawn.observed, *rest)
    return StudyResult(study, (cell,), {"kernel": "simulated"})


@pytest.fixture
def checker() -> Checker:
    """A checker with no memory of earlier answers."""
    return Checker()


def follows_the_rules(order: Sequence[Segment]) -> bool:
    """SYN, SYN-ACK, and then every segment has the number that comes after all that was sent before."""
    expected = [order[0].seq, order[0].seq]
    for segment in order[1:-1]:
        expected.append(max(expected[-1], segment.seq + segment.length))
    numbers_fit = [segment.seq for segment in order] == expected
    acknowledged = all(after.ack <= before for after, before in zip(order[2:], expected[2:], strict=True))
    return [order[0].flags, order[1].flags] == ["S", "SA"] and numbers_fit and acknowledged


def test_the_shuffled_segments_have_one_order():
    """Of all 5040 orders only the solution follows the rules, and it replays from CLOSED to TIME-WAIT."""
    segments = dict(zip(lesson_03.IN_ORDER, lab.recorded("self-connection").segments, strict=True))
    orders = ("".join(order) for order in permutations(segments))
    assert [o for o in orders if follows_the_rules([segments[name] for name in o])] == [lesson_03.IN_ORDER]
    replayed = replay([segments[name] for name in lesson_03.IN_ORDER])
    assert replayed.impossible == ()
    assert replayed.states[-1] == "TIME-WAIT"


def test_the_shuffled_table_shows_all_in_the_order_of_the_letters():
    """The learner sees seven segments, a to g, counted from x; the head of the table says that they are recorded."""
    table = lesson_03.shuffled()
    assert "".join(table.index) == "abcdefg"
    assert table.loc["g"].to_dict() == {"flags": "PA", "seq": "x+1", "ack": "x+1", "payload": "hi"}
    assert table.loc["f"].to_dict() == {"flags": "S", "seq": "x", "ack": "", "payload": ""}
    for shown in (str(table), table._repr_html_()):
        assert lab.recorded("self-connection").label in shown


def test_the_blanks_hide_what_the_solution_says():
    """Put back into the table, the solution gives the segments of a real life."""
    table = lesson_03.blanked()
    assert sorted(v for v in table.to_numpy().flat if v in ("P", "Q", "R", "T")) == list("PQRT")
    full = table.replace({letter: str(value) for letter, value in lesson_03._BLANKS.items()})
    real = lesson_03.whole_life(5000, b"ping")[:5]
    assert list(full.seq) == [str(segment.seq) for segment in real]
    assert list(full.ack) == [str(segment.ack or "") for segment in real]


def test_a_whole_life_is_recognized(checker):
    """Exercise 03.5 takes an exchange that opens, carries data and closes in order."""
    feedback = checker.check("03.5", Stored(lesson_03.whole_life(1, b"Ada")))
    assert feedback.state is State.RIGHT
    assert "7 segments and 3 bytes" in feedback.message


LIFE = lesson_03.whole_life(1, b"Ada")
RESET = Segment(9.0, *("127.0.0.1", 40000) * 2, "RA", LIFE[4].seq, LIFE[4].seq)


@pytest.mark.parametrize(
    ("segments", "hint"),
    [
        ((), "It is empty"),
        ((RESET, *LIFE), "reset of an earlier run"),
        (LIFE[3:], "opening is missing"),
        ((*LIFE[:5], RESET), "ends in a reset"),
        (LIFE[:5], "close is missing"),
        (tuple(s for s in lesson_03.whole_life(1, b"") if s.flags != "PA"), "data is missing"),
        (lesson_03.whole_life(1, b"hi", port=40002), "is the lesson's"),
        (lab.recorded("handshake").segments, "between two sockets"),
    ],
)
def test_a_life_that_lacks_something_is_told_what(checker, segments, hint):
    """Exercise 03.5 says what is missing in the capture."""
    feedback = checker.check("03.5", Stored(segments))
    assert feedback.state is State.WRONG
    assert hint in feedback.message


def test_a_recorded_life_is_none_of_the_learners(checker):
    """Exercise 03.5 asks for a capture of one's own."""
    assert "is the lesson's" in checker.check("03.5", lab.recorded("self-connection")).message


MOVES = {  # what is done by hand: a host calls, a number is delivered, lose0 is lost
    "": "There was no RST",
    "both 0 0 0 0 0 0": "There was no RST",
    "A 0": "still on the cable",
    "A 0 0": "The RST came in time",
    "A 0 lose0": "late, not lost",
}


@pytest.mark.parametrize("moves", MOVES)
def test_who_delivers_otherwise_is_told_what_happened(checker, moves):
    """Exercise 04.1 recognizes each other way in which two hosts may end."""
    with lab.open_testbed(kind="namespace") as testbed, testbed.crossing() as hosts:
        acts = {"both": hosts.open, "A": lambda: hosts.connect("A"), "B": lambda: hosts.connect("B")}
        for move in moves.split():
            {**acts, "lose0": hosts.lose}.get(move, lambda move=move: hosts.deliver(int(move)))()
        feedback = checker.check("04.1", hosts)
    assert feedback.state is State.WRONG
    assert MOVES[moves] in feedback.message


def test_the_hosts_of_the_widget_are_an_answer_too(checker):
    """Who has let the RST come late with the buttons may give the widget, or its model."""
    with lab.open_testbed(kind="namespace") as testbed:
        view = lab.crossing_by_hand(testbed)
        view.model.call("A")
        view.model.deliver(0)
        view.model.call("B")
        view.model.deliver(1)
        while view.model.held:
            view.model.deliver()
        assert checker.check("04.1", view).right
        assert checker.check("04.1", view.model).right
        view.close()


def test_the_numbers_of_05_1_are_those_of_the_law():
    """Mean and median that exercise 05.1 tells, and the four sweeps by which it explains the share."""
    law = distribution("random-walk", (32768, 60999), 40000)
    assert (round(law.mean), law.quantile(0.5)) == (12_548, 8_723)
    assert law.chance(12_548) == pytest.approx(1 - (7 / 9) ** 4, abs=0.001)


def test_returns_are_no_first_hits(checker):
    """Exercise 05.6 asks for random starts, so the mean of returns is no answer, though it is right for them."""
    assert "a study of returns" in checker.check("05.6", (300, result_of(50300, RANGE, 300, start="return"))).message


def test_the_mystery_is_what_the_eras_do():
    """Each column shows the steps by which its era is known."""
    ports = lesson_05.mystery()
    steps = {name: {after - before for before, after in pairwise(ports[name])} for name in ports}
    assert steps["Q"] == {1}
    assert steps["S"] == {2}
    assert len(steps["P"]) > 2
    assert steps["P"] <= set(range(2, 17, 2))
    assert max(map(abs, steps["R"])) > 16


@pytest.mark.parametrize("predicted", [8 / 9 * 300, "267"])
def test_a_prediction_that_the_study_confirms_is_right(checker, predicted):
    """Exercise 05.6 takes the mean of theory with samples that agree."""
    feedback = checker.check("05.6", (predicted, result_of(50300, RANGE, 300)))
    assert feedback.state is State.RIGHT, feedback
    assert "standard errors from theory" in feedback.message


@pytest.mark.parametrize(
    ("predicted", "port", "samples", "max_tries", "hint"),
    [
        (267, 50301, 300, 300, "No sample hit"),
        (267, 50300, 50, None, "Fewer than 100 hits"),
        (300, 50300, 300, None, "You predicted M itself"),
        (267, 50300, 300, 200, "far off"),
        (600, 50300, 300, None, "8/9 of M"),
    ],
)
def test_a_prediction_that_fails_is_told_why(checker, predicted, port, samples, max_tries, hint):
    """Exercise 05.6 finds what is wrong: the port, the samples, the prediction, or the bound."""
    feedback = checker.check("05.6", (predicted, result_of(port, RANGE, samples, max_tries)))
    assert feedback.state is State.WRONG
    assert hint in feedback.message
