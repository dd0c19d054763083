"""The exercises of lesson 08, in production."""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass
from typing import Any

from ..defence.clients import start_server
from ..results.run import Run
from ..tcp.states import State
from ..testbed.testbed import Testbed
from ..tries.theory import distribution
from .answers import percent
from .engine import Exercise, Mistake, one_letter, one_value, shortened, some_letters
from .trying import a_function

PORT = 40060
_DIALS = 2000  # in a range of 100 ports a client that can meet itself misses so often once in 10^17
_MADE = 3  # attempts: what an orderly close left lets a client in again after a second
_RANGE, _SERVICE, _NIGHT = (32768, 60999), 50052, 8 * 3600


@dataclass(frozen=True)
class Drill:
    """What became of a repaired machine: the port's sockets, a start, a crash with the client dialling, a start."""

    states: tuple[str, ...]
    first: str
    met_itself: bool = False
    answered: bool = False
    can_loop: bool = False
    second: str = ""

    @property
    def passed(self) -> bool:
        """True if the server started twice, and its client was refused between, as it would be for ever."""
        return not (self.first or self.second or self.met_itself or self.answered or self.can_loop)


class Incident:
    """A service on 127.0.0.1:40060 that does not start, on the machine that a testbed is.

    The server crashed, and its client dialled on. `client` is the client's connection, `start_server()` starts the
    server and says what came of it. `testbed` is the machine.
    """

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed
        self._server: socket.socket | None = None
        self.client = self._dial(None)
        for _ in range(_MADE):
            if self.client.self_connected:
                return
            testbed.wait(1.1)
            self.client = self._dial(None)
        raise ValueError(f"the incident needs a port {PORT} that can loop, and here: {testbed.check(PORT).summary}")

    def __repr__(self) -> str:
        return (
            f"The server of 127.0.0.1:{PORT} crashed in the night. Its client dials on. Nobody listens now.\n"
            f"start_server(): {self.start_server()}"
        )

    def start_server(self) -> str:
        """Start the server, which sets SO_REUSEADDR as servers do; return the error, or that it listens."""
        return self._start() or f"listens on 127.0.0.1:{PORT}"

    def drill(self) -> Drill:
        """Start the server, let it crash and its client dial on, and start it again."""
        self._stop()
        states = tuple(str(row.state) for row in self.testbed.sockets(PORT).rows)
        first = self._start()
        if first:
            return Drill(states, first)
        self._stop()
        run = self._dial(_DIALS)
        if run.self_connected:
            self.client = run
        else:
            run.close(reset=True)
        can_loop = self.testbed.check(PORT, client="new-socket").can_loop  # in a wide range few tries prove nothing
        answered = run.connected and not run.self_connected
        return Drill(states, first, run.self_connected, answered, can_loop, self._start())

    def _dial(self, most: int | None) -> Run:
        return self.testbed.connect_loop(PORT, client="new-socket", max_tries=most, progress=False)

    def _start(self) -> str:
        if self._server is not None:
            return ""
        try:
            self._server = start_server(("127.0.0.1", PORT), self.testbed.tcp_socket, reuse=True)
        except OSError as error:
            return f"{errno.errorcode.get(error.errno or 0, 'error')}: {error.strerror}"
        return ""

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def incident(testbed: Testbed) -> Incident:
    """Return the machine of exercise 08.6, on this testbed. ValueError where port 40060 cannot loop on it."""
    return Incident(testbed)


def a_repair(answer: Any) -> Drill:
    """Read the machine by putting it to the test."""
    if not isinstance(answer, Incident):
        raise ValueError("this asks for the machine: what `lab.exercises.incident(testbed)` returned")
    return answer.drill()


_TABLE = [
    "ESTAB     0 0    127.0.0.1:40050  127.0.0.1:40050",
    "ESTAB     0 0    127.0.0.1:40052  127.0.0.2:40052",
    "TIME-WAIT 0 0    127.0.0.1:40054  127.0.0.1:40054",
    "ESTAB     0 0        [::1]:40056      [::1]:40056",
    "LISTEN    0 4096   0.0.0.0:40058    0.0.0.0:*",
    "ESTAB     0 0    127.0.0.1:40060  127.0.0.1:40062",
]
_OPEN = ("127.0.0.1:40050", "[::1]:40056")


def some_names(answer: Any) -> tuple[str, ...]:
    """Read names of sockets: ["127.0.0.1:40050"], in any order."""
    if isinstance(answer, str) or not hasattr(answer, "__iter__"):
        raise ValueError('a list of names is asked for, such as ["127.0.0.1:40050"]')
    names = tuple(sorted(map(str, answer)))
    if others := [name for name in names if not re.fullmatch(r"\S+:[0-9*]+", name)]:
        raise ValueError(f'{shortened(others[0])} is no name of a socket, such as "127.0.0.1:40050"')
    return names


def overnight(pace: float | None) -> int:
    """Percent of clients that have met themselves after eight hours of one try a second, by the law of this pace."""
    law = distribution("random-walk", _RANGE, _SERVICE, tries_per_second=pace)
    return round(100 * law.chance(_NIGHT))


def _says(names: tuple[str, ...], *wrong: str) -> bool:
    return bool(set(wrong) & set(names))


