"""The exercises of lesson 07: clients that are measured, and a port that is protected."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

import tcploop_lab as lab
from tcploop_lab.defence import clients as defences
from tcploop_lab.exercises import lesson_07
from tcploop_lab.exercises.engine import Checker
from tcploop_lab.tries.theory import distribution


@pytest.fixture
def checker() -> Checker:
    """A checker with no memory of earlier answers."""
    return Checker()


@pytest.mark.private_network
def test_what_a_client_raises_is_told_as_its_own(checker: Checker) -> None:
    """Of an exception that is no OSError the kind and the words are repeated, also of one that the lab uses itself."""

    def wrong(address: defences.Address, new_socket: defences.NewSocket) -> Any:
        raise ValueError("me")

    told = checker.check("07.2", wrong).message
    assert told == "You gave the function wrong: it raised ValueError: me; a client raises OSError, or nothing."


@pytest.mark.private_network
def test_a_client_that_refuses_everybody_is_no_repair(checker: Checker) -> None:
    """Exercise 07.2 wants a client that can still reach its server."""

    def refuse(address: defences.Address, new_socket: defences.NewSocket) -> Any:
        defences.close_with_reset(defences.dial(address, new_socket))
        raise ConnectionRefusedError

    assert "does not accept a real server" in checker.check("07.2", refuse).message


@pytest.mark.private_network
@pytest.mark.parametrize(
    ("act", "seconds", "told"),
    [
        (lambda: time.sleep(60), 1, "it did not return within 1 s"),
        (sys.exit, 60, "it raised SystemExit"),
        (lambda: Path("/no/such/file").read_text(), 60, "it must dial the address"),
    ],
    ids=["sleeps", "ends", "opens a file"],
)
def test_what_a_client_does_is_told_in_words(
    checker: Checker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    act: Any,
    seconds: int,
    told: str,
) -> None:
    """A client that sleeps, ends the program, opens files or prints is answered in words, and soon."""
    monkeypatch.setattr(lesson_07, "SECONDS", seconds)

    def odd(address: defences.Address, new_socket: defences.NewSocket) -> Any:
        print("dialling")
        act()
        return defences.dial(address, new_socket)

    began = time.monotonic()
    assert told in checker.check("07.2", odd).message
    assert time.monotonic() - began < 50
    assert capsys.readouterr().out == ""


def test_a_port_is_protected_where_it_is(checker: Checker) -> None:
    """Exercise 07.6 takes a reserved and a held port; not an open one, another one, a moved range, or a listener."""
    with lab.open_testbed((40000, 40999), kind="namespace") as testbed:
        with testbed.reserve(40100):
            reserved = testbed.check(40100)
        with testbed.hold(40100):
            held = testbed.check(40100)
        free, other = testbed.check(40100), testbed.check(40101)
        with testbed.use_range("41000-41999"):
            moved = testbed.check(40100)
        with testbed.listen(40100):
            served = testbed.check(40100)
        elsewhere = testbed.check(40100, host="127.0.0.2")
        used = testbed.connect_loop(40100)
        in_use = testbed.check(40100)
        used.close()
    told = [
        checker.check("07.6", verdict) for verdict in (reserved, held, free, other, moved, served, elsewhere, in_use)
    ]
    assert [feedback.right for feedback in told] == [True, True, *[False] * 6]
    hints = [feedback.message.split(".")[0] for feedback in told[2:]]
    assert hints == [
        "It can loop still",
        "That is a verdict on another port; this asks for 40100",
        "That works, but it moves the range away",
        "Somebody listens there, and that is the service itself",
        "That verdict is about another address, client or range",
        "A connection uses the port just now",
    ]


def test_the_luck_of_1000_tries_is_that_of_every_era() -> None:
    """93 percent of loops see nothing in 1000 tries, whichever the era; so the exercise needs none."""
    eras = ("random-walk", "even-sequence", "geometric")
    chances = [distribution(era, (32768, 60999), 40000).sf(1000) for era in eras]
    assert [round(100 * float(chance)) for chance in chances] == [lesson_07._luck_percent()] * 3


def test_the_machine_is_shown_as_its_settings() -> None:
    """Exercise 07.1 shows four lines, as sysctl and the socket table would."""
    lines = repr(lesson_07.machine()).splitlines()
    assert lines[0] == "net.ipv4.ip_local_port_range = 8000 65535"
    assert lines[1] == "net.ipv4.ip_local_reserved_ports = 30000-30009,47808"
    assert len(lines) == 4
