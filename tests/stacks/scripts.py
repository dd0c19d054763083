"""Random scripts of socket calls, for hypothesis: what programs do to one to four sockets, and what they should not.

Ports are 20000 to 20002, or drawn by the kernel from a range of one to three ports, where the draw is certain (the
parity decides), or from LINUX_RANGE, of which a script says the parity only.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, MSG_PEEK
from typing import Any

from hypothesis import strategies as st

from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks import constants as c
from tcploop_lab.tcp import closing

from .calls import LINUX_RANGE, PORTS, Call, NameOf, Script

_RANGES = (LINUX_RANGE, *(PortRange(low, high) for low in PORTS for high in PORTS if low <= high))
_HOSTS = {AF_INET: ("127.0.0.1", "127.0.0.2", ""), AF_INET6: ("::1", "::")}
_MAPPED = "::ffff:127.0.0.1"
_LETTERS = "abcd"
_port = st.sampled_from(PORTS)
_TIMED = 0.05  # seconds
_waits = st.sampled_from((0.0, 0.0, 0.0, None, None, _TIMED))  # of connect()
_rarely = st.sampled_from((0.0,) * 6 + (None, _TIMED))
_NOWHERE = {AF_INET: (("127.255.255.255", PORTS[0]), ("10.9.9.9", PORTS[0])), AF_INET6: (("2001:db8::1", PORTS[0]),)}


@functools.cache
def _name(families: tuple[int, ...], letter: str, port: int | None = None) -> st.SearchStrategy[tuple[str, int]]:
    """An address of this host, mostly the usual one, and a port."""
    family = families[_LETTERS.index(letter)]
    usual, *others = _HOSTS[family]
    others += [_MAPPED] if family == AF_INET6 and AF_INET in families else []
    return st.tuples(st.sampled_from((*(usual,) * 4, *others)), _port if port is None else st.just(port))


def _ask(letter: str, family: int) -> tuple[Call, ...]:
    of_socket = (c.SO_ERROR, c.SO_ERROR, c.SO_ACCEPTCONN, c.SO_REUSEADDR, c.SO_KEEPALIVE, c.SO_LINGER, c.SO_TYPE)
    of_ip, of_tcp = (c.IP_BIND_ADDRESS_NO_PORT, c.IP_LOCAL_PORT_RANGE), (c.TCP_NODELAY, c.TCP_SYNCNT)
    options = (
        *((c.SOL_SOCKET, option) for option in of_socket),
        *((c.SOL_IP, option) for option in of_ip),
        *((c.SOL_TCP, option) for option in of_tcp),
        *[(c.SOL_IPV6, c.IPV6_V6ONLY)] * (family == AF_INET6),
    )
    return (
        *(Call(letter, method) for method in ("getsockname", "getpeername", "readable") * 3),
        *(Call(letter, "getsockopt", option) for option in options),
    )


def _set(letter: str, family: int) -> tuple[Call, ...]:
    ranges = [(low, high) for low in (0, *PORTS) for high in (0, *PORTS) if low <= high or not high]
    options = (
        *((c.SOL_SOCKET, c.SO_REUSEADDR, value) for value in (1, 1, 1, 0)),
        *((c.SOL_SOCKET, c.SO_LINGER, value) for value in (closing.RESET, closing.RESET, closing.ORDERLY)),
        *((c.SOL_SOCKET, c.SO_LINGER, struct.pack("ii", 1, seconds)) for seconds in (1, 5)),
        *((c.SOL_SOCKET, c.SO_KEEPALIVE, value) for value in (1, 0)),
        *((c.SOL_TCP, c.TCP_NODELAY, value) for value in (1, 0)),
        *((c.SOL_TCP, option, value) for option, value in ((c.TCP_SYNCNT, 1), (c.TCP_USER_TIMEOUT, 700))),
        *((c.SOL_IPV6, c.IPV6_V6ONLY, value) for value in (1, 0) if family == AF_INET6),
        *((c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, value) for value in (1, 1, 0)),
    )
    own_ranges = ((c.SOL_IP, c.IP_LOCAL_PORT_RANGE, c.range_option(*ports)) for ports in ranges)
    return tuple(Call(letter, "setsockopt", option) for option in (*options, *own_ranges))


@functools.cache
def _moves(letter: str, families: tuple[int, ...]) -> dict[str, st.SearchStrategy[Call]]:
    """What can be called on a socket, by kind."""
    family = families[_LETTERS.index(letter)]
    like = [NameOf(other) for other, its in zip(_LETTERS, families, strict=True) if its == family]
    nowhere = st.sampled_from((*_NOWHERE[family], (_HOSTS[family][0], 0)))
    any_name = _one_of(*(_name(families, letter), st.sampled_from(like)) * 4, nowhere)
    return {
        "bind": _name(families, letter).map(lambda name: Call(letter, "bind", (name,))),
        "bind to any port": _name(families, letter, 0).map(lambda name: Call(letter, "bind", (name,))),
        "listen": st.sampled_from((5, 5, 1, 0)).map(lambda room: Call(letter, "listen", (room,))),
        "connect": st.builds(lambda name, wait: Call(letter, "connect", (name,), "", wait), any_name, _waits),
        "connect to itself": _waits.map(lambda wait: Call(letter, "connect", (NameOf(letter),), "", wait)),
        "accept": _each(letter, "accept", ((),), [into for into in _LETTERS if into != letter]),
        "send": _each(letter, "send", ((b"hi",), (b"hi",), (b"a longer one" * 20,), (b"much" * 2000,), (b"",))),
        "recv": _each(letter, "recv", ((100,), (1000,), (1,), (10_000,), (100, MSG_PEEK), (1, MSG_PEEK))),
        "shutdown": st.sampled_from([Call(letter, "shutdown", (how,)) for how in (1, 0, 2, 1, 0, 2, 3)]),
        "dup": st.sampled_from([Call(letter, "dup", (), into) for into in _LETTERS if into != letter]),
        "close": st.just(Call(letter, "close")),
        "ask": st.sampled_from(_ask(letter, family)),
        "set": st.sampled_from(_set(letter, family)),
    }


def _each(letter: str, method: str, arguments: Sequence[Any], into: Sequence[str] = ("",)) -> st.SearchStrategy[Call]:
    """A call that now and then waits."""
    return st.builds(Call, st.just(letter), st.just(method), st.sampled_from(arguments), st.sampled_from(into), _rarely)


# What a program mostly does with a socket by what it has done before; now and then it does anything at all.
_USUAL = {
    "new": ("bind", "bind", "bind", "connect", "set", "bind to any port", "listen"),
    "bound": ("listen", "listen", "listen", "connect", "connect to itself", "set", "close"),
    "listening": ("accept", "accept", "accept", "accept", "shutdown", "close"),
    "opened": ("send", "send", "send", "recv", "recv", "recv", "shutdown", "close", "ask", "set", "connect"),
}
_BECOMES = {"bind": "bound", "listen": "listening", "connect": "opened", "accept": "opened"}


@functools.cache
def _move(letter: str, families: tuple[int, ...], role: str, servers: str) -> st.SearchStrategy[Call]:
    moves = _moves(letter, families)
    usual = [moves[kind] for kind in _USUAL[role]]
    if role in ("new", "bound"):
        usual += [_calls_up(letter, server) for server in servers if _alike(families, letter, server)] * 4
    return _one_of(*usual * 6, *moves.values())


def _one_of(*strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Like one_of(), which takes what is there several times only once."""
    return st.sampled_from(strategies).flatmap(lambda chosen: chosen)


