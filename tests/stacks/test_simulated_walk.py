"""The simulated kernel's ports: the article's run, eras, repeatability."""

from __future__ import annotations

import errno
import re
from itertools import repeat, takewhile
from operator import countOf

import pytest

from tcploop_lab.stacks import constants
from tcploop_lab.stacks.simulated import SimulatedStack, connecting


def refusals(stack: SimulatedStack, port: int, most: int) -> int:
    """Dial the port on one socket; return how many tries were refused before one was not."""
    sock = stack.socket()
    dials = map(sock.connect_ex, repeat(("127.0.0.1", port), most))
    return sum(1 for _ in takewhile(lambda error: error == errno.ECONNREFUSED, dials))


def test_the_articles_port_loops_on_the_articles_kernel():
    """33333 on Linux 4.1: a hit within one round of the range."""
    stack = SimulatedStack("4.1", seed=3)
    assert refusals(stack, 33333, 40_000) < 28_233
    assert stack.counters()["PassiveOpens"] == 0


def test_an_odd_port_never_loops_on_a_kernel_of_today():
    """33333 on 6.18: 100,000 tries, all of them refused, all from even ports."""
    stack = SimulatedStack("6.18", seed=3)
    assert refusals(stack, 33333, 100_000) == 100_000
    counters = stack.counters()
    assert (counters["ActiveOpens"], counters["AttemptFails"], counters["OutRsts"]) == (100_000,) * 3


def test_a_run_can_be_repeated():
    """The same seed gives the same number of tries and the same bytes."""

    def run(seed: int) -> tuple[int, bytes]:
        stack = SimulatedStack("6.18", seed=seed)
        capture = stack.open_packet_socket(33334)
        tries = refusals(stack, 33334, 200_000)
        return tries, b"".join(frame.data for frame in capture.frames()[0])

    assert run(5) == run(5) != run(6)


@pytest.mark.parametrize(
    ("name", "told"),
    [("freebsd-15", "freebsd-14"), ("windos", "windows"), ("4.25", "4.19"), ("5.99.1", "5.15"),
     ("\u0664.\u0661", "4.1"), ("6.18-rc1", "6.18"),
     ("", "7.3"), (5.10, "in quotes"), (None, "2.2 on"), ("1.0", "2.2 on")],
)  # fmt: skip
def test_an_unknown_version_names_the_nearest(name: object, told: str):
    """A typo is answered with what was probably meant, once; a release that never was is none; 5.10 is no number."""
    with pytest.raises(ValueError, match=rf"kernel {re.escape(repr(name))}: .*{told}") as error:
        SimulatedStack(name)
    near = str(error.value).partition("near it are ")[2].split(", ")
    assert len(set(near)) == len(near)


@pytest.mark.parametrize("name", ["Linux 4.19", "simulated Linux 6.18.44", "FreeBSD 13", "macOS", " windows\n"])
def test_a_kernel_may_be_named_as_results_name_it(name: str):
    """With the system's name, and in any case."""
    assert SimulatedStack(name).kernel == "simulated " + name.strip().removeprefix("simulated ").replace("w", "W", 1)


def test_sockets_in_turn_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused try of one socket sends no other one, nor a new one, the long way; a listener sends all."""
    stack, long = SimulatedStack("6.18", seed=3), []
    connect = connecting.connect
    monkeypatch.setattr(connecting, "connect", lambda end, *more: (long.append(end), connect(end, *more)))
    both = [stack.socket(), stack.socket()]
    assert {sock.connect_ex(("127.0.0.1", 33333)) for sock in both * 100} == {errno.ECONNREFUSED}
    for _ in range(50):
        with stack.socket() as sock:
            assert sock.connect_ex(("127.0.0.1", 33333)) == errno.ECONNREFUSED
    assert len(long) == 1
    with stack.socket() as sock:
        sock.setsockopt(constants.SOL_IP, constants.IP_LOCAL_PORT_RANGE, constants.range_option(40000, 40009))
        assert sock.connect_ex(("127.0.0.1", 33333)) == errno.ECONNREFUSED
        assert sock.getsockname()[1] in range(40000, 40010)
    server = stack.socket()
    server.bind(("127.0.0.1", 33333))
    server.listen()
    assert [sock.connect_ex(("127.0.0.1", 33333)) for sock in both] == [0, 0]


def test_a_refusal_that_is_told_late_says_nothing_of_the_next_name():
    """The error of a call that did not wait is told by the next one, to another name: that one is not refused then."""
    stack = SimulatedStack("6.18", seed=3)
    server, client = stack.socket(), stack.socket()
    server.bind(("127.0.0.1", 20000))
    server.listen()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", 20001))
    client.setblocking(True)
    assert [client.connect_ex(("127.0.0.1", 20000)) for _ in range(2)] == [errno.ECONNREFUSED, 0]


def test_every_try_is_seen_when_somebody_looks():
    """With a capture of refused tries the short way is not taken, and its count is the same."""
    stack = SimulatedStack(seed=1)
    capture = stack.open_packet_socket(33333, both_ends=False)
    assert refusals(stack, 33333, 50) == 50
    assert countOf((frame.outgoing for frame in capture.frames()[0]), True) == 100
