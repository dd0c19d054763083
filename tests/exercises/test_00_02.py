"""The exercises of lessons 00 to 02: each right answer, each typical mistake with a hint of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

import tcploop_lab as lab
from tcploop_lab.exercises.engine import Checker, State
from tcploop_lab.testbed.testbed import Testbed

from .folded import answer_of, solutions

SOLUTIONS = solutions("00") | solutions("01") | solutions("02")


@pytest.fixture(scope="module")
def testbed() -> Iterator[Testbed]:
    """The testbed of the lessons: the kernel's own range."""
    with lab.open_testbed(kind="namespace") as place:
        yield place


@pytest.fixture(scope="module")
def narrow() -> Iterator[Testbed]:
    """A range of 200 ports around the article's port: even ports first."""
    with lab.open_testbed(port_range=(33200, 33399), kind="namespace") as place:
        yield place


def hint(number: str, answer: object) -> str:
    """What a learner reads whose first answer is this one."""
    feedback = Checker().check(number, answer)
    assert feedback.state is State.WRONG
    return feedback.message


@pytest.mark.parametrize("number", SOLUTIONS)
def test_solution_in_the_notebook_is_right(number, testbed):
    """What the notebook gives as the solution is what the check takes as right, with an explanation."""
    feedback = Checker().check(number, answer_of(SOLUTIONS[number], lab=lab, testbed=testbed))
    assert feedback.state is State.RIGHT
    assert len(feedback.message) > 20


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("00.1", " C) "), ("00.3", "False"), ("01.1", ["e", "f", "C"]), ("01.1", {"c", "e", "f"}),
        ("01.2", "31,988"), ("01.2", 31988.0), ("02.1", "c a d b"), ("02.1", list("cadb")),
        ("02.3", "abc"), ("02.3", bytearray(b"abc")),
    ],
)  # fmt: skip
def test_other_spellings_are_right(number, answer):
    """The same answer in another spelling is right too."""
    assert Checker().check(number, answer).state is State.RIGHT


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("00.1", "a", "a listener keeps its own port"),
        ("00.1", "b", "a second socket would have a name"),
        ("00.1", "d", "one letter from a to c"),
        ("00.4", "a", "whoever answers"),
        ("00.4", "c", "and the ports"),
        ("00.4", "d", "an echo server"),
        ("00.2", 40002, "the run itself"),
        ("00.3", True, "testbed.hold"),
        ("00.3", 0, "true or false"),
        ("01.1", "acef", "8080"),
        ("01.1", "ac", "8080"),
        ("01.1", "bcef", "50001 is odd"),
        ("01.1", "cdef", "which source address"),
        ("01.1", "cf", "binds its source address"),
        ("01.1", "ce", "::1 is loopback"),
        ("01.1", "ef", "the plain case"),
        ("01.1", "xyz", "letters from a to f"),
        ("01.2", 63976, "the whole range"),
        ("01.2", 31987, "both ends"),
        ("01.2", 14116, "default range"),
        ("01.2", 12, "count the ports"),
        ("01.2", float("nan"), "a whole number"),
        ("01.4", "parity", "testbed.check"),
        ("01.6", lambda port, low, high: low <= port <= high and port % 2 == 0, "begin with an odd port"),
        ("01.6", lambda port, low, high: low <= port <= high, "every second port goes last"),
        ("01.6", lambda port, low, high: (port - low) % 2 == 0 and port <= high, "8080 is outside"),
        ("01.6", lambda port, low, high: (port - low) % 2 == 0 and port >= low, "above the range"),
        ("01.6", lambda port, low, high: low < port <= high and (port - low) % 2 == 0, "the lower end belongs"),
        ("01.6", True, "the function itself"),
        ("01.5", "a", "a reserved port is never picked"),
        ("01.5", "c", "a held port is skipped"),
        ("02.1", "cbda", "ndebug"),
        ("02.1", "cabd", "nothing to do with the port"),
        ("02.1", "badc", "a pointer has 8 bytes"),
        ("02.1", "bad", "each once"),
        ("02.2", "a", "even sequence"),
        ("02.2", "c", "hashed sequence"),
        ("02.3", b"ab", "kept the two writes apart"),
        ("02.3", b"abcd", "at most three"),
        ("02.3", b"cd", "in the order"),
        ("02.3", b"x", "all four bytes wait"),
        ("02.3", 3, "bytes"),
        ("02.4", 40001, "a socket"),
        ("02.5", "a", "what the article says"),
        ("02.5", "b", "slower"),
    ],
)
def test_typical_mistake_gets_its_own_hint(number, answer, told):
    """Each typical wrong answer is met by the hint made for it."""
    assert told in hint(number, answer).lower()


