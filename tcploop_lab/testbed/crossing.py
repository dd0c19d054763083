"""A network between two hosts that holds every segment until it is told to deliver it.

With it two SYNs cross for certain. On the loopback they do so by luck only, because there delivery is part of sending.
What each host believes is read from its kernel (TCP_INFO, tcp(7)), not worked out here.
"""

from __future__ import annotations

import itertools
import math
import socket
from collections.abc import Iterator
from dataclasses import replace
from operator import methodcaller
from typing import TYPE_CHECKING

from ..errors import NotOnThisTestbed
from ..results.description import Description, plainly
from ..results.run import label_of
from ..results.segments import table_of_steps
from ..results.shown import enumerated
from ..stacks.constants import SO_ACCEPTCONN, SOL_SOCKET
from ..stacks.stack import ADDRESSES, PORTS, Cable, Frame, Host, Stack, StackExecutor
from ..tcp.outcomes import Ending, ending
from ..tcp.replay import Replay
from ..tcp.segments import Segment
from ..tcp.states import State
from ..tcp.words import counted
from . import advice, cable, dissect
from .cable import HOSTS, Held, Passed, SoFar
from .capture import Captured

if TYPE_CHECKING:
    from scapy.plist import PacketList

_PATIENCE = 20.0  # seconds to wait for a ping: a machine may be busy
_AGAIN = 0.05  # seconds after which a ping is sent again
_AFTER = 0.002  # seconds to go on looking after it
_TOGETHER = 0.005  # seconds between two segments that count as sent at once
_QUIET = 0.15  # seconds without a segment after which an exchange is over: longer than a delayed ACK (40 ms)


