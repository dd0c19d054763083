"""The exercises of lesson 08: the incident with each broken cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tcploop_lab as lab
from tcploop_lab.exercises.engine import Checker, State
from tcploop_lab.exercises.lesson_08 import Incident, incident, overnight

from .folded import answer_of, solutions

RANGE = (40000, 40099)
STACKS = ["simulated", pytest.param("namespace", marks=pytest.mark.private_network)]


def test_a_night_is_worked_out_by_hand() -> None:
    """2880 times ten of 14,116 candidates, drawn anew: the share of exercise 08.5, to the percent."""
    assert overnight(1) == round(100 * (1 - (1 - 10 / 14_116) ** 2880)) == 87


@pytest.mark.parametrize("kind", STACKS)
def test_the_incident_is_solved_as_the_notebook_says(kind: str) -> None:
    """The folded solution passes the test of the machine, on either stack."""
    with lab.open_testbed(RANGE, kind=kind) as testbed:
        answer = answer_of(solutions("08")["08.6"], testbed=testbed, machine=incident(testbed))
        feedback = Checker().check("08.6", answer)
    assert feedback.right, feedback


def hold(machine: Incident) -> None:
    """End the connection, and hold the port with a socket of one's own."""
    machine.client.close(reset=True)
    machine.held = machine.testbed.hold(40060)  # type: ignore[attr-defined]


def widen(machine: Incident) -> None:
    """End the connection, and make the port one of very many."""
    machine.client.close(reset=True)
    machine.testbed.use_range((32768, 60999))


CURES: dict[str, tuple[Callable[[Incident], Any], str]] = {
    "nothing": (lambda machine: None, "still connected to itself"),
    "in order": (lambda machine: machine.client.close(reset=False), "has left TIME-WAIT"),
    "reset alone": (lambda machine: machine.client.close(reset=True), "met itself again"),
    "a wider range": (widen, "Nothing keeps it from the clients yet"),
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
