"""Collects the facts about a port, on a stack, by trying wherever trying is possible."""

from __future__ import annotations

import contextlib
import errno
import socket
from array import array
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

from ..ports.clients import Binds, ClientKind
from ..ports.preconditions import Facts
from ..ports.ranges import PortRange
from ..stacks import constants
from ..stacks.stack import SocketRow, Stack, bind_somewhere
from ..tcp import closing
from ..tcp.endpoint import Endpoint
from ..tcp.states import State
from .dialling import LoopOutcome
from .loop import LoopSpec, run_loop, set_socket_range

SAMPLED_TRIES = 64  # all of one parity by chance, if the kernel had no preference: 2 ** -63


def collect(stack: Stack, spec: LoopSpec) -> Facts:
    """Return the facts about dialling `spec.port` on `spec.host` with such a client."""
    listeners, others, time_wait = socket_table(stack, spec.host, spec.port)
    listeners = tuple(name for name in listeners if keeps_off(name, spec.host, spec.client))
    reserved = stack.reserved()
    ports, once = _sample_and_judge(stack, spec, SAMPLED_TRIES)
    return Facts(
        port=spec.port,
        host=spec.host,
        client=spec.client,
        port_range=spec.socket_range or stack.port_range(),
        source=source_of(stack, spec),
        sampled=tuple(ports),
        once=once,
        refused=_refuses_itself(stack, spec),
        reserved=reserved,
        listeners=listeners,
        others=others,
        time_wait=time_wait,
        given=_is_given(stack, spec) if not any(spec.port in item for item in reserved) else None,
        bindable=_is_bindable(stack, spec),
    )


def source_of(stack: Stack, spec: LoopSpec) -> str | None:
    """Return the address that such a client's segments come from."""
    if spec.source is not None or spec.client.binds is not Binds.NOTHING:
        return spec.source or spec.host
    return stack.source_for(spec.host)


@contextlib.contextmanager
def held_port(stack: Stack, spec: LoopSpec) -> Iterator[int]:
    """Hold a free port with bind() and yield it: nobody can listen there, and it can never loop."""
    with stack.socket(spec.family, socket.SOCK_STREAM) as sock:
        bind_somewhere(sock, spec.host)
        yield sock.getsockname()[1]


def sample_source_ports(stack: Stack, spec: LoopSpec, tries: int) -> array[int]:
    """Return the source ports of some refused tries. After a refusal getsockname() still tells the port.

    Where only the first connect() of a socket counts each try has a new socket: it picks its port by the same rule.
    """
    return _sample_and_judge(stack, spec, tries)[0]


def _sample_and_judge(stack: Stack, spec: LoopSpec, tries: int) -> tuple[array[int], bool]:
    """Return the source ports, and whether only the first connect() of a socket counts (FreeBSD, macOS); by doing.

    There a socket keeps its first port, and new sockets do not. With one port to pick from, nothing is said.
    """
    if spec.client.binds is Binds.TARGET:
        return array("H"), False
    ports = _sample(stack, spec, tries)
    if spec.client.new_socket or len(ports) < 2 or len(set(ports)) > 1:
        return ports, False
    bound = spec.host if spec.client.binds is Binds.ADDRESS else None
    new = _sample(stack, replace(spec, client=ClientKind.NEW_SOCKET, source=spec.source or bound), tries)
    return new or ports, len(set(new)) > 1