EXERCISES = (
    one_letter(
        number="08.1",
        among="abcd",
        right="b",
        because="It dials localhost inside the pod, where the app is down; the kubelet dials from outside the pod.",
        hint="Who dials an address of the network namespace that it is in itself?",
        stronger="The kubelet is outside the pod. All containers of a pod share one network namespace.",
        wrong={
            "a": "The kubelet dials the pod's address from the node: source and destination are two addresses.",
            "c": "One of the two is outside the pod, so its source address is another one.",
            "d": "One of the two dials 127.0.0.1, in the namespace in which the app would listen.",
        },
    ),
    Exercise(
        number="08.2",
        asks="your function, as in `answer = alike`",
        reads=a_function([(_TABLE,), ([],)], some_names),
        right=lambda found: found == (tuple(sorted(_OPEN)), ()),
        because="It finds both open ones, IPv4 and IPv6, and nothing else.",
        hint="`line.split()` gives state, two queues, local, peer. Compare whole names.",
        stronger="`[parts[3] for parts in map(str.split, lines) if parts[0] == 'ESTAB' and parts[3] == parts[4]]`",
        mistakes=(
            Mistake(
                lambda found: _says(found[0], "127.0.0.1:40054"),
                "One is in TIME-WAIT: it was closed in order, and is not open any more. Look at the state.",
            ),
            Mistake(
                lambda found: _says(found[0], "127.0.0.1:40052"),
                "Equal ports are not enough: 127.0.0.1 and 127.0.0.2 are two addresses.",
            ),
            Mistake(
                lambda found: _says(found[0], "127.0.0.1:40060"),
                "Equal addresses are not enough: on loopback they always are.",
            ),
            Mistake(lambda found: found[0] == _OPEN[:1], "One is missing: there is an IPv6 address, too."),
        ),
    ),
    one_letter(
        number="08.3",
        among="abcd",
        right="c",
        because="A reset leaves nothing behind, so the server can bind at once.",
        hint="What does each leave in the socket table?",
        stronger="A process that ends closes its sockets in order. That ends in TIME-WAIT, on the client's port.",
        wrong={
            "a": "The end of a process closes its sockets in order: TIME-WAIT keeps the port for a minute.",
            "b": "The client's socket has not set it, and both must: EADDRINUSE.",
            "d": "Keep-alive asks whether the peer is alive. It is: the socket answers itself.",
        },
    ),
    some_letters(
        number="08.4",
        among="abcde",
        because="Both are even, inside the range, and not reserved.",
        hint="Range, parity, reserved: three questions for each port.",
        stronger="The range begins with an even port, so plain clients are given even ports first.",
        wrong={
            "b": "Look at b again: it is odd where the range begins with an even port.",
            "c": "Look at c again: connect() picks no reserved port.",
            "e": "Look at e again: is it inside the range?",
        },
        missing={
            "a": "One is missing: with this range NodePorts are inside it.",
            "d": "One is missing: an even port, not reserved.",
        },
    ),
    one_value(
        number="08.5",
        asks="whole percent, such as 50",
        reads=percent,
        right=overnight(1),
        because="2880 times ten seconds, ten tries each: a night is long enough for most.",
        hint="`lab.distribution(..., tries_per_second=1).chance(n)` for the n tries of a night.",
        stronger="A night of eight hours has 28,800 tries. The law wants the pace, too: slow clients play the lottery.",
        wrong={
            overnight(None): "That is the law of a client that dials without a pause. Tell the law the pace.",
            100 - overnight(1): "That is the share of those that have *not* met themselves.",
        },
    ),
    Exercise(
        number="08.6",
        asks="the machine, `answer = machine`",
        reads=a_repair,
        right=lambda drill: drill.passed,
        because=f"The server started, crashed, and started again; {_DIALS:,} tries of its client were refused between.",
        hint="`testbed.find()` and `testbed.sockets(40060)` tell who has the port.",
        stronger="End the connection with a reset (`machine.client.close(reset=True)`), then take the port away from "
        "clients: `testbed.reserve(40060)`, or another range.",
        mistakes=(
            Mistake(
                lambda drill: bool(drill.first) and State.ESTABLISHED in drill.states,
                "The server cannot start: the client is still connected to itself. `testbed.find()` names it.",
            ),
            Mistake(
                lambda drill: bool(drill.first) and State.TIME_WAIT in drill.states,
                "The server cannot start: an orderly close has left TIME-WAIT, for a minute (`testbed.wait(61)` lets "
                "it pass). A reset leaves nothing.",
            ),
            Mistake(
                lambda drill: bool(drill.first),
                "The server cannot start: another socket has its port, though none is connected. Who holds it?",
            ),
            Mistake(
                lambda drill: drill.met_itself,
                "It starts now. Then I let it crash again, its client dialled on, and met itself again: the port is "
                "as free to be given as before. Nothing keeps it from the clients yet.",
            ),
            Mistake(
                lambda drill: drill.answered,
                "When the server had crashed, somebody else answered on its port. Close what you opened there.",
            ),
            Mistake(
                lambda drill: drill.can_loop,
                f"It starts now, and {_DIALS:,} tries of its client were refused. That was chance: "
                f"`testbed.check({PORT})` says that the port can loop, and a wider range makes it rarer, no more. "
                "Nothing keeps it from the clients yet.",
            ),
        ),
    ),
)