def _calls_up(letter: str, server: str) -> st.SearchStrategy[Call]:
    return _waits.map(lambda wait: Call(letter, "connect", (NameOf(server),), "", wait))


def _alike(families: tuple[int, ...], one: str, other: str) -> bool:
    return families[_LETTERS.index(one)] == families[_LETTERS.index(other)]


_of_the_stack = st.one_of(
    st.sampled_from([Call("stack", "set_port_range", (ports,)) for ports in _RANGES]),
    st.sampled_from([Call("stack", "set_reserved", (ports,)) for ports in ((), *((PortRange(p, p),) for p in PORTS))]),
    # Mostly long enough for a delayed acknowledgement, at times for a recycled TIME-WAIT (tcp_tw_reuse_delay).
    st.sampled_from([Call("stack", "sleep", (seconds,)) for seconds in (0.3, 0.3, 0.3, 1.3)]),
)


class _Plan:
    """A script in the making, and what each socket will have been through, if all goes well."""

    def __init__(self, families: tuple[int, ...]) -> None:
        self.script: list[Call] = []
        self.families = families
        self.roles: dict[str, str] = {}
        self.dialled: set[str] = set()

    def add(self, call: Call) -> None:
        """Add a call. A letter without an open socket gets one first; a letter that accept() takes is closed first."""
        if call.method in ("connect", "listen", "dup") and self._known_difference(call):
            return
        if call.on in _LETTERS and call.on not in self.roles:
            self.script.append(Call("stack", "socket", (self.families[_LETTERS.index(call.on)],), call.on))
            self.roles[call.on] = "new"
        if call.into in self.roles:
            self.script.append(Call(call.into, "close"))
        self.script.append(call)
        role = self.roles[call.on] if call.method == "dup" else _BECOMES.get(call.method)
        if call.method == "close":
            del self.roles[call.on]
            self.dialled.discard(call.on)
        elif role is not None:
            self.roles[call.into or call.on] = role

    def _known_difference(self, call: Call) -> bool:
        """True for an IPv6 socket that has dialled, perhaps over IPv4, and goes on (docs/simulated.md, "mapped")."""
        again = call.on in self.dialled or call.method == "dup"
        if call.method == "connect":
            self.dialled.add(call.on)
        return again and AF_INET in self.families and self.families[_LETTERS.index(call.on)] == AF_INET6

    def clear(self, letters: str) -> None:
        """Close what is open of these, so that something new can begin."""
        for letter in letters:
            if letter in self.roles:
                self.add(Call(letter, "close"))

    def next_move(self) -> st.SearchStrategy[Call]:
        """What may come next: mostly something with a connection, if there is one."""
        opened = [letter for letter, role in self.roles.items() if role == "opened"]
        letters = st.sampled_from(sorted(opened) * 4 + list(_LETTERS))
        servers = self._servers()
        return letters.flatmap(lambda letter: _move(letter, self.families, self.roles.get(letter, "new"), servers))

    def _servers(self) -> str:
        return "".join(sorted(letter for letter, role in self.roles.items() if role == "listening"))


