"""The port thief, played on a stack: a server crashes, its own client dials on and meets itself on its port.

Server and client share one process here; a kernel looks at sockets, not at processes.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ..defence.clients import close_with_reset
from ..errors import NotOnThisTestbed
from ..stacks import constants
from ..stacks.stack import SocketRow, Stack
from ..stacks.task import current_task
from ..tcp import closing
from ..tcp.words import counted
from ..testbed.loop import LoopSpec, make_socket, run_loop

REQUEST = b"are you there?"
ANSWER = b"yes"

_OFTEN, _SELDOM = 0.01, 0.05  # seconds between two attempts to start: in the first second, and later
_ANSWER_TIMEOUT = 2.0  # seconds
_SETTLE = 1.0  # seconds that a close may take


class Ending(StrEnum):
    """What the client does with its self-connection."""

    STAYS = "stays"
    CLOSES = "closes"
    CLOSES_UNREAD = "closes-unread"
    RESETS = "resets"


@dataclass(frozen=True)
class Scene:
    """What is played. The client keeps its self-connection `hold` seconds, the server tries for `patience` seconds.

    `spec` says how the client dials, how often at most, and whether with SO_REUSEADDR; `server_reuse` says it of both
    servers.
    """

    spec: LoopSpec
    server_reuse: bool
    ending: Ending
    hold: float
    patience: float


@dataclass(frozen=True)
class Event:
    """One line of the story: seconds since the server crashed, who (server, client, kernel), and what happened."""

    at: float
    who: str
    what: str


@dataclass
class Played:
    """What was seen. Times are seconds since the server crashed; None for what did not happen.

    `tries` are the client's connect calls after the crash, the last of which looped at `looped`; it let go at
    `let_go`. The server tried to start `attempts` times from `first_attempt` to `last_attempt`; `error` is the call
    that failed and its errno name; `started` is when it could. `witness` is the socket table at the first refusal (at
    the start if there was none), `states` those that the port was in meanwhile, in order; `answered` tells whether the
    new server then answered a new client.
    """

    events: list[Event] = field(default_factory=list)
    tries: int = 0
    looped: float = 0.0
    let_go: float | None = None
    attempts: int = 0
    first_attempt: float = 0.0
    last_attempt: float = 0.0
    error: str = ""
    started: float | None = None
    witness: tuple[SocketRow, ...] = ()
    states: tuple[str, ...] = ()
    answered: bool = False


def play(stack: Stack, scene: Scene) -> Played:
    """Play the scene to its end, to the end of its patience, or until the lab says stop.

    Raises NotOnThisTestbed if the client never meets itself within its bounds, or if the port is taken.
    """
    return _Play(stack, scene).run()


class _Play:
    def __init__(self, stack: Stack, scene: Scene) -> None:
        self.stack, self.scene, self.seen = stack, scene, Played()
        self._crash = stack.monotonic()

    def run(self) -> Played:
        self._serve_and_crash()
        with _ending_by_reset(self._dial()) as thief:
            server = self._restart(thief)
            if server is not None:
                with server:
                    self.seen.answered = answers(self.stack, server, self.scene)
        return self.seen

    def _now(self) -> float:
        return self.stack.monotonic() - self._crash

    def _tell(self, who: str, what: str) -> None:
        self.seen.events.append(Event(self._now(), who, what))

    def _serve_and_crash(self) -> None:
        """The server ends while a request waits unread, so its connection ends by a reset: no TIME-WAIT of its own."""
        try:
            server = start(self.stack, self.scene)
        except Refused as refused:
            port = self.scene.spec.port
            raise NotOnThisTestbed(f"port {port}: it is taken before the play ({refused}); name another") from None
        self._tell("server", "listens")
        with make_socket(self.stack, self.scene.spec) as client:
            client.connect(_address(self.scene))
            accepted, _ = server.accept()
            client.sendall(REQUEST)
            self._tell("client", "is connected to the server, and asks")
            self._begin_to_count()
            accepted.close()
            server.close()
            self._tell("server", "crashes: its sockets are closed, the port is free")
            self._tell("client", f"reads {_outcome_of(client)}, and dials again")

    def _begin_to_count(self) -> None:
        """Count the seconds from now; what was before comes before zero."""
        before = self._now()
        self._crash += before
        self.seen.events = [replace(event, at=event.at - before) for event in self.seen.events]

    def _dial(self) -> socket.socket:
        """Dial as a client that reconnects does, a new socket for every try, and return the one that met itself."""
        spec, seen = self.scene.spec, self.seen
        outcome, sock = run_loop(self.stack, spec)
        seen.tries = outcome.tries
        if sock is not None and outcome.local == outcome.peer:
            seen.looped = self._now()
            self._tell("client", f"connects at try {seen.tries:,}: the port is its own")
            self._ask_itself(sock)
            return sock
        if sock is not None:
            sock.close()
        outcome.check(spec.port)
        raise NotOnThisTestbed(
            f"port {spec.port}: the client did not meet itself in {counted(seen.tries, 'try')}; try again"
        )

    def _ask_itself(self, sock: socket.socket) -> None:
        sock.sendall(REQUEST)
        if self.scene.ending is Ending.CLOSES_UNREAD:
            self._tell("client", "asks, and does not read")
            return
        same = sock.recv(len(REQUEST)) == REQUEST
        self._tell("client", "asks, and reads its own question" if same else "asks, and reads an answer")

    def _restart(self, thief: socket.socket) -> socket.socket | None:
        """Try to start the server until it does, or patience ends; meanwhile the client lets go when it is time."""
        seen, scene = self.seen, self.scene
        seen.first_attempt = max(self._now(), seen.looped)
        while True:
            if seen.let_go is None and scene.ending is not Ending.STAYS and self._now() >= seen.looped + scene.hold:
                self._let_go(thief)
            seen.last_attempt = self._now()
            if (server := self._attempt()) is not None:
                return server
            waited = self._now() - seen.first_attempt
            if waited >= scene.patience or current_task().stopped():
                self._tell("server", f"gives up: still refused after {waited:.1f} s")
                return None
            self.stack.sleep(_OFTEN if waited < 1.0 else _SELDOM)

    def _attempt(self) -> socket.socket | None:
        seen = self.seen
        seen.attempts += 1
        rows = self._rows()
        self._note_states(rows)
        if not seen.witness:
            seen.witness = rows
        try:
            server = start(self.stack, self.scene)
        except Refused as refused:
            if not seen.error:
                self._tell("server", f"cannot start: {refused}")
            seen.error = str(refused)
            return None
        seen.started = self._now()
        self._tell("server", f"starts, at attempt {seen.attempts:,}")
        return server

    def _rows(self) -> tuple[SocketRow, ...]:
        return tuple(row for row in self.stack.socket_table() if row.port == self.scene.spec.port)

    def _note_states(self, rows: tuple[SocketRow, ...]) -> None:
        for state in [row.state for row in rows if row.to_itself]:
            if state not in self.seen.states:
                self.seen.states += (state,)
                if state == "TIME-WAIT":
                    self._tell("kernel", "keeps the port in TIME-WAIT")

    def _let_go(self, thief: socket.socket) -> None:
        resets = self.scene.ending is Ending.RESETS
        if resets:
            close_with_reset(thief)
        else:
            thief.close()
        self.seen.let_go = self._now()
        self._tell("client", "lets go, with a reset" if resets else "lets go: close()")
        self._settle()

    def _settle(self) -> None:
        """Wait until the close is over: on a busy machine its segments take a moment, even on loopback."""
        deadline = self.stack.monotonic() + _SETTLE
        while self.stack.monotonic() < deadline:
            states = {row.state for row in self._rows() if row.to_itself}
            if states <= {"TIME-WAIT"}:
                return
            self.stack.sleep(_OFTEN)


class Refused(Exception):
    """The server could not start. The text is the call and the errno name, such as "bind: EADDRINUSE"."""


def start(stack: Stack, scene: Scene) -> socket.socket:
    """Return a server that listens, as the scene makes its servers. Raises Refused."""
    server, call = stack.socket(scene.spec.family), "bind"
    server.setsockopt(constants.SOL_SOCKET, constants.SO_REUSEADDR, int(scene.server_reuse))
    server.settimeout(_ANSWER_TIMEOUT)
    try:
        server.bind(_address(scene))
        call = "listen"
        server.listen()
    except OSError as error:
        server.close()
        raise Refused(f"{call}: {errno.errorcode.get(error.errno or 0, str(error))}") from None
    started: socket.socket = server
    return started


def _address(scene: Scene) -> tuple[str, int]:
    return scene.spec.host, scene.spec.port


def _outcome_of(client: socket.socket) -> str:
    try:
        return counted(len(client.recv(1)), "byte")
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


@contextlib.contextmanager
def _ending_by_reset(sock: socket.socket) -> Iterator[socket.socket]:
    """Whatever happens, leave no TIME-WAIT behind that the scene did not ask for."""
    try:
        yield sock
    finally:
        if sock.fileno() >= 0:
            close_with_reset(sock)


def answers(stack: Stack, server: socket.socket, scene: Scene) -> bool:
    """True if a new client reaches this server and reads its answer."""
    with make_socket(stack, scene.spec) as client, contextlib.suppress(OSError):
        client.settimeout(_ANSWER_TIMEOUT)
        client.connect(_address(scene))
        accepted, _ = server.accept()
        with accepted:
            client.sendall(REQUEST)
            asked = accepted.recv(len(REQUEST)) == REQUEST
            accepted.sendall(ANSWER)
            answered = client.recv(len(ANSWER)) == ANSWER
            for sock in (client, accepted):
                closing.by_reset(sock)
            return asked and answered
    return False
