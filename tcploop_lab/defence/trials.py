"""The trials: a client against itself, against a real server, and a dead port against every kind of client."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Callable, Iterator

from ..errors import NotOnThisTestbed
from ..ports.ranges import PortRange
from ..stacks import constants
from ..testbed.testbed import Testbed
from .clients import Address, NewSocket, close_with_reset, read_line, serve, start_server
from .results import Situation

Dial = Callable[[Address, NewSocket], socket.socket]

HOST = "127.0.0.1"
PORT = 47050
HUNDRED = PortRange(47000, 47099)  # 50 candidates: PORT and the other even ports
CANDIDATES = HUNDRED.width // 2
ONE = PortRange(PORT, PORT)  # every try of an undefended client connects to itself
_ELSEWHERE = 9000  # outside the ranges: where a redirect of PORT leads
_TIMEOUT = 2.0  # seconds a client may wait for an answer
_END = 0.5  # seconds a server gets to end; it may wait for a client that keeps its socket
_HELLO = b"hello\n"
_LONGEST = 60  # characters of what a client returned that are repeated
# Addresses of this host. Each is used once in the life of this process: a TIME-WAIT may still keep the port on others.
fresh_hosts = (f"127.{n >> 16 & 127 | 128}.{n >> 8 & 255}.{n & 255}" for n in itertools.count(1))


class Ground:
    """A private testbed on which the range may be changed for a while."""

    def __init__(self, testbed: Testbed) -> None:
        if testbed.kind == "host" or not testbed.executor.info["range_set"]:
            raise NotOnThisTestbed(
                "a defence is measured in port ranges of its own, which cannot be set here: use the namespace testbed"
            )
        self.testbed = testbed

    @contextlib.contextmanager
    def range(self, port_range: PortRange) -> Iterator[None]:
        """Give the namespace this range until the end of the block."""
        try:
            undo = self.testbed.use_range(port_range)
        except OSError as error:
            raise NotOnThisTestbed(f"the range cannot be set here ({error.strerror}): /proc/sys is read-only") from None
        with undo:
            yield

    def new_socket(self, host: str = HOST) -> NewSocket:
        """Return what makes sockets of this network, for addresses like `host`."""

        def make() -> socket.socket:
            sock = self.testbed.tcp_socket(host)
            sock.settimeout(_TIMEOUT)
            return sock

        return make

    def opened(self) -> int:
        """Return how many connections the kernel has seen succeed (RFC 4022: tcpActiveOpens, tcpAttemptFails)."""
        counters = self.testbed.counters()
        return counters["ActiveOpens"] - counters["AttemptFails"]

    def can_start(self, address: Address, reuse: bool = False) -> bool:
        """True if a server can start there; it ends at once."""
        try:
            start_server(address, self.new_socket(address[0]), reuse).close()
        except OSError:
            return False
        return True


def is_own(sock: socket.socket) -> bool:
    """True if the socket is connected, and to itself."""
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:
        return False


def meets_itself(ground: Ground, dial: Dial, trials: int) -> tuple[Situation, Situation, Situation]:
    """Let the client dial where each connect() meets itself, and let servers start after each.

    The first counts the self-connections that the client hands over as if they were good, the others the servers that
    cannot start, without and with SO_REUSEADDR, whether the client keeps the port or has left it in TIME-WAIT. Every
    meeting is on an address of its own, so that none decides the next. Raises ValueError for a client that does not
    dial what it is given.
    """
    before, used, blocked, reusing = ground.opened(), 0, 0, 0
    with ground.range(ONE):
        for host in itertools.islice(fresh_hosts, trials):
            address = (host, PORT)
            handed_over = _hands_over(dial, address, _from(address[0], ground.new_socket()))
            blocked += not ground.can_start(address)
            reusing += not ground.can_start(address, reuse=True)
            used += handed_over is not None
            if handed_over is not None:
                close_with_reset(handed_over)
    met = ground.opened() - before
    if met < trials:
        raise ValueError(f"client: it met itself {met} times of {trials}; it must dial the address that it is given")
    return (
        Situation("uses its own connection", trials, used),
        Situation("the server cannot start afterwards", trials, blocked),
        Situation("with SO_REUSEADDR it cannot start either", trials, reusing),
    )


def meets_itself_on(ground: Ground, dial: Dial, trials: int, host: str) -> Situation | None:
    """Let the client meet itself on one address again and again; None where the address cannot be dialled."""
    failures, before = 0, ground.opened()
    with ground.range(ONE):
        for _ in range(trials):
            handed_over = _hands_over(dial, (host, PORT), ground.new_socket(host))
            if handed_over is not None:
                failures += 1
                close_with_reset(handed_over)
    met = ground.opened() - before
    return Situation(f"uses its own connection to {host}", met, failures) if met else None


def _hands_over(dial: Dial, address: Address, new_socket: NewSocket) -> socket.socket | None:
    """Return the self-connection that the client hands over as if it were good; None if it does not."""
    sock = _dialled(dial, address, new_socket)
    return sock if sock is not None and is_own(sock) else None


def _dialled(dial: Dial, address: Address, new_socket: NewSocket) -> socket.socket | None:
    """Return the socket that the client returns, None if it raises OSError. ValueError for anything else."""
    try:
        sock = dial(address, new_socket)
    except OSError:
        return None
    if not hasattr(sock, "getpeername"):
        what = repr(sock)[:_LONGEST]
        raise ValueError(f"client: it returned {what}; return the connected socket, or raise an OSError")
    return sock


def _from(host: str, new_socket: NewSocket) -> NewSocket:
    """Return what makes sockets that dial from this address; the port is left to connect()."""

    def make() -> socket.socket:
        sock = new_socket()
        sock.setsockopt(constants.SOL_IP, constants.IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((host, 0))
        return sock

    return make


def meets_a_server(ground: Ground, dial: Dial, trials: int) -> Situation:
    """Let the client dial a real server; a failure is a server that it does not accept, or cannot talk to."""
    with _serving(ground, PORT):
        failures = sum(not _is_served(dial, (HOST, PORT), ground.new_socket()) for _ in range(trials))
    return Situation("refuses a real server", trials, failures)


def meets_a_redirect(ground: Ground, dial: Dial, trials: int, port_range: PortRange) -> int:
    """Let the client dial a port that is redirected to a real server (NAT), and count the servers it does not accept.

    The kernel names what the client dialled, so the names of both ends are equal wherever the source port is `PORT`.
    """
    host = next(fresh_hosts)
    new_socket = _from(host, ground.new_socket())
    with _serving(ground, _ELSEWHERE), ground.testbed.redirect(PORT, _ELSEWHERE), ground.range(port_range):
        return sum(not _is_served(dial, (host, PORT), new_socket) for _ in range(trials))


@contextlib.contextmanager
def _serving(ground: Ground, port: int) -> Iterator[None]:
    """Let a server answer on this port until the end of the block."""
    server = start_server((HOST, port), ground.new_socket(), reuse=True)
    server.settimeout(None)
    thread = ground.testbed.executor.here.run_beside(serve, server)
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join(_END)
        server.close()


def _is_served(dial: Dial, address: Address, new_socket: NewSocket) -> bool:
    sock = _dialled(dial, address, new_socket)
    if sock is None:
        return False
    try:
        sock.sendall(_HELLO)
        served = read_line(sock) == b"server " + _HELLO
        close_with_reset(sock)
    except OSError:
        return False
    return served


def dead_port(ground: Ground, what: str, tries: int, port: int = PORT, client: str = "same-socket") -> Situation:
    """Dial a port as a plain client does, until it connects or the tries end. Undefended each connects with 1/M."""
    run = ground.testbed.connect_loop(port, HOST, client, max_tries=tries, progress=False)
    run.close(reset=True)
    return Situation(what, run.tries, int(run.connected), 1 / CANDIDATES)