class Crossing(Captured):
    """Two hosts, A and B, and the cable between them in your hands.

    `held` lists what is on the cable; `deliver(i)` and `lose(i)` take one segment off it; `states` asks both kernels.
    Use it in a `with` block; it stays readable after, as an Exchange does.

    Whoever delivers by hand is slow, and TCP sends again what waits for longer than a second. While something is held,
    copies of what was delivered already are taken off the cable (`spared` counts them): they change nothing.
    """

    def __init__(self, hosts: tuple[Host, Host], stack: Stack) -> None:
        self.kernel = stack.kernel
        self.label = label_of(stack.provenance, stack.kernel)  # what it must be shown with
        self._stack = stack  # for its clock, which is the hosts' as well
        dissect.scapy()  # takes long enough for a first SYN to be sent again
        self._hosts = dict(zip(HOSTS, hosts, strict=True))
        self.spared = 0
        self.held: list[Held] = []
        self.passed: list[Passed] = []
        self.paths: dict[str, list[State]] = {host: [State.CLOSED] for host in HOSTS}
        self._listeners: list[socket.socket] = []
        self._last_states: dict[str, State] = {}
        self._closed = False
        self._pings = itertools.cycle(range(1, 1 << 16))
        for sock in self.sockets.values():
            sock.setblocking(False)
        self._settle(*HOSTS)  # what is sent on a link before it is up would be lost

    def close(self) -> None:
        """Cut the cable: both hosts and their namespaces are gone. What passed stays."""
        self._last_states = self.states
        self._closed = True
        for host in self._hosts.values():
            host.close()
        for listener in self._listeners:
            listener.close()

    def connect(self, host: str) -> None:
        """Let `host` call connect() to the other one; its SYN is then on the cable. ValueError for no host."""
        self._call(host)
        self._settle(host)

    def _call(self, host: str) -> None:
        other = cable.other(host)
        self.sockets[host].connect_ex((ADDRESSES[other], PORTS[other]))

    def listen(self, host: str) -> None:
        """Let `host` listen on its port, as a server does. ValueError for no host."""
        cable.other(host)
        self.sockets[host].listen()
        self._look()

    def open(self) -> Crossing:
        """Let both hosts connect to each other at once: two SYNs are then on the cable."""
        for host in HOSTS:
            self._call(host)
        self._settle(*HOSTS)
        return self

    def deliver(self, index: int = 0) -> Passed:
        """Deliver one held segment, wait for the answer of its receiver, and return what both ends say.

        Raises ValueError for an index that `held` does not have.
        """
        return self._pass(index, arrives=True)

    def lose(self, index: int = 0) -> Passed:
        """Lose one held segment. Raises ValueError for an index that `held` does not have."""
        return self._pass(index, arrives=False)

    def look(self) -> list[Held]:
        """Return what is on the cable now: a host that waits has perhaps sent something again."""
        if not self.closed:
            self._look(self._stack.look_seconds)
        return self.held

    @property
    def states(self) -> dict[str, State]:
        """The state of both connections, as their kernels tell it; after the end, as they told it last."""
        if self.closed:
            return self._last_states
        return {name: host.state() for name, host in self._hosts.items()}

    @property
    def sockets(self) -> dict[str, socket.socket]:
        """The socket of each host; where it listened and has accepted, that of the connection."""
        return {name: host.socket for name, host in self._hosts.items()}

    @property
    def dropped(self) -> int:
        """How many datagrams were lost on the cable for want of room, because nobody looked for too long."""
        return sum(host.cable.dropped for host in self._hosts.values())

    @property
    def ending(self) -> Ending:
        """How it ended; `Ending.NONE` while a segment is on the cable or a host waits for an answer."""
        return Ending.NONE if self.held else ending(self.replayed, self.states.values())

    @property
    def so_far(self) -> SoFar:
        """All that was sent up to now, also what is still on the cable."""
        return cable.so_far(self.passed, self.held)

    def run(self, delay: float, timeout: float = 10.0) -> Crossing:
        """Deliver every segment `delay` seconds after it was sent, until nobody sends any more.

        Ends after `timeout` seconds beside the delays at the latest.
        """
        deadline = self._stack.monotonic() + timeout + 8 * delay
        quiet_since = self._stack.monotonic()
        while self._stack.monotonic() < deadline:
            due = self._due(delay)
            arrived = self._stack.time()
            for held in due:
                self.held.remove(held)
                self._write(held)
                self.passed.append(Passed(held.segment, arrived, {}, held.datagram))
            self._look(0.001, by_hand=False)
            if due or self.held:
                quiet_since = self._stack.monotonic()
            elif self._stack.monotonic() > quiet_since + _QUIET + delay and not self._answers():
                break
        if self.passed:
            self.passed[-1] = replace(self.passed[-1], states=self.states)
        return self

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Every segment that left the cable, in the order in which they were sent."""
        return self._gone.segments

    @property
    def received(self) -> dict[int, float]:
        """When each of `segments` was delivered: index to seconds since the epoch. Lost ones are missing."""
        return self._gone.received

    @property
    def lost(self) -> tuple[int, ...]:
        """The indices in `segments` of those that were lost."""
        return self._gone.lost

    @property
    def copies(self) -> tuple[Frame, ...]:
        """Every datagram twice, as sent and as delivered, in order of time; a lost one once."""
        sent = [Frame(one.segment.time, True, one.datagram) for one in self.passed]
        arrived = [Frame(one.received, False, one.datagram) for one in self.passed if one.received is not None]
        return tuple(sorted(sent + arrived, key=lambda frame: frame.time))

    @property
    def packets(self) -> PacketList:
        """The segments as scapy packets, each once, with the time at which it was sent."""
        outgoing = [frame for frame in self.copies if frame.outgoing]
        return dissect.packets((dissect.datagram(one.data, one.time) for one in outgoing), "the cable")

    @property
    def replayed(self) -> Replay:
        """The segments, replayed through the state table: the states at each end."""
        return self._gone.replayed

    @property
    def closed(self) -> bool:
        """True once the cable was cut."""
        return self._closed

    @property
    def established(self) -> bool:
        """True if both hosts are in ESTABLISHED, by their kernels."""
        return set(self.states.values()) == {State.ESTABLISHED}

    @property
    def summary(self) -> str:
        """One sentence: what passed, what is held, what both ends say."""
        flags = enumerated([f"{one.sender} {one.flags}" for one in self.segments]) or "nothing yet"
        states = ", ".join(f"{host} {state}" for host, state in self.states.items())
        label = f"{self.label}: " if self.label else ""
        return f"{label}{counted(len(self.segments), 'segment')} passed ({flags}), {len(self.held)} held; {states}"

    def describe(self, brief: bool = False) -> Description:
        """Return what was sent, and the states of both hosts as their kernels tell them.

        What is still on the cable is among it until the cable is cut. `from` is the host that sent a segment,
        `received` is null for one that did not arrive. `brief` is for a terminal.
        """
        items = plainly(self, "established", "states", "paths")
        seen = self._gone if self.closed else self.so_far
        table = table_of_steps(seen.replayed.steps, brief, seen.received)
        paths = [f"{host}: {' -> '.join(path)}, as its kernel says" for host, path in self.paths.items()]
        return Description(self.summary, None, self.label, items, (table,), tuple(paths))

    def __repr__(self) -> str:
        return f"<Crossing: {'closed; ' if self.closed else ''}{self.summary}>"

    @property
    def _gone(self) -> SoFar:
        return cable.so_far(self.passed, ())

    def _pass(self, index: int, arrives: bool) -> Passed:
        self._look()  # copies that came meanwhile; they stand behind all others, so the index stays right
        if not 0 <= index < len(self.held):
            there = f"0 to {len(self.held) - 1}" if self.held else "none: the cable is empty"
            raise ValueError(f"segment {index}: the cable holds {there}")
        held, received = self.held[index], self._stack.time() if arrives else None
        if arrives:
            self._write(held)
            self._settle(cable.other(held.segment.sender))
        passed = Passed(held.segment, received, self.states, held.datagram)
        self.passed.append(passed)
        del self.held[index]  # only now that its answer is here: what was sent again meanwhile is spared
        return passed

    def _write(self, held: Held) -> None:
        self._hosts[cable.other(held.segment.sender)].cable.write(held.datagram)
        self._note_states()

    def _due(self, delay: float) -> list[Held]:
        """Those whose time on the cable is over. What was sent together arrives together, on a busy machine too."""
        first = min((held.segment.time for held in self.held), default=math.inf)
        if self._stack.time() < first + delay:
            return []
        due = [held for held in self.held if held.segment.time - first <= _TOGETHER]
        self._stack.sleep(max(0.0, max(held.segment.time for held in due) + delay - self._stack.time()))
        return due

    def _answers(self) -> bool:
        """True if something comes when both hosts have surely dealt with everything: this process may have slept."""
        self._settle(*HOSTS)
        return bool(self.held)

    def _settle(self, *hosts: str) -> None:
        """Wait until these hosts have dealt with what they were handed or told: a ping comes back after all that."""
        number = next(self._pings)
        waiting, end = set(hosts), self._stack.monotonic() + _PATIENCE
        while waiting and self._stack.monotonic() < end:
            for host in waiting:
                ping = cable.echo_request(ADDRESSES[cable.other(host)], ADDRESSES[host], number)
                self._hosts[host].cable.write(ping)
            again = self._stack.monotonic() + _AGAIN
            while waiting and self._stack.monotonic() < again:
                waiting -= self._look(_AFTER, ping=number)
        self._look(_AFTER)

    def _look(self, seconds: float = 0.0, by_hand: bool = True, ping: int = 0) -> set[str]:
        """Take from both cables what was sent since, note the states, and return who answered this ping."""
        end, answered = self._stack.monotonic() + seconds, set()
        while ready := self._wait(end):
            for host, moment, datagram in list(self._read(ready)):  # read all before scapy takes its time
                segment = cable.segment_in(datagram, host, moment)
                if segment is not None:
                    self._hold(Held(segment, datagram), by_hand)
                elif cable.echo_number(datagram) == ping:
                    answered.add(host)
        self._note_states()
        return answered

    def _wait(self, end: float) -> list[Cable]:
        """The cables on which something waits, as soon as there is one; none after `end`."""
        cables = [host.cable for host in self._hosts.values()]
        return self._stack.wait_readable(cables, max(0.0, end - self._stack.monotonic()))

    def _read(self, ready: list[Cable]) -> Iterator[tuple[str, float, bytes]]:
        for name, host in self._hosts.items():
            while host.cable in ready and (datagram := host.cable.read()):
                yield name, self._stack.time(), datagram

    def _hold(self, new: Held, by_hand: bool) -> None:
        """Put a segment on the cable; a retransmission of one that is still held only raises its count."""
        for index, old in enumerate(self.held):
            if cable.is_copy(old.segment, new.segment):
                self.held[index] = replace(old, copies=old.copies + 1)
                return
        arrived = (one.segment for one in self.passed if one.received is not None)
        if by_hand and self.held and any(cable.is_copy(one, new.segment) for one in arrived):
            self.spared += 1
        else:
            self.held.append(new)

    def _accept(self) -> None:
        """Where a listener has a connection, go on with the socket of that connection."""
        for host in self._hosts.values():
            listener = host.socket
            listens = listener.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)
            if listens and self._stack.wait_readable([listener], 0.0):
                self._listeners.append(listener)
                host.socket = listener.accept()[0]
                host.socket.setblocking(False)

    def _note_states(self) -> None:
        self._accept()
        for host, state in self.states.items():
            if self.paths[host][-1] is not state:
                self.paths[host].append(state)


def open_crossing(executor: StackExecutor) -> Crossing:
    """Return a new Crossing of a testbed's stack. Raises NotOnThisTestbed with the reason and the way out."""
    try:
        hosts = executor.on_stack(methodcaller("two_hosts")).result()
    except OSError as refusal:
        raise NotOnThisTestbed(f"two hosts cannot be made here: {advice.Machine().for_two_hosts(refusal)}") from None
    return Crossing(hosts, executor.here)
