"""The port thief: a client that connected to itself on its server's port, and the server that cannot start.

`port_thief()` plays it, `port_thief_table()` plays every case. TIME-WAIT lasts 60 s on Linux, longer than a lesson
waits; on a simulated testbed that minute passes at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..ports.clients import ClientKind
from ..ports.ranges import Port, PortRange, parse_port
from ..results.description import Description, Item, Lines, Said, Table
from ..results.run import labelled
from ..results.shown import Shown, ShownWhole
from ..stacks.stack import SocketRow, Stack
from ..testbed.limits import default_max_tries, parse_delay
from ..testbed.loop import LoopSpec
from ..testbed.waiting import wait_for
from .play import Ending, Event, Scene, play

if TYPE_CHECKING:
    from ..testbed.testbed import Testbed

FAST_RANGE = (40000, 40999)  # a thief comes within some hundred tries
MAX_PATIENCE = 3600.0  # seconds
_DIAL_TIMEOUT = 60.0  # seconds
_STOP_GRACE = 3.0  # seconds
COMBINATIONS = ((False, False), (True, False), (False, True), (True, True))  # client, server


@dataclass(frozen=True, repr=False)
class ThiefResult(Shown):
    """One port thief, as it went. Times are in seconds since the server crashed.

    `events` is the story, `witness` the socket table at the server's first attempt to start, seen from inside the
    network, `states` what the port was in while the server tried. `error` is the call that failed and its errno
    name ("" if none did), out of `attempts`. `started` is when the server could start (None: not within the patience),
    `answered` whether it then answered a client. `label` names a kernel that is simulated; "" for a live one.
    """

    port: int
    port_range: PortRange
    server_reuse: bool
    client_reuse: bool
    ending: Ending
    tries: int
    looped: float
    let_go: float | None
    attempts: int
    first_attempt: float
    last_attempt: float
    error: str
    started: float | None
    answered: bool
    events: tuple[Event, ...]
    witness: tuple[SocketRow, ...]
    states: tuple[str, ...]
    kernel: str
    label: str = ""
    figure = "thief"

    @property
    def restart_seconds(self) -> float | None:
        """Seconds from the server's first attempt to its start; None if it was refused until its patience ended."""
        return None if self.started is None else self.started - self.first_attempt

    @property
    def waited(self) -> float:
        """Seconds from the server's first attempt to its last."""
        return self.last_attempt - self.first_attempt

    @property
    def restart(self) -> str:
        """How long until the server could start, in words."""
        if self.restart_seconds is None:
            return f"still refused after {self.waited:.1f} s"
        return f"after {self.restart_seconds:.1f} s" if self.error else "at once"

    @property
    def does(self) -> str:
        """What the client does with its connection, in words."""
        return _ENDINGS[self.ending]

    @property
    def summary(self) -> str:
        """One sentence: who held the port, what the server was told, how long."""
        options = {(False, False): "neither", (True, False): "the client", (False, True): "the server"}
        who = options.get((self.client_reuse, self.server_reuse), "both")
        refused = f"server cannot start ({self.error}), {self.restart}" if self.error else "server starts at once"
        return labelled(f"port {self.port}: the client {self.does}; SO_REUSEADDR: {who}; {refused}", self.label)

    def describe(self) -> Description:
        """Return what the server was told, and the story."""
        table = Lines(tuple(f"{row.local} {row.peer or '-'} {row.state}" for row in self.witness), True)
        items = (
            Item("port", self.port),
            Item("restart", self.restart, "the server starts"),
            Item("error", Said(self.error, self.error or "nothing: no attempt failed"), "it was told"),
            Item("attempts", self.attempts, "attempts"),
            Item("", table, "in the socket table"),
            Item("states", Said(self.states, ", ".join(self.states) or "none"), "states of the port"),
            Item("tries", self.tries, "tries of the client"),
            Item("range", self.port_range, "range"),
            Item("kernel", self.kernel, "kernel"),
        )
        rows = [(Said(event.at, f"{event.at:z.4f} s"), event.who, event.what) for event in self.events]
        story = Table("events", (("at", "since the crash"), ("who", "who"), ("what", "what")), rows)
        return Description(self.summary, None, self.label, items, (story,))


_ENDINGS = {
    Ending.STAYS: "stays connected to itself",
    Ending.CLOSES: "closes",
    Ending.CLOSES_UNREAD: "closes and has not read",
    Ending.RESETS: "resets",
}


