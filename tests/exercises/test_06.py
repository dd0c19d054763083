"""The exercises of lesson 06: right answers, typical mistakes, and the folded solutions on the real kernel."""

from __future__ import annotations

from typing import Any

import pytest

import tcploop_lab as lab
from tcploop_lab.audits.verdicts import AuditVerdict
from tcploop_lab.exercises.engine import Checker, State
from tcploop_lab.tcp.segments import Segment

from .folded import answer_of, solutions

SOLUTIONS = solutions("06")
DATA = Segment(0.0, "127.0.0.1", 33334, "127.0.0.1", 33334, "PA", 1, 1, payload=b"hello")


def audited(verdict: str, exit_status: int = 0, segments: tuple[Segment, ...] = ()) -> lab.AuditResult:
    """The result of an audit, made by hand."""
    return lab.AuditResult(
        ("python3",), AuditVerdict(verdict), (), 33334, "127.0.0.1", 1, exit_status, 0.1, "exited", "Linux 6.18",
        "first\nlast\n", segments,
    )  # fmt: skip


RIGHT = [
    ("06.1", audited("self-connected", segments=(DATA,)), "5 bytes to itself. Its last words: last"),
    ("06.2", audited("detected", 1), "the comparison shows"),
    ("06.3", "b)", "cannot tell them apart"),
    ("06.4", ["b", "c"], "above 60999, and odd"),
    ("06.5", "B", "one name on both sides"),
]
MISTAKEN = [
    ("06.1", audited("never-tried", 1), "failed before it dialled"),
    ("06.1", audited("never-tried"), "without an f-string"),
    ("06.1", audited("refused", 1), "Let the kernel choose"),
    ("06.1", audited("detected", 1), "the answer to 06.2"),
    ("06.1", audited("self-connected"), "Send a line"),
    ("06.1", audited("unclear"), "answer.evidence"),
    ("06.1", "python3 -c", "asks for the result of an audit"),
    ("06.2", audited("self-connected", segments=(DATA,)), "before the first byte"),
    ("06.2", audited("self-connected"), "does the same with a server"),
    ("06.2", audited("refused", 1), "cannot run twice"),
    ("06.2", audited("never-tried", 1), "failed before it dialled"),
    ("06.2", audited("unclear"), "compare the two names"),
    ("06.3", "a", "would do something else there"),
    ("06.3", "c", "there was a SYN"),
    ("06.4", "b", "even or odd"),
    ("06.4", "c", "default range end"),
    ("06.4", "abc", "same address as its server"),
    ("06.4", "bcd", "no port is reserved"),
    ("06.5", "a", "still runs"),
    ("06.5", "c", "two sockets, two names"),
]


@pytest.mark.parametrize(("number", "answer", "because"), RIGHT, ids=[row[0] for row in RIGHT])
def test_right_answers(number: str, answer: Any, because: str) -> None:
    """A right answer is said to be right, with the reason."""
    feedback = Checker().check(number, answer)
    assert feedback.state is State.RIGHT
    assert because in feedback.message


@pytest.mark.parametrize(("number", "answer", "hint"), MISTAKEN, ids=[f"{row[0]} {row[2]}" for row in MISTAKEN])
def test_each_mistake_has_its_hint(number: str, answer: Any, hint: str) -> None:
    """A typical mistake is wrong, and gets the hint that helps; a second one gets the stronger hint too."""
    checker = Checker()
    checker.check(number, "something else")
    feedback = checker.check(number, answer)
    assert feedback.state is State.WRONG
    assert hint in feedback.message
    assert len(feedback.message) > len(hint) + 20


@pytest.mark.parametrize("number", SOLUTIONS)
def test_the_folded_solutions_are_right(number: str) -> None:
    """Each solution of the notebook, run as it stands, is accepted."""
    assert Checker().check(number, answer_of(SOLUTIONS[number], lab=lab)).state is State.RIGHT


def test_the_preconditions_say_what_exercise_4_says() -> None:
    """Port 65531 breaks two rules on a default range: in range, parity."""
    with lab.open_testbed((32768, 60999), kind="namespace") as testbed:
        assert [rule.name for rule in testbed.check(65531).broken] == ["in range", "parity"]