def _refuses_itself(stack: Stack, spec: LoopSpec) -> str:
    """Return the errno's name if a socket is refused its own name, as on macOS; "" where it connects."""
    with contextlib.suppress(OSError), stack.socket(spec.family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(constants.SOL_SOCKET, constants.SO_SNDTIMEO, constants.timeval(min(spec.timeout, 2.0)))
        closing.by_reset(sock)
        bind_somewhere(sock, spec.host)
        if sock.connect_ex((spec.host, sock.getsockname()[1])) == errno.EINVAL:
            return "EINVAL"
    return ""


def _sample(stack: Stack, spec: LoopSpec, tries: int) -> array[int]:
    with held_port(stack, spec) as dead:
        probe = replace(spec, port=dead, max_tries=tries, timeout=min(spec.timeout, 10.0), trace=True)
        outcome, connected = run_loop(stack, probe)
    if connected is not None:  # cannot be: the port is held by a socket that does not listen
        connected.close()
    return outcome.trace or array("H")


def socket_table(stack: Stack, host: str, port: int) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return who listens on `port`, which open connection occupies host:port on both sides, and who waits."""
    rows = [row for row in stack.socket_table() if row.port == port]
    same = [row for row in rows if row.peer == str(Endpoint(host, port))]
    listeners = tuple(row.local for row in rows if row.state == State.LISTEN)
    waiting = tuple(_pair(row) for row in same if row.state == State.TIME_WAIT)
    return listeners, tuple(_pair(row) for row in same if row.state != State.TIME_WAIT), waiting


def held_by_another_user(stack: Stack, host: str, port: int) -> bool:
    """Return whether another user of this machine keeps a self-connection of host:port open, as far as it is told."""
    with contextlib.suppress(OSError):  # no /proc
        name = str(Endpoint(host, port))
        return any(row.others and row.local == row.peer == name for row in stack.socket_table())
    return False


def dial(stack: Stack, spec: LoopSpec) -> tuple[LoopOutcome, socket.socket | None, tuple[str, ...]]:
    """Run a loop; return what it brought, its live socket, and where it has none, who holds the port."""
    outcome, connected = run_loop(stack, spec)
    return outcome, connected, () if connected is not None else who_holds(stack, spec.host, spec.port)


def who_holds(stack: Stack, host: str, port: int) -> tuple[str, ...]:
    """Return whose sockets keep connect() from taking `port` to dial itself, as far as the system tells."""
    with contextlib.suppress(OSError):  # no /proc
        listeners, others, waiting = socket_table(stack, host, port)
        bound = stack.bound_only(port) or ()
        return (
            *(f"{name} (LISTEN)" for name in listeners),
            *(f"{name} (only bound)" for name in bound),
            *(f"another self-connection, {name}" for name in (*others, *waiting)),
        )
    return ()


def _pair(row: SocketRow) -> str:
    return f"{row.local} -> {row.peer} ({row.state})"


def _is_given(stack: Stack, spec: LoopSpec) -> bool | None:
    """Ask the kernel for exactly this source port (IP_LOCAL_PORT_RANGE); None where it cannot be asked."""
    if spec.port not in stack.port_range():
        return None  # bounds outside the namespace's range are ignored, so the answer would mean nothing
    with stack.socket(spec.family, socket.SOCK_STREAM) as sock, held_port(stack, spec) as dead:
        try:
            set_socket_range(sock, PortRange(spec.port, spec.port))
        except OSError:
            return None
        return bool(sock.connect_ex((spec.host, dead)) != errno.EADDRNOTAVAIL)


def keeps_off(name: str, host: str, client: ClientKind) -> bool:
    """Whether a socket that called bind(), of this local name, keeps such a client of `host` off its port.

    connect() passes over a port that anybody is bound to, whatever the address (Linux: __inet_hash_connect). bind() is
    refused where the address is the same, or all of them, which IPv6's :: is of both families.
    """
    if not client.by_bind:
        return True
    held, asked = ip_address(Endpoint.parse(name).address), ip_address(host)
    if held.is_unspecified:
        return held.version >= asked.version
    return (getattr(held, "ipv4_mapped", None) or held) == asked


def _is_bindable(stack: Stack, spec: LoopSpec) -> bool:
    """True if a new socket could bind the port: on every address, of both families where there are two.

    A client whose port bind() gives needs that address alone.
    """
    family, address = (socket.AF_INET6, "::") if stack.has_ipv6() else (socket.AF_INET, "0.0.0.0")
    if spec.client.by_bind:
        family, address = spec.family, spec.host
    try:
        with stack.socket(family, socket.SOCK_STREAM) as sock:
            if address == "::":
                sock.setsockopt(constants.SOL_IPV6, constants.IPV6_V6ONLY, 0)
            sock.bind((address, spec.port))
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True
