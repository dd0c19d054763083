"""Four exchanges made on the spot, to compare: refused, ordinary, with itself, and between two hosts at once.

After the opening each says "hi" and closes in order. What the two hosts send is what a self-connection sends,
each segment twice: once from either end.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from ..errors import NotOnThisTestbed
from .capture import Exchange
from .crossing import Crossing
from .testbed import Testbed

DATA = b"hi"
DELAY = 0.05  # seconds on the cable between the two hosts

_QUIET = 0.1  # seconds without a segment after which a step is over: longer than a delayed ACK (40 ms)
_USUAL = range(8080, 8180)  # where servers listen; outside most ephemeral ranges
_SETTINGS = ("tcp_timestamps", "tcp_sack", "tcp_dsack", "tcp_window_scaling", "tcp_ecn", "tcp_tw_reuse")


def four_exchanges(testbed: Testbed) -> dict[str, Exchange | Crossing]:
    """Make the four exchanges and return them by their names, in about two seconds.

    Raises NotOnThisTestbed where one of them cannot be made: without the right to capture, or to make two hosts.
    """
    return {
        "refused": refused(testbed),
        "handshake": handshake(testbed),
        "self-connection": self_connection(testbed),
        "simultaneous-open": simultaneous_open(testbed),
    }


def refused(testbed: Testbed, host: str = "127.0.0.1") -> Exchange:
    """Dial a port that is held and not listened on: SYN, and the RST-ACK that refuses it."""
    with _hold_one(testbed, _outside(testbed), host) as held:
        port = held.getsockname()[1]
        with testbed.capture(port, both_ends=False) as exchange:
            testbed.connect_loop(port, host, max_tries=1, progress=False)
            _until_quiet(testbed, exchange)
    return exchange


def handshake(testbed: Testbed, host: str = "127.0.0.1") -> Exchange:
    """Dial a listener, say "hi", and close: the client first, then the server."""
    with _hold_one(testbed, _outside(testbed), host) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with testbed.capture(port, both_ends=False) as exchange:
            client = testbed.connect_loop(port, host, progress=False)
            with listener.accept()[0] as server:
                _talk(testbed, exchange, client.socket, server)
                client.close(reset=False)
                _until_quiet(testbed, exchange)
            _until_quiet(testbed, exchange)
    return exchange


def self_connection(testbed: Testbed, host: str = "127.0.0.1") -> Exchange:
    """Connect a socket to itself, say "hi" to itself, and close.

    The socket is bound to the port first, so that the first try connects: no refused tries, nothing left to chance.
    """
    with _hold_one(testbed, _inside(testbed), host) as held:
        port = held.getsockname()[1]
    with testbed.capture(port) as exchange:
        run = testbed.connect_loop(port, host, client="bind-self", progress=False)
        _talk(testbed, exchange, run.socket, run.socket)
        run.close(reset=False)
        _until_quiet(testbed, exchange)
    return exchange


def simultaneous_open(testbed: Testbed, delay: float = DELAY) -> Crossing:
    """Let two hosts connect, say "hi", and close, both at once, over a cable that takes `delay` seconds."""
    with testbed.cross(delay) as crossing:
        for sock in crossing.sockets.values():
            sock.sendall(DATA)
        crossing.run(delay)
        for sock in crossing.sockets.values():
            sock.recv(len(DATA))
            sock.shutdown(socket.SHUT_WR)  # close() would do the same, but nobody could ask for the state any more
        crossing.run(delay)
    return crossing


def tcp_settings() -> dict[str, int]:
    """Return the kernel's settings that shape what is on the wire (tcp(7)), where it has them. Runs in the worker."""
    paths = {name: Path("/proc/sys/net/ipv4", name) for name in _SETTINGS}
    return {name: int(path.read_text()) for name, path in paths.items() if path.exists()}


def _talk(testbed: Testbed, exchange: Exchange, sender: socket.socket | None, receiver: socket.socket | None) -> None:
    """Send the data and read it: what is left unread makes the close a reset (RFC 2525 section 2.17)."""
    assert sender is not None and receiver is not None, "nobody answered"
    _until_quiet(testbed, exchange)
    sender.sendall(DATA)
    _until_quiet(testbed, exchange)
    receiver.recv(len(DATA))


def _until_quiet(testbed: Testbed, exchange: Exchange) -> None:
    seen = -1
    while len(exchange.copies) != seen:
        seen = len(exchange.copies)
        testbed.wait(_QUIET)


def _outside(testbed: Testbed) -> list[int]:
    """Ports to dial that are better not ephemeral: a range of one port must stay free for the client."""
    ephemeral = testbed.port_range
    return sorted(_USUAL, key=lambda port: port in ephemeral)


def _inside(testbed: Testbed) -> Iterable[int]:
    """Ephemeral ports, as for any self-connection; a bound socket may do with others where none of them is free."""
    return chain(range(testbed.port_range.low, testbed.port_range.high + 1), _USUAL)


def _hold_one(testbed: Testbed, ports: Iterable[int], host: str) -> socket.socket:
    """Hold the first of `ports` that is free."""
    for port in ports:
        try:
            return testbed.hold(port, host)
        except OSError:
            continue
    raise NotOnThisTestbed("none of the ports that this exchange may use is free; wait a minute and try again")