@functools.cache
def _scene(families: tuple[int, ...], letters: str) -> st.SearchStrategy[tuple[Call, ...]]:
    """A few calls that belong together: a server and its client, a self-connection, two that call each other."""
    family, (one, other, third) = families[_LETTERS.index(letters[0])], letters
    alike = _alike(families, one, other)

    def pair(name: tuple[str, int], room: int, wait: float | None) -> tuple[Call, ...]:
        called = (*_bound(one, name), Call(one, "listen", (room,)))
        to = NameOf(one) if alike else ("127.0.0.1" if family == AF_INET6 else _MAPPED, name[1])
        return *called, Call(other, "connect", (to,), "", wait), Call(one, "accept", (), third)

    def itself(name: tuple[str, int], by_range: bool, wait: float | None) -> tuple[Call, ...]:
        one_port = (Call("stack", "set_port_range", (PortRange(name[1], name[1]),)),)
        return *(one_port if by_range else _bound(one, name)), Call(one, "connect", (name,), "", wait)

    def crossing(name: tuple[str, int], port: int, wait: float | None) -> tuple[Call, ...]:
        calls = (Call(one, "connect", (NameOf(other),), "", wait), Call(other, "connect", (NameOf(one),), "", wait))
        return *_bound(one, name), *_bound(other, (name[0], port)), *calls

    def sharing(name: tuple[str, int], both: bool, listens: bool) -> tuple[Call, ...]:
        reuse = [Call(letter, "setsockopt", (c.SOL_SOCKET, c.SO_REUSEADDR, 1)) for letter in (one, other)[: 1 + both]]
        last = Call(other, "listen", (5,)) if listens else Call(one, "listen", (5,))
        return *reuse, *_bound(one, name), *_bound(other, name), last

    def reserving(name: tuple[str, int], port: int, by_bind: bool) -> tuple[Call, ...]:
        ports = Call("stack", "set_port_range", (PortRange(PORTS[0], PORTS[1]),))
        asks = _bound(one, (name[0], 0)) if by_bind else (Call(one, "connect", (name,)),)
        return ports, Call("stack", "set_reserved", ((PortRange(port, port),),)), *asks

    pairs = st.builds(pair, _name(families, one), st.sampled_from((5, 5, 1, 0)), _waits)
    selves = st.builds(itself, _name(families, one), st.booleans(), _waits)
    crossings = st.builds(crossing, _name(families, one), _port, _waits)
    shared = st.builds(sharing, _name(families, one), st.booleans(), st.booleans())
    reserved = st.builds(reserving, _name(families, one), _port, st.booleans())
    return _one_of(pairs, pairs, pairs, selves, reserved, *[crossings, shared] * alike)


def _bound(letter: str, name: tuple[str, int]) -> tuple[Call, ...]:
    return (Call(letter, "bind", (name,)),)


_same = st.sampled_from(((AF_INET,) * 4, (AF_INET,) * 4, (AF_INET6,) * 4))
_families = _one_of(_same, _same, st.tuples(*(st.sampled_from((AF_INET, AF_INET6)),) * 4))
_letters = st.sampled_from(["".join(three) for three in itertools.permutations(_LETTERS, 3)])
_kinds = st.sampled_from((*("move",) * 20, *("scene",) * 3, "stack"))


@st.composite
def scripts(draw: st.DrawFn, most: int = 16) -> Script:
    """Scripts of one to `most` steps: a call each, or a few calls that belong together."""
    families = draw(_families)
    plan = _Plan(families)
    for _ in range(draw(st.integers(1, most))):
        kind = draw(_kinds)
        if kind == "scene":
            letters = draw(_letters)
            plan.clear(letters[:2])
            for call in draw(_scene(families, letters)):
                plan.add(call)
        else:
            plan.add(draw(_of_the_stack if kind == "stack" else plan.next_move()))
    return tuple(plan.script)


def with_a_long_wait(before: Script, after: Script, closed: bool) -> Script:
    """Two scripts, and time between them in which all ends that ends by itself; sockets are closed before it or after.

    TIME-WAIT and FIN-WAIT-2 last 60 s, a SYN without an answer is sent for the last time after 67 s, and the kernel's
    timers of that length may be 4 s late.
    """
    closing = tuple(Call(letter, "close") for letter in _LETTERS)
    wait = (Call("stack", "sleep", (90.0,)),)
    return (*before, *closing, *wait, *after) if closed else (*before, *wait, *closing, *after)
