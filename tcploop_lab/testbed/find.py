"""Self-connections of a machine, or of a testbed, and the ports that could make one. It only reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..errors import NotOnThisTestbed
from ..ports.ranges import PortRange
from ..results.description import Description, Item, Said, Table, plainly
from ..results.shown import Shown, enumerated
from ..stacks import networks, proc_net
from ..stacks.linux import linux_stack
from ..stacks.networks import Owner, Place
from ..stacks.stack import SocketRow
from .exposure import Alike, Exposed, Network, look

_ROUNDS = 3  # a network whose first process ends meanwhile is found again by another one
_AS_ROOT = "run it as root to have them told"
_HIDDEN = "the processes that this /proc hides (hidepid), and their networks"
_ELSEWHERE = "this root may not, as that of a container: run it on the machine itself"


@dataclass(frozen=True)
class Socket:
    """A connection with one name at both ends, and who has it.

    `pid` is None where no process that this user may look into has it. `age_s`: seconds since it was connected, None
    where that cannot be told, as it has sent data; `silent_s`: seconds since it last did, or was connected.
    """

    local: str
    peer: str
    state: str
    network: str
    pid: int | None = None
    program: str = ""
    age_s: float | None = None
    silent_s: float | None = None
    evidence: str = ""


@dataclass(frozen=True)
class RiskyPort:
    """A port of the ephemeral range that is listened on or dialled, by which programs, and what follows."""

    port: int
    program: str
    dialled_by: str
    network: str
    can_loop: bool
    why: str


@dataclass(frozen=True)
class SeenNetwork:
    """A network namespace that was looked into; `port_range` is None where this user may not know it.

    `enter` is what root writes before a command, so that it runs in there; "" for the network of this process.
    """

    name: str
    sockets: int
    port_range: PortRange | None
    reserved: tuple[PortRange, ...]
    enter: str = ""


@dataclass(frozen=True, repr=False)
class Found(Shown):
    """What there is now.

    `self_connections` are open; `left_over` were closed in order and hold their port for a minute; `behind_nat` have
    one name at both ends, and yet somebody else answers. `ports` are those of the range that are listened on or
    dialled. `unseen` says what this user may not see.
    """

    self_connections: tuple[Socket, ...]
    left_over: tuple[Socket, ...]
    behind_nat: tuple[Socket, ...]
    ports: tuple[RiskyPort, ...]
    networks: tuple[SeenNetwork, ...]
    unseen: tuple[str, ...]
    kernel: str
    stack: str = "live"
    label: str = ""

    @property
    def at_risk(self) -> tuple[RiskyPort, ...]:
        """The ports on which a plain client could connect to itself while nobody listens there."""
        return tuple(port for port in self.ports if port.can_loop)

    @property
    def summary(self) -> str:
        """One sentence: how many there are, and how many ports are at risk."""
        where, ports = _counted(len(self.networks), "network"), _counted(len(self.at_risk), "port")
        return f"{_counted(len(self.self_connections), 'self-connection')} in {where}; {ports} at risk"

    def describe(self) -> Description:
        """Return all that was found, and for each self-connection how to end it."""
        own = self.networks[0]
        items = (
            *plainly(self, "stack", "kernel", "unseen"),
            Item("range", own.port_range, "ephemeral range"),
            Item("reserved", own.reserved),
        )
        notes = (*self._advice(), *(f"not seen: {what}" for what in self.unseen))
        return Description(self.summary, not self.self_connections, self.label, items, tuple(self._tables()), notes)

    def _tables(self) -> Iterable[Table]:
        others = [port for port in self.ports if not port.can_loop]
        network = "network" if len(self.networks) > 1 else ""  # of one nothing is to be told apart
        yield _sockets("self_connections", self.self_connections, network, "connected to themselves:")
        yield _sockets("left_over", self.left_over, network, "closed in order, and hold their port for a minute:")
        yield _sockets("behind_nat", self.behind_nat, network, "equal names, and yet no self-connection:")
        yield _ports("at_risk", self.at_risk, network, "at risk: a plain client can loop there while nobody listens:")
        yield _ports("not_at_risk", others, network, "of the range, but a plain client cannot loop there:")
        names = ("network", "range", "reserved", "TCP sockets") if network else ("",) * 4
        rows = [(one.name, one.port_range, _ranges(one.reserved), one.sockets) for one in self.networks]
        yield Table("networks", tuple(zip(("name", "range", "reserved", "sockets"), names, strict=True)), rows)

    def _advice(self) -> Iterable[str]:
        enter = {one.name: one.enter for one in self.networks}
        for one in () if self.label else self.self_connections:
            command = f"sudo {enter[one.network]}ss -K -tn src '{one.local}' dst '{one.peer}'"
            yield f"to end {one.local}: {command}"
        if self.self_connections:
            yield _WHY_RESET


_WHY_RESET = (
    "a close with SO_LINGER 0 resets it, as ss -K does: the port is free at once (where the client had bound it, "
    "when that closes its socket). An orderly close, as the end of the process is, leaves TIME-WAIT, which keeps a "
    "server off the port for a minute. Then repair the client: compare getsockname() with getpeername() after "
    "connect(), and reset where they are equal"
)


def _counted(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def _sockets(key: str, found: Sequence[Socket], network: str, caption: str) -> Table:
    columns = (
        ("local", "local and peer"), ("peer", ""), ("state", "state"), ("pid", "pid"), ("program", "program"),
        ("age_s", "age"), ("silent_s", ""), ("network", network), ("evidence", "evidence"),
    )  # fmt: skip
    if not any(one.evidence for one in found):
        columns = (*columns[:-1], ("evidence", ""))
    rows = [
        (one.local, one.peer, one.state, Said(one.pid, str(one.pid or "—")), one.program or Said("", "—"),
         Said(one.age_s, _age(one)), one.silent_s, one.network, one.evidence)
        for one in found
    ]  # fmt: skip
    return Table(key, columns, rows, caption)


def _age(one: Socket) -> str:
    if one.silent_s is None:
        return "—"
    return f"{one.silent_s:,.0f} s" if one.age_s is not None else f"{one.silent_s:,.0f} s or more"


def _ports(key: str, found: Sequence[RiskyPort], network: str, caption: str) -> Table:
    columns = (
        ("port", "port"), ("program", "listens"), ("dialled_by", "dials"), ("why", "why"), ("network", network),
    )  # fmt: skip
    rows = [
        (Said(one.port, str(one.port)), one.program or Said("", "—"), one.dialled_by or Said("", "—"), one.why,
         one.network)
        for one in found
    ]  # fmt: skip
    return Table(key, columns, rows, caption)


def _ranges(ranges: Sequence[PortRange]) -> Said:
    return Said(ranges, enumerated([one.setting for one in ranges], 4, 1) or "none")


def find() -> Found:
    """Return the self-connections of this machine, and the ports that could make one.

    Every network namespace that this user may look into is read; nothing is written, and no try is made. Raises
    NotOnThisTestbed where there is no /proc of Linux.
    """
    seen: dict[int, tuple[Place, Network]] = {}
    way_out = _AS_ROOT if os.geteuid() else _ELSEWHERE
    refused = [f"{_HIDDEN}; {way_out}"] if networks.hides_processes() else []
    for _ in range(_ROUNDS):
        for place in [place for place in _places() if place.number not in seen]:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the process that showed it has ended
                network, refusal = _read(place)
                seen[place.number] = place, network
                part = "the port range of " if place.table else ""
                refused += [f"{part}{place.name} ({refusal}); {way_out}"] if refusal else []
                if not refusal and network.port_range is None:
                    refused.append(f"the port range of {place.name}, and so its ports at risk: there is no /proc/sys")
    named = {place.name: network for place, network in seen.values()}
    whose = networks.owners(set().union(*(network.inodes for network in named.values())))
    return found(named, whose, tuple(refused), enter={place.name: place.command for place, _ in seen.values()})


def _places() -> tuple[Place, ...]:
    try:
        return networks.places()
    except (FileNotFoundError, NotADirectoryError):
        raise NotOnThisTestbed(
            "the sockets of this machine are not told: /proc/net/tcp is Linux's; "
            "look for equal names with netstat -an, or mount /proc"
        ) from None


def _read(place: Place) -> tuple[Network, str]:
    """Return what is in a network, and why it could not be entered, or "". Its table may be read all the same."""
    try:
        return networks.inside(place, _look), ""
    except PermissionError as refused:
        rows = proc_net.socket_table(Path(place.table)) if place.table else ()
        return Network(linux_stack().kernel, rows), str(refused.strerror or refused)


def _look() -> Network:
    return look(linux_stack())


def found(
    seen: Mapping[str, Network],
    owners: Mapping[int, tuple[Owner, ...]],
    unseen: tuple[str, ...] = (),
    provenance: str = "live",
    label: str = "",
    enter: Mapping[str, str] = MappingProxyType({}),
) -> Found:
    """Return what these networks, by their names, say; `owners` are by the numbers of the sockets, `enter` by name."""
    both = [(name, one) for name, network in seen.items() for one in network.alike]
    ports = [_risky(port, name, owners) for name, network in seen.items() for port in network.exposed]
    nameless = sum(inode not in owners for network in seen.values() for inode in network.inodes)
    if nameless and os.geteuid() != 0:
        unseen = (*unseen, f"the processes of {nameless:,} of these sockets, which are other users'; {_AS_ROOT}")
    return Found(
        tuple(_socket(one, name, owners) for name, one in both if not one.answered),
        tuple(_socket(Alike(row, None), name, {}) for name, net in seen.items() for row in net.left_over),
        tuple(_socket(one, name, owners) for name, one in both if one.answered),
        tuple(ports),
        tuple(
            SeenNetwork(name, len(net.sockets), net.port_range, net.reserved, enter.get(name, ""))
            for name, net in seen.items()
        ),
        unseen,
        next(iter(seen.values())).kernel,
        provenance,
        label,
    )


def _socket(one: Alike, network: str, owners: Mapping[int, tuple[Owner, ...]]) -> Socket:
    row, seen = one.row, one.exchanged
    owner = next(iter(owners.get(row.inode, ())), None)
    return Socket(
        row.local, row.peer, str(row.state), network, owner.pid if owner else None, owner.program if owner else "",
        seen.silent_s if seen and not seen.has_data else None, seen.silent_s if seen else None, one.answered,
    )  # fmt: skip


def _risky(port: Exposed, network: str, owners: Mapping[int, tuple[Owner, ...]]) -> RiskyPort:
    why = port.why_not
    if not why:
        why = f"connect() may choose it {'while its server is down' if port.listeners else 'now: nobody listens'}"
    listening, dialling = _programs(port.listeners, owners), _programs(port.dialled, owners)
    return RiskyPort(port.port, listening, dialling, network, not port.why_not, why)


def _programs(rows: Iterable[SocketRow], owners: Mapping[int, tuple[Owner, ...]]) -> str:
    """Who has these sockets, each once, such as "redis-server (812)"; "?" where that is not told, "" for no socket."""
    found = {f"{one.program} ({one.pid})": None for row in rows for one in owners.get(row.inode, ())}
    return enumerated(list(found), 4, 1) or ("?" if tuple(rows) else "")
