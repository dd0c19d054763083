"""The connect loop: real connect() calls to a dead port of this host, until one succeeds.

It is a function of a stack and needs nothing but the standard library, so that a worker is up at once.
"""

from __future__ import annotations

import errno
import socket
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from ..ports.clients import Binds, ClientKind
from ..ports.ranges import PortRange
from ..stacks import constants
from ..stacks.stack import Stack
from .dialling import MOST_UNLOOKED, Bounds, Dialler, LoopOutcome, dial_until


@dataclass(frozen=True)
class LoopSpec:
    """What to dial and how. `source` is the address to bind, `socket_range` a range for each socket.

    `reuse` gives each socket SO_REUSEADDR.
    """

    host: str
    port: int
    client: ClientKind
    max_tries: int
    timeout: float
    trace: bool = False
    source: str | None = None
    socket_range: PortRange | None = None
    reuse: bool = False

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6, by the address to dial."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def make_socket(stack: Stack, spec: LoopSpec) -> socket.socket:
    """Return a TCP socket as a client of this kind makes it, ready to connect."""
    sock: socket.socket = stack.socket(spec.family, socket.SOCK_STREAM)
    try:
        _prepare(sock, spec)
    except BaseException:
        sock.close()
        raise
    return sock


def _prepare(sock: socket.socket, spec: LoopSpec) -> None:
    # A connect() that nobody answers must not outlive the loop: the kernel gives up after SO_SNDTIMEO (socket(7)).
    sock.setsockopt(constants.SOL_SOCKET, constants.SO_SNDTIMEO, constants.timeval(spec.timeout))
    if spec.reuse:
        sock.setsockopt(constants.SOL_SOCKET, constants.SO_REUSEADDR, 1)
    if spec.socket_range is not None:
        set_socket_range(sock, spec.socket_range)
    if spec.client.binds is Binds.TARGET:
        sock.bind((spec.source or spec.host, spec.port))
    elif spec.client.binds is Binds.ZERO:
        sock.bind((spec.source or spec.host, 0))
    elif spec.source is not None or spec.client.binds is Binds.ADDRESS:
        sock.setsockopt(constants.SOL_IP, constants.IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((spec.source or spec.host, 0))


def set_socket_range(sock: socket.socket, port_range: PortRange) -> None:
    """Give one socket its own port range. Raises OSError before Linux 6.3."""
    value = constants.range_option(port_range.low, port_range.high)
    sock.setsockopt(constants.SOL_IP, constants.IP_LOCAL_PORT_RANGE, value)


def run_loop(stack: Stack, spec: LoopSpec, dialler: Dialler | None = None) -> tuple[LoopOutcome, socket.socket | None]:
    """Dial until a connect succeeds, the tries or the time are used up, or the lab says stop.

    Without a `dialler` its sockets are made as `spec` says, and closed unless they connect. Returns the outcome and,
    where it connected, the live socket.
    """
    outcome = LoopOutcome(trace=array("H") if spec.trace else None)
    began = stack.monotonic()
    bounds, connected = Bounds(spec.max_tries, began + spec.timeout), None
    try:
        if dialler is not None:
            connected = dial_until(stack, dialler, (spec.host, spec.port), bounds, outcome)
        else:
            connected = _dial_own(stack, spec, bounds, outcome)
    except OSError as error:  # a socket could not be made: no descriptors, no ports, no such option
        outcome.end(error.errno or errno.EIO)
    except MemoryError:  # the trace has to go, so that the count can be told
        outcome.trace = None
        outcome.end(errno.ENOMEM)
    outcome.seconds = stack.monotonic() - began
    if connected is not None:
        outcome.met(connected)
    return outcome, connected


def _dial_own(stack: Stack, spec: LoopSpec, bounds: Bounds, outcome: LoopOutcome) -> socket.socket | None:
    """Dial with sockets of one's own; who does not connect is closed."""
    own: NewSockets | OneSocket
    if spec.client.new_socket:
        own = NewSockets(stack, spec, outcome.trace)
    else:
        own = OneSocket(make_socket(stack, spec), outcome.trace)
    connected = dial_until(stack, own, (spec.host, spec.port), bounds, outcome)
    if connected is None and own.socket is not None:
        own.socket.close()
    return connected


class OneSocket:
    """Dials again and again on one socket. A refused connect() gives its port back."""

    waits_for_ports, look_every = False, MOST_UNLOOKED

    def __init__(self, sock: socket.socket, ports: array[int] | None = None) -> None:
        self.socket = sock
        self._ports = ports

    @property
    def dial(self) -> Callable[[tuple[str, int]], int]:
        """What makes a try. Without a trace it is the socket's own method: no Python frame for each try."""
        return self.socket.connect_ex if self._ports is None else self._dial_and_note

    def _dial_and_note(self, address: tuple[str, int]) -> int:
        error = self.socket.connect_ex(address)
        self._ports.append(self.socket.getsockname()[1])  # type: ignore[union-attr]
        return error


class NewSockets:
    """Dials every time on a socket made for that try."""

    waits_for_ports, look_every = False, MOST_UNLOOKED

    def __init__(self, stack: Stack, spec: LoopSpec, ports: array[int] | None) -> None:
        self._stack, self._spec, self._ports = stack, spec, ports
        self.socket: socket.socket | None = None

    def dial(self, address: tuple[str, int]) -> int:
        """Make one try."""
        try:
            sock = self.socket = make_socket(self._stack, self._spec)
        except OSError as refused:  # no descriptors left, or no port to bind: an end like any other, after this count
            self.socket = None
            return refused.errno or errno.EIO
        error = sock.connect_ex(address)
        if self._ports is not None:
            self._ports.append(sock.getsockname()[1])
        if error:
            sock.close()
        return error


def why_unsuitable(stack: Stack, port_range: PortRange | None) -> str:
    """Return why the host cannot make the loops of the course, in words; "" if it can. Found out by doing.

    Wanted are an ephemeral range to read, a range for each socket, where one is asked for, and that a socket that dials
    itself connects.
    """
    spec = LoopSpec("127.0.0.1", free_port(stack), ClientKind.BIND_SELF, 1, timeout=5.0)
    try:
        stack.port_range()
        if port_range is not None:
            with stack.socket() as sock:
                set_socket_range(sock, port_range)
    except FileNotFoundError as missing:
        return f"no ephemeral range to read: there is no {missing.filename}"
    except OSError as error:
        return f"no range for a socket ({error.strerror})"
    outcome, connected = run_loop(stack, spec)
    if connected is not None:
        connected.close()
    return "" if connected is not None else f"no self-connection ({', '.join(outcome.errors) or outcome.stopped})"


def free_port(stack: Stack) -> int:
    """Return a port that was free a moment ago."""
    with stack.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
