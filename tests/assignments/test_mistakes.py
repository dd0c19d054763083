"""How many students a common mistake costs points: each is made on the data of 40. docs/teaching.md has the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import tcploop_lab as lab
from tcploop_lab.exercises import judging
from tcploop_lab.exercises.grading import NotYet

from .course import ASSIGNMENTS, NAMES, ROOT

STUDENTS = [f"student-{number}" for number in range(40)]
FIRST, SECOND, THIRD = NAMES


def letters(keep: Callable[[Any, int], bool]) -> Callable[[Any], set[str]]:
    """The letters of the ports of which this is true."""
    return lambda own: {letter for letter, port in own.ports.items() if keep(own, port)}


def without_wrap(own: Any) -> dict[str, int]:
    """Sums, as if sequence numbers went on for ever."""
    ack = own.first + 1 + len(own.word)
    return {"P": own.first + 1, "Q": own.first + 1, "R": ack, "T": ack + 1}


def lottery(own: Any) -> int:
    """The tries of a memoryless kernel."""
    return lab.distribution("geometric", own.port_range, own.port).tries_needed(own.chance)


MISTAKES: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "even ports only": (
        FIRST, "loops", letters(lambda own, p: p in own.port_range and p % 2 == 0 and p != own.reserved)
    ),
    "every port of the range": (FIRST, "loops", letters(lambda own, p: p in own.port_range)),
    "the reserved port too": (
        FIRST, "loops", letters(lambda own, p: p in own.port_range and p % 2 == own.port_range.low % 2)
    ),
    "the ports of both parities": (FIRST, "candidates", lambda own: own.port_range.width),
    "never picked: it must be the parity": (FIRST, "why", lambda own: "a"),
    "sorted by sequence number": (SECOND, "order", lambda own: sorted(own.shuffled, key=lambda x: own.shuffled[x].seq)),
    "numbers that do not wrap": (SECOND, "numbers", without_wrap),
    "ESTABLISHED, wherever the capture stops": (SECOND, "state", lambda own: {"ESTABLISHED"}),
    "M tries from a random start": (THIRD, "first-mean", lambda own: own.port_range.width / 2),
    "half of M, as if by turns": (THIRD, "first-mean", lambda own: own.port_range.width / 4),
    "the lottery's number of tries": (THIRD, "needed", lottery),
}  # fmt: skip


@cache
def data(assignment: str) -> tuple[judging.Judge, list[Any]]:
    """The judge, and what each student was given."""
    judge = judging.load(ASSIGNMENTS / "judges" / f"{assignment}.py")
    return judge, [judge.data(name, "") for name in STUDENTS]


def costs(assignment: str, exercise: str, answer: Callable[[Any], Any]) -> int:
    """How many students lose the points of the exercise by this answer."""
    judge, owns = data(assignment)
    lost = 0
    for own in owns:
        try:
            judge.rows[f"{exercise}-test"].check(own, answer(own))
        except NotYet:
            lost += 1
    return lost


def test_the_page_says_what_each_mistake_costs() -> None:
    """The table of docs/teaching.md has every mistake, with how many of 40 students it costs the points."""
    page = (ROOT / "docs" / "teaching.md").read_text()
    rows = [
        f"| {words} | `{assignment}`, {exercise} | {costs(assignment, exercise, answer)} |"
        for words, (assignment, exercise, answer) in MISTAKES.items()
    ]
    assert [row for row in rows if row not in page] == []
