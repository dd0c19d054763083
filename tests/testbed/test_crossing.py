"""Two hosts and a cable in the test's hands: every ending of two SYNs, as the kernels tell it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator

import pytest
from scapy.layers.inet import IP, TCP

import tcploop_lab as lab
from tcploop_lab.render.style import alt_of
from tcploop_lab.tcp.outcomes import Ending
from tcploop_lab.tcp.replay import replay
from tcploop_lab.tcp.states import State
from tcploop_lab.testbed import advice
from tcploop_lab.testbed.cable import Held, echo_request
from tcploop_lab.testbed.crossing import Crossing
from tcploop_lab.testbed.testbed import Testbed

from ..waiting import wait_until
from . import inside

pytestmark = pytest.mark.anyuser


ONLY_LIVE = pytest.mark.parametrize("testbed", ["namespace"], indirect=True)


@pytest.fixture(params=["namespace", "simulated"])
def testbed(request: pytest.FixtureRequest) -> Iterator[Testbed]:
    """A testbed of each kind that has two hosts: what is written here holds for both."""
    with lab.open_testbed(port_range=(40000, 40999), kind=request.param) as place:
        yield place


@pytest.fixture
def crossing(testbed: Testbed) -> Iterator[Crossing]:
    """Two new hosts."""
    with testbed.crossing() as two_hosts:
        yield two_hosts


def sent(crossing: Crossing) -> list[tuple[str, str]]:
    """Who sent what, in the order of sending."""
    return [(segment.sender, segment.flags) for segment in crossing.segments]


def test_crossing_syns_are_six_segments_and_a_simultaneous_open(testbed: Testbed) -> None:
    """Both SYNs on the cable at once: SYN, SYN, SYN-ACK, SYN-ACK, ACK, ACK, and both ends ESTABLISHED.

    The state table, fed with these segments, goes through the states that the kernels report; data arrives; and the
    testbed's own network is as before.
    """
    with testbed.cross(0.03) as crossing:
        flags = [flag for _, flag in sent(crossing)]
        assert flags == ["S", "S", "SA", "SA", "A", "A"]
        path = [State.CLOSED, State.SYN_SENT, State.SYN_RECEIVED, State.ESTABLISHED]
        assert crossing.established and crossing.paths == {"A": path, "B": path}
        assert all(0.03 - 1e-6 <= crossing.received[i] - one.time < 1.0 for i, one in enumerate(crossing.segments))
        replayed = replay(crossing.segments, received=crossing.received)
        assert (replayed.kind, replayed.impossible) == ("simultaneous open", ())
        assert {end.name: list(end.path) for end in replayed.ends} == crossing.paths
        crossing.sockets["A"].send(b"we called at the same time")
        assert crossing.run(0.01).sockets["B"].recv(100) == b"we called at the same time"
    assert testbed.connect_loop(40500).self_connected


def test_a_segment_that_waits_is_sent_again_and_shown_once(crossing: Crossing) -> None:
    """A SYN held for longer than a second is retransmitted; the cable shows one segment with its copies."""
    crossing.connect("A")
    wait_until(lambda: crossing.look()[0].copies > 1)
    (held,) = crossing.held
    assert str(held).endswith(f"(sent {held.copies} times)")


def test_what_is_sent_again_just_before_the_last_delivery_holds_nothing_up() -> None:
    """Between the last look and the write a busy machine may sleep for a second: the copy of then is spared as well."""
    with lab.open_testbed(kernel="6.18", seed=1) as testbed, testbed.crossing() as crossing:
        crossing.open()
        write = crossing._write

        def late(held: Held) -> None:
            crossing._stack.sleep(1.5)
            write(held)

        crossing._write = late  # type: ignore[method-assign]
        for _ in range(6):
            crossing.deliver(0)
        assert crossing.ending is Ending.CROSSED
        assert crossing.spared >= 1


def test_who_thinks_for_long_still_gets_six_segments(crossing: Crossing) -> None:
    """While one SYN waits, the host of the delivered one sends again; the copies are counted and change nothing."""
    crossing.open().deliver(0)
    wait_until(lambda: crossing.look() and crossing.spared)
    while crossing.look():
        crossing.deliver(0)
    assert [flag for _, flag in sent(crossing)] == ["S", "S", "SA", "SA", "A", "A"]
    assert crossing.spared >= 1
    assert crossing.ending is Ending.CROSSED


def test_on_an_empty_cable_what_is_sent_again_counts(crossing: Crossing) -> None:
    """A's SYN was refused and the RST lost: A sends its SYN again, and now B, which calls too, answers it."""
    crossing.connect("A")
    crossing.deliver(0)
    crossing.lose(0)
    assert (crossing.held, crossing.ending, bool(crossing.ending)) == ([], Ending.NONE, False)
    wait_until(crossing.look)
    assert [held.segment.flags for held in crossing.held] == ["S"]
    crossing.connect("B")
    crossing.run(0.0)
    assert (crossing.established, crossing.ending) == (True, Ending.OTHER)


def test_a_host_is_patient(crossing: Crossing) -> None:
    """Each socket sends its SYN again for hours before it gives up: nobody is hurried."""
    tries = [sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT) for sock in crossing.sockets.values()]
    assert tries == [127, 127]


OPENS, CLIENT = "SYN-SENT SYN-RECEIVED ESTABLISHED", "SYN-SENT ESTABLISHED"  # the ways from CLOSED


