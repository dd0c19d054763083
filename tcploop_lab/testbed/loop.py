"""The connect loop: real connect() calls to a dead port of this host, until one succeeds.

It is a function of a stack and needs nothing but the standard library, so that a worker is up at once.
"""

from __future__ import annotations

import errno
import itertools
import operator
import socket
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ..ports.clients import Binds, ClientKind
from ..ports.ranges import PortRange
from ..stacks import constants
from ..stacks.stack import Stack
from ..stacks.task import current_task
from ..tcp.endpoint import Endpoint

_CHECK_SECONDS = 0.02  # a burst of tries lasts about this long, then time and stop are looked at
_BURST_LIMIT = 16384


@dataclass(frozen=True)
class LoopSpec:
    """What to dial and how. `source` is the address to bind, `socket_range` a range for each socket."""

    host: str
    port: int
    client: ClientKind
    max_tries: int
    timeout: float
    trace: bool = False
    source: str | None = None
    socket_range: PortRange | None = None

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6, by the address to dial."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


@dataclass
class LoopOutcome:
    """What a loop measured; `stopped` says why it ended."""

    tries: int = 0
    seconds: float = 0.0
    stopped: str = ""
    errors: Counter[str] = field(default_factory=Counter)
    ports: array[int] | None = None
    local: Endpoint | None = None
    peer: Endpoint | None = None


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


def run_loop(stack: Stack, spec: LoopSpec) -> tuple[LoopOutcome, socket.socket | None]:
    """Dial until a connect succeeds, the tries or the time are used up, or the lab says stop.

    Returns the outcome and, where it connected, the live socket.
    """
    outcome = LoopOutcome(ports=array("H") if spec.trace else None)
    began = stack.monotonic()
    try:
        connected = _loop(stack, spec, outcome, began + spec.timeout)
    except OSError as error:  # a socket could not be made: no descriptors, no ports, no such option
        connected = None
        _stop_for(outcome, error.errno or 0)
    except MemoryError:  # the trace has to go, so that the count can be told
        connected = outcome.ports = None
        _stop_for(outcome, errno.ENOMEM)
    outcome.seconds = stack.monotonic() - began
    if connected is not None:
        outcome.stopped = "connected"
        outcome.local, outcome.peer = Endpoint.of(connected.getsockname()), Endpoint.of(connected.getpeername())
    return outcome, connected


class _OneSocket:
    """Dials again and again on one socket. A refused connect() gives its port back."""

    def __init__(self, stack: Stack, spec: LoopSpec, ports: array[int] | None) -> None:
        self.socket = make_socket(stack, spec)
        self._ports = ports

    @property
    def dial(self) -> Callable[[tuple[str, int]], int]:
        """What makes a try. Without a trace it is the socket's own method: no Python frame for each try."""
        return self.socket.connect_ex if self._ports is None else self._dial_and_note

    def _dial_and_note(self, address: tuple[str, int]) -> int:
        error = self.socket.connect_ex(address)
        self._ports.append(self.socket.getsockname()[1])  # type: ignore[union-attr]
        return error


class _NewSockets:
    """Dials every time on a socket made for that try."""

    def __init__(self, stack: Stack, spec: LoopSpec, ports: array[int] | None) -> None:
        self._stack, self._spec, self._ports = stack, spec, ports
        self.socket: socket.socket | None = None

    def dial(self, address: tuple[str, int]) -> int:
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


def _loop(stack: Stack, spec: LoopSpec, outcome: LoopOutcome, deadline: float) -> socket.socket | None:
    task, size = current_task(), 16
    dialler = (_NewSockets if spec.client.new_socket else _OneSocket)(stack, spec, outcome.ports)
    while True:
        began = stack.monotonic()
        connected = _burst(dialler, spec, min(size, spec.max_tries - outcome.tries), outcome)
        if not connected and not outcome.stopped:
            task.report(outcome.tries)
            outcome.stopped = _reason_to_stop(spec, outcome, stack.monotonic() >= deadline, task.stopped())
        if connected:
            return dialler.socket
        if outcome.stopped:
            _close(dialler.socket)
            return None
        size = min(_BURST_LIMIT, size * 2) if stack.monotonic() - began < _CHECK_SECONDS else max(1, size // 2)


def _burst(dialler: _OneSocket | _NewSockets, spec: LoopSpec, size: int, outcome: LoopOutcome) -> bool:
    """Dial up to `size` times, until a try is not refused; True if it connected.

    groupby() and countOf() run the tries without a step of the interpreter between two of them.
    """
    for error, same in itertools.groupby(map(dialler.dial, itertools.repeat((spec.host, spec.port), size))):
        if error == errno.ECONNREFUSED:
            refused = operator.countOf(same, error)
            outcome.tries += refused
            outcome.errors["ECONNREFUSED"] += refused
            continue
        outcome.tries += error not in _NO_TRY
        if error:
            _stop_for(outcome, error)
        return error == 0
    return False


# No segment was sent: the kernel could not even begin, so this was not a try.
_NO_TRY = frozenset(
    {errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENETUNREACH}
)


def _stop_for(outcome: LoopOutcome, error: int) -> None:
    outcome.errors[errno.errorcode.get(error, str(error))] += 1
    outcome.stopped = "timeout" if error in (errno.EINPROGRESS, errno.EAGAIN) else "error"


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()


def _reason_to_stop(spec: LoopSpec, outcome: LoopOutcome, too_late: bool, stopped: bool) -> str:
    if stopped:
        return "interrupted"
    if outcome.tries >= spec.max_tries:
        return "max-tries"
    return "timeout" if too_late else ""


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
    _close(connected)
    return "" if connected is not None else f"no self-connection ({', '.join(outcome.errors) or outcome.stopped})"


def free_port(stack: Stack) -> int:
    """Return a port that was free a moment ago."""
    with stack.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
