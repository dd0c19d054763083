"""The exercises of lessons 00 to 02 that judge what the learner did to the kernel."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

import tcploop_lab as lab
from tcploop_lab.exercises.engine import Checker, State
from tcploop_lab.testbed.testbed import Testbed


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


def test_article_port_when_the_even_ones_are_taken():
    """Exercise 01.3 takes this way, too, and does not call an even range odd; a kernel of another day is no answer."""
    with lab.open_testbed(port_range=(33332, 33335), kind="simulated") as place:
        held = [place.hold(port) for port in (33332, 33334)]
        assert "every even one was taken" in Checker().check("01.3", place.connect_loop(33333)).message
    assert len(held) == 2
    with lab.open_testbed(kernel="4.1") as then:
        assert "as in section 7" in hint("01.3", then.connect_loop(33333))


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