def test_second_loop_judges_the_run(testbed):
    """Exercise 00.2 takes a self-connection, and tells the ways to miss it apart."""
    with testbed.listen(40002):
        assert "listens on that port" in hint("00.2", testbed.connect_loop(40002))
    assert "40000 again" in hint("00.2", testbed.connect_loop(40000))
    assert "outside the range" in hint("00.2", testbed.connect_loop(80, max_tries=5))
    assert "before much could happen" in hint("00.2", testbed.connect_loop(33333, max_tries=5))
    assert "that resists" in hint("00.2", testbed.connect_loop(33333, max_tries=30_000))


@pytest.mark.parametrize(
    ("client", "way"),
    [("bind-zero", "other parity"), ("bind-self", "nothing to choose"), ("socket-range", "range of its own")],
)
def test_article_port_by_another_client(narrow, client, way):
    """Exercise 01.3 takes any way to make 33333 loop, and explains that very way."""
    run = narrow.connect_loop(33333, client=client)
    assert way in Checker().check("01.3", run).message


@pytest.mark.parametrize(("port_range", "way"), [((33333, 33333), "one port"), ((33301, 33400), "odd port")])
def test_article_port_in_another_range(port_range, way):
    """Exercise 01.3 explains a range of one port and an odd lower end."""
    with lab.open_testbed(port_range=port_range, kind="namespace") as place:
        assert way in Checker().check("01.3", place.connect_loop(33333)).message


def test_article_port_mistakes(narrow):
    """Exercise 01.3 has a hint for another port, a listener, a range without the port, and an even range."""
    assert "about 33333" in hint("01.3", narrow.connect_loop(33334))
    assert "begins with an even port" in hint("01.3", narrow.connect_loop(33333, max_tries=5))
    with narrow.listen(33333):
        assert "A listener answered" in hint("01.3", narrow.connect_loop(33333))
    with lab.open_testbed(port_range=(40000, 40099), kind="namespace") as elsewhere:
        assert "outside the range" in hint("01.3", elsewhere.connect_loop(33333, max_tries=5))


def test_two_broken_rules(narrow):
    """Exercise 01.4 counts the broken rules: none, one and three are wrong, two are right however broken."""
    assert "Every rule holds" in hint("01.4", narrow.check(33300))
    assert "Just one rule" in hint("01.4", narrow.check(33301))
    with narrow.listen(33300), narrow.listen(33301):
        assert "More than two" in hint("01.4", narrow.check(33301))
        assert "nobody listens and not held" in Checker().check("01.4", narrow.check(33300)).message


def test_socket_by_hand(narrow):
    """Exercise 02.4 tells a closed, an unconnected and a wrongly connected socket apart."""
    sock = narrow.tcp_socket()
    assert "not connected" in hint("02.4", sock)
    with narrow.listen(33300):
        sock.connect(("127.0.0.1", 33300))
        assert "somebody else" in hint("02.4", sock)
    sock.close()
    assert "is closed" in hint("02.4", sock)
    assert "a socket" in hint("02.4", socket.gethostname)
