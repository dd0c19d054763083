"""Two simulated hosts and a cable in the lab's hands."""

from __future__ import annotations

from itertools import product

from tcploop_lab.stacks.simulated import SimulatedStack
from tcploop_lab.stacks.simulated.frames import parse
from tcploop_lab.tcp.segments import Segment
from tcploop_lab.tcp.states import State

NAMES = {"A": ("192.0.2.1", 40001), "B": ("192.0.2.2", 40002)}
OTHER = {"A": "B", "B": "A"}


class Two:
    """Both hosts, and what is on the cable."""

    def __init__(self, version: str = "6.18") -> None:
        self.stack = SimulatedStack(version, seed=1)
        self.hosts = dict(zip("AB", self.stack.two_hosts(), strict=True))
        for host in self.hosts.values():
            host.socket.setblocking(False)

    def call(self, name: str) -> None:
        """connect() to the other host."""
        self.hosts[name].socket.connect_ex(NAMES[OTHER[name]])

    def sent(self, name: str) -> list[bytes]:
        """What the host has put on the cable since."""
        return list(iter(self.hosts[name].cable.read, None))

    def deliver(self, name: str, datagrams: list[bytes]) -> None:
        """Hand the host what the other one sent."""
        for datagram in datagrams:
            self.hosts[name].cable.write(datagram)

    def settle(self) -> list[str]:
        """Deliver everything until nobody sends; return the flags in order."""
        flags = []
        while any(waiting := {name: self.sent(name) for name in "AB"}):
            if not any(waiting.values()):
                return flags
            for name, datagrams in waiting.items():
                flags += [f"{name} {segment(datagram).flags}" for datagram in datagrams]
                self.deliver(OTHER[name], datagrams)
        return flags

    @property
    def states(self) -> list[State]:
        """The states of A and B."""
        return [host.state() for host in self.hosts.values()]


def segment(datagram: bytes) -> Segment:
    """The TCP segment in a datagram."""
    found = parse(datagram, 0.0)
    assert found is not None
    return found


def test_syns_that_cross_make_six_segments():
    """Figure 7 of RFC 9293 with two ends."""
    two = Two()
    two.call("A"), two.call("B")
    assert two.states == [State.SYN_SENT, State.SYN_SENT]
    assert two.settle() == ["A S", "B S", "A SA", "B SA", "A A", "B A"]
    assert two.states == [State.ESTABLISHED, State.ESTABLISHED]


def test_a_call_to_a_host_that_does_not_call_is_refused():
    """A bound port that nobody listens on answers with a reset."""
    two = Two()
    two.call("A")
    assert two.settle() == ["A S", "B RA"] and two.states == [State.CLOSED, State.CLOSED]
    two.hosts["A"].socket.setblocking(True)
    assert two.hosts["A"].socket.connect_ex(NAMES["B"]) == 111


def test_a_lost_segment_is_sent_again_by_the_clock():
    """A lost SYN comes again after a second, with the same numbers."""
    two = Two()
    two.hosts["B"].socket.listen()
    two.call("A")
    (lost,) = two.sent("A")
    two.stack.sleep(0.9)
    assert two.sent("A") == []
    two.stack.sleep(0.2)
    (again,) = two.sent("A")
    assert (segment(again).flags, segment(again).seq) == ("S", segment(lost).seq)
    two.deliver("B", [again])
    assert two.settle() == ["B SA", "A A"] and two.states == [State.ESTABLISHED, State.ESTABLISHED]


def test_data_that_is_lost_or_overtaken_arrives_whole_and_in_order():
    """Whatever is lost of three segments, and in whichever order the rest comes, the reader gets every byte once."""
    for lost, swapped in product(range(4), (False, True)):
        two = Two()
        two.call("A"), two.call("B")
        two.settle()
        for part in (b"one ", b"two ", b"three"):
            two.hosts["A"].socket.setsockopt(6, 1, 1)
            two.hosts["A"].socket.send(part)
        datagrams = [one for place, one in enumerate(two.sent("A")) if place != lost]
        two.deliver("B", datagrams[::-1] if swapped else datagrams)
        for _ in range(5):
            two.settle()
            two.stack.sleep(3)
        assert two.hosts["B"].socket.recv(99) == b"one two three", (lost, swapped)


def test_a_host_answers_a_ping():
    """An echo request (RFC 792) comes back as a reply with a right checksum."""
    two = Two()
    request = bytes.fromhex("4500001c00010000400100000c0002020c000201") + bytes.fromhex("0800f7ff00000000")
    two.deliver("A", [request])
    (answer,) = two.sent("A")
    assert answer[20:24] == bytes.fromhex("0000ffff") and answer[12:16] == request[16:20]