@pytest.mark.parametrize(
    ("moves", "ending", "a", "b"),
    [
        ("open 0 0 0 0 0 0", Ending.CROSSED, OPENS, OPENS),
        ("open 1 0 1 0 1 0", Ending.CROSSED, OPENS, OPENS),
        ("A 0 0", Ending.REFUSED, "SYN-SENT CLOSED", ""),
        ("open lose0 0 0 0", Ending.LOST_SYN, OPENS, CLIENT),
        ("A 0 B 1 0 0 0", Ending.LATE_RST, OPENS, CLIENT),  # B's SYN overtakes the reset, which no longer matters
        ("listenB A 0 0 0", Ending.HANDSHAKE, CLIENT, "LISTEN SYN-RECEIVED ESTABLISHED"),
        ("open 0", Ending.NONE, "SYN-SENT", "SYN-SENT SYN-RECEIVED"),
    ],
)
def test_each_order_has_its_ending(crossing: Crossing, moves: str, ending: Ending, a: str, b: str) -> None:
    """The order in which segments are delivered or lost decides the way of each host, and the ending is named."""
    for move in moves.split():
        call = {"open": crossing.open, "A": lambda: crossing.connect("A"), "B": lambda: crossing.connect("B")}
        call |= {"listenB": lambda: crossing.listen("B"), "lose0": lambda: crossing.lose(0)}
        call.get(move, lambda move=move: crossing.deliver(int(move)))()
    assert crossing.ending is ending, crossing
    assert crossing.paths == {"A": ["CLOSED", *a.split()], "B": ["CLOSED", *b.split()]}


def test_the_picture_so_far_shows_what_is_on_the_cable(crossing: Crossing) -> None:
    """With B's SYN delivered and A's held, A has answered; the ladder shows both, A's SYN as still on the way."""
    crossing.open().deliver(1)
    assert [(one.sender, one.flags) for one in crossing.segments] == [("B", "S")]
    so_far = crossing.so_far
    assert sorted((one.sender, one.flags) for one in so_far.segments) == [("A", "S"), ("A", "SA"), ("B", "S")]
    assert len(so_far.under_way) == 2 and so_far.lost == ()
    assert not so_far.replayed.impossible
    assert alt_of(crossing.ladder()).count("it is still on the way") == 2


def test_once_closed_no_file_is_left_open(testbed: Testbed) -> None:
    """Sockets, cables and tables of five crossings are closed again, also after a handshake."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with testbed.crossing() as crossing:
            crossing.listen("B")
            crossing.connect("A")
            crossing.deliver(0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_it_does_not_take_is_one_line() -> None:
    """A delay outside 0 to 30 s, a segment that is not there and a host that is none are named."""
    with lab.open_testbed(kind="simulated") as testbed, testbed.crossing() as crossing:
        for delay in (-1, 31, float("nan"), "soon", None):
            with pytest.raises(ValueError, match=r"^delay .*: give seconds from 0 to 30"):
                testbed.cross(delay)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="the cable is empty"):
            crossing.deliver(0)
        with pytest.raises(ValueError, match="host 'C': the hosts of a crossing are A and B"):
            crossing.connect("C")


@ONLY_LIVE
@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        (inside.no_netlink, r"netlink socket is refused \(Operation not permitted\); a filter .* run without it"),
        (inside.no_packet_sockets, "packet socket is refused .*; a filter .* run without it"),
        (inside.no_more_networks, "No space left on device.*as root, sysctl -w user.*max_net_namespaces="),
    ],
)
def test_what_is_refused_is_said_with_a_way_out(testbed: Testbed, limit: Callable[[], None], reason: str) -> None:
    """Two hosts need netlink, packet sockets and three networks: one line says what is refused, the testbed goes on."""
    testbed.executor.submit(limit).result()
    before = testbed.executor.submit(inside.open_files).result()
    with pytest.raises(lab.NotOnThisTestbed, match=reason) as caught:
        testbed.crossing()
    assert "\n" not in str(caught.value)
    assert testbed.connect_loop(40500).self_connected
    assert testbed.executor.submit(inside.open_files).result() == before


def test_a_kernel_without_veth_is_a_clear_error() -> None:
    """The kernel says EOPNOTSUPP where it has no such driver; then it is to be loaded."""
    error = OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), "veth")
    assert advice.Machine().for_two_hosts(error).endswith("sudo modprobe veth")


@ONLY_LIVE
def test_what_nobody_read_in_time_is_counted(crossing: Crossing) -> None:
    """More answers than a packet socket has room for, and nobody looks: the cable says that some were lost."""
    assert crossing.dropped == 0
    ping = echo_request("192.0.2.2", "192.0.2.1", 0) + bytes(1000)
    for _ in range(1000):
        crossing._hosts["A"].cable.write(ping)
    assert crossing.dropped > 0


def test_nothing_but_segments_is_on_the_cable(crossing: Crossing) -> None:
    """Neither ARP nor IPv6 of the new links comes out, and each checksum is complete when it does."""
    crossing.open()
    wait_until(lambda: crossing.look()[0].copies > 1)  # IPv6 has announced itself meanwhile
    assert [held.segment.flags for held in crossing.held] == ["S", "S"]
    for held in crossing.held:
        packet = IP(held.datagram)
        sent = packet[TCP].chksum
        del packet[TCP].chksum
        assert IP(bytes(packet))[TCP].chksum == sent