@dataclass(frozen=True, repr=False)
class ThiefTable(ShownWhole):
    """Every case: what the client does, times who has SO_REUSEADDR. The client lets go before the server tries."""

    cells: tuple[ThiefResult, ...]
    heads: ClassVar = ("neither", "client only", "server only", "both")  # who has SO_REUSEADDR, as in COMBINATIONS

    def cell(self, ending: Ending | str, client_reuse: bool = False, server_reuse: bool = False) -> ThiefResult:
        """Return one case. Raises ValueError for an ending that there is none of."""
        wanted = (parse_ending(ending), client_reuse, server_reuse)
        return next(cell for cell in self.cells if (cell.ending, cell.client_reuse, cell.server_reuse) == wanted)

    @property
    def summary(self) -> str:
        """One sentence: in how many cases the server was refused, and which."""
        refused = [cell for cell in self.cells if cell.error]
        return labelled(f"the server is refused in {len(refused)} of {len(self.cells)} cases", self.cells[0].label)

    def describe(self) -> Description:
        """Return for each ending what the client does, and under each of `heads` when the server can start."""
        columns = [(head, head) for head in ("the client", *self.heads)]
        rows = [(_ENDINGS[end], *(self.cell(end, *pair).restart for pair in COMBINATIONS)) for end in Ending]
        title = f"SO_REUSEADDR on whom, and when the server can start; {self.summary}"
        return Description(title, tables=(Table("cases", tuple(columns), rows),))


def parse_ending(value: object) -> Ending:
    """Return the ending named `value`; ValueError lists those there are."""
    try:
        return Ending(value)  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"ending {value!r}: an ending is one of {', '.join(Ending)}") from None


def port_thief(
    server_reuse: bool = False,
    client_reuse: bool = False,
    testbed: Testbed | None = None,
    *,
    ending: Ending | str = Ending.CLOSES,
    hold: float = 0.5,
    patience: float = 2.0,
    port: Port | None = None,
) -> ThiefResult:
    """Play the port thief: the server crashes, its client connects to itself, the server tries to start again.

    The client keeps its connection for `hold` seconds, then does what `ending` says: stays, closes, closes-unread (its
    own bytes) or resets. The server tries for `patience` seconds. Without a `port` it is the first free one from the
    middle of the range.

    Raises ValueError for bad arguments, NotOnThisTestbed if the client never meets itself.
    """
    wanted = parse_ending(ending)
    hold, patience = parse_delay(hold, "hold", MAX_PATIENCE), parse_delay(patience, "patience", MAX_PATIENCE)
    chosen = None if port is None else parse_port(port)
    with place(testbed) as where:
        port_range = where.port_range
        number = chosen or where.submit(free_port, port_range).result()
        spec = _spec(where, number, port_range, bool(client_reuse))
        scene = Scene(spec, bool(server_reuse), wanted, hold, patience)
        future = where.submit(play, scene)
        seen = wait_for(where.executor, future, None, _STOP_GRACE)
        told: dict[str, Any] = vars(seen) | {"events": tuple(seen.events)}
        told |= {"kernel": where.kernel, "label": where.label}
        return ThiefResult(number, port_range, scene.server_reuse, spec.reuse, wanted, **told)


def port_thief_table(testbed: Testbed | None = None, patience: float = 0.3) -> ThiefTable:
    """Play every case; in six of the sixteen the server waits in vain for `patience` seconds.

    In each the client lets go, if it does, before the server tries to start. Raises as `port_thief` does.
    """
    with place(testbed, FAST_RANGE) as where:
        cases = [(ending, client, server) for ending in Ending for client, server in COMBINATIONS]
        return ThiefTable(
            tuple(
                port_thief(server, client, where, ending=ending, hold=0.0, patience=patience)
                for ending, client, server in cases
            )
        )


@contextlib.contextmanager
def place(testbed: Testbed | None, port_range: Any = None, needs: str | Sequence[str] = ()) -> Iterator[Testbed]:
    """Yield the testbed; without one, the best that meets these needs, which ends with the block."""
    if testbed is not None:
        yield testbed
        return
    from ..testbed.opening import open_testbed

    with open_testbed(port_range, needs=needs) as own:
        yield own


def free_port(stack: Stack, port_range: PortRange) -> int:
    """Return the first port from the middle of the range, of its low end's parity, that no socket has in the table.

    Each TIME-WAIT keeps its port, so every play on one testbed takes another.
    """
    middle = port_range.low + port_range.width // 4 * 2
    used = {row.port for row in stack.socket_table()}
    return next(port for port in range(middle, port_range.high + 1, 2) if port not in used)


def _spec(where: Testbed, port: int, port_range: PortRange, reuse: bool) -> LoopSpec:
    kind, own_range = ClientKind.NEW_SOCKET, None if where.executor.info["range_set"] else port_range
    tries = default_max_tries(port_range, kind)
    return LoopSpec("127.0.0.1", port, kind, tries, _DIAL_TIMEOUT, socket_range=own_range, reuse=reuse)
