"""The exercises of lesson 08: right answers, typical mistakes, and the incident with each broken cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tcploop_lab as lab
from tcploop_lab.exercises.engine import Checker, State
from tcploop_lab.exercises.lesson_08 import Incident, incident, overnight

from .folded import answer_of, solutions

SOLUTIONS = solutions("08")
RANGE = (40000, 40099)
STACKS = ["simulated", pytest.param("namespace", marks=pytest.mark.private_network)]


def words(line: str) -> list[str]:
    """The fields of a line of ss."""
    return line.split()


MISTAKEN: list[tuple[str, Any, str]] = [
    ("08.1", "a", "from the node"),
    ("08.1", "c", "outside the pod"),
    ("08.1", "d", "dials 127.0.0.1"),
    ("08.2", lambda lines: [words(x)[3] for x in lines if words(x)[3] == words(x)[4]], "One is in TIME-WAIT"),
    ("08.2", lambda lines: [words(x)[3] for x in lines if words(x)[0] == "ESTAB"], "two addresses"),
    ("08.2", lambda lines: [words(x)[3] for x in lines if words(x)[3] == words(x)[4] and "127" in x and "ESTAB" in x],
     "IPv6"),
    ("08.2", lambda lines: "127.0.0.1:40050", "a list of names"),
    ("08.3", "a", "closes its sockets in order"),
    ("08.3", "b", "both must"),
    ("08.3", "d", "answers itself"),
    ("08.4", "abd", "Look at b"),
    ("08.4", "acd", "Look at c"),
    ("08.4", "ade", "Look at e"),
    ("08.4", "d", "NodePorts"),
    ("08.4", "a", "an even port"),
    ("08.5", 90, "Tell the law the pace"),
    ("08.5", 13, "have *not*"),
    ("08.6", "fixed", "asks for the machine"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "answer", "hint"), MISTAKEN)
def test_a_typical_mistake_gets_its_own_hint(number: str, answer: Any, hint: str) -> None:
    """Who makes a typical mistake is told about this very mistake."""
    feedback = Checker().check(number, answer)
    assert feedback.state is State.WRONG
    assert hint in feedback.message


def test_a_night_is_worked_out_by_hand() -> None:
    """2880 times ten of 14,116 candidates, drawn anew: the share of exercise 08.5, to the percent."""
    assert overnight(1) == round(100 * (1 - (1 - 10 / 14_116) ** 2880)) == 87


@pytest.mark.parametrize("share", [87, 87.0, 0.87, "87", "87%", "87 %", "87.0", "87 percent", "0.87", ".87", "0,87"])
def test_a_share_is_an_answer_in_percent(share: object) -> None:
    """However a share is written, as a number or in words, it is the same one."""
    assert Checker().check("08.5", share).right


@pytest.mark.parametrize("number", sorted(set(SOLUTIONS) - {"08.6"}))
def test_the_folded_solution_is_right(number: str) -> None:
    """Who copies the solution from the notebook is told that it is right."""
    assert Checker().check(number, answer_of(SOLUTIONS[number], lab=lab)).right


@pytest.mark.parametrize("kind", STACKS)
def test_the_incident_is_solved_as_the_notebook_says(kind: str) -> None:
    """The folded solution passes the test of the machine, on either stack."""
    with lab.open_testbed(RANGE, kind=kind) as testbed:
        answer = answer_of(SOLUTIONS["08.6"], testbed=testbed, machine=incident(testbed))
        feedback = Checker().check("08.6", answer)
    assert feedback.right, feedback


def hold(machine: Incident) -> None:
    """End the connection, and hold the port with a socket of one's own."""
    machine.client.close(reset=True)
    machine.held = machine.testbed.hold(40060)  # type: ignore[attr-defined]


CURES: dict[str, tuple[Callable[[Incident], Any], str]] = {
    "nothing": (lambda machine: None, "still connected to itself"),
    "in order": (lambda machine: machine.client.close(reset=False), "has left TIME-WAIT"),
    "reset alone": (lambda machine: machine.client.close(reset=True), "met itself again"),
    "held": (hold, "another socket has its port"),
}


@pytest.mark.parametrize("cure", CURES)
@pytest.mark.parametrize("kind", STACKS)
def test_a_broken_cure_is_told_why(kind: str, cure: str) -> None:
    """The machine is put to the test, and what fails is named; another range is a cure all the same."""
    with lab.open_testbed(RANGE, kind=kind) as testbed:
        machine = incident(testbed)
        assert machine.start_server().startswith("EADDRINUSE")
        CURES[cure][0](machine)
        feedback = Checker().check("08.6", machine)
    assert feedback.state is State.WRONG
    assert CURES[cure][1] in feedback.message


@pytest.mark.parametrize("kind", STACKS)
def test_another_range_is_a_cure_too(kind: str) -> None:
    """The port lies outside, and the server starts after every crash."""
    with lab.open_testbed(RANGE, kind=kind) as testbed:
        machine = incident(testbed)
        machine.client.close(reset=True)
        testbed.use_range((41000, 41099))
        assert Checker().check("08.6", machine).right
        assert machine.start_server() == "listens on 127.0.0.1:40060"


def test_the_incident_needs_a_port_that_can_loop() -> None:
    """Where the port is reserved already there is no incident: the reason is told."""
    raises = pytest.raises(ValueError, match="can loop, and here")
    with lab.open_testbed(RANGE, kind="simulated") as testbed, testbed.reserve(40060), raises:
        incident(testbed)
