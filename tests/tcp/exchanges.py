"""Exchanges to replay and to draw, as Linux 6.18 made them in private network namespaces."""

from __future__ import annotations

from dataclasses import replace

from tcploop_lab.tcp.segments import Segment

X, Y = 1256752303, 2278987682  # the initial sequence numbers
SYN_OPTIONS = (("MSS", 65495), ("SAckOK", b""), ("Timestamp", (6010989, 0)), ("NOP", None), ("WScale", 10))
ONE, TWO = ("127.0.0.1", 33334), ("127.0.0.1", 40430)
HOST_A, HOST_B = ("10.0.0.1", 5000), ("10.0.0.2", 5000)


def segment(
    microseconds: int,
    source: tuple[str, int],
    target: tuple[str, int],
    flags: str,
    seq: int,
    ack: int = 0,
    payload: bytes = b"",
    options: tuple[tuple[str, object], ...] = (),
    sender: str = "",
) -> Segment:
    """A segment `microseconds` after the exchange began; a SYN has the options of a Linux SYN."""
    options = SYN_OPTIONS if "S" in flags else options
    time = 1.7e9 + microseconds / 1e6
    return Segment(time, *source, *target, flags, seq % 2**32, ack % 2**32, 65536, options, payload, sender)


def d_sack(number: int) -> tuple[tuple[str, object], ...]:
    """The options of an ACK that says: sequence number `number` arrived twice."""
    return (("NOP", None), ("NOP", None), ("SAck", (number, number + 1)))


def self_connection(x: int = X) -> list[Segment]:
    """connect() to itself, "hi" to itself, close()."""
    return [
        segment(0, ONE, ONE, "S", x),
        segment(20, ONE, ONE, "SA", x, x + 1),
        segment(33, ONE, ONE, "A", x + 1, x + 1, options=d_sack(x % 2**32)),
        segment(50_489, ONE, ONE, "PA", x + 1, x + 1, b"hi"),
        segment(50_517, ONE, ONE, "A", x + 3, x + 3),
        segment(151_707, ONE, ONE, "FA", x + 3, x + 3),
        segment(151_732, ONE, ONE, "A", x + 4, x + 4),
    ]


def challenged() -> list[Segment]:
    """A self-connection of a kernel before commit 23e89e8ee7be: the third segment is a challenge ACK."""
    first, second, third = self_connection()[:3]
    return [first, second, replace(third, options=())]


def fast_open() -> list[Segment]:
    """A self-connection with ECN, and with data in the SYN, which no simultaneous open takes (RFC 7413, RFC 3168)."""
    return [
        segment(0, ONE, ONE, "SEC", X, payload=b"hello"),
        segment(20, ONE, ONE, "SAE", X, X + 1),
        segment(33, ONE, ONE, "A", X + 6, X + 1),
        segment(206_000, ONE, ONE, "PA", X + 1, X + 1, b"hello"),
        segment(206_030, ONE, ONE, "A", X + 6, X + 6),
    ]


def self_reset() -> list[Segment]:
    """A self-connection that ends with a reset (SO_LINGER with 0 seconds)."""
    return [*self_connection()[:3], segment(103, ONE, ONE, "RA", X + 1, X + 1)]


def refused() -> list[Segment]:
    """connect() to a port where nobody listens."""
    return [segment(0, TWO, ONE, "S", X), segment(97, ONE, TWO, "RA", 0, X + 1)]


def handshake() -> list[Segment]:
    """A client connects to a listener, both send, the client closes first."""
    return [
        segment(0, TWO, ONE, "S", X),
        segment(24, ONE, TWO, "SA", Y, X + 1),
        segment(38, TWO, ONE, "A", X + 1, Y + 1),
        segment(144, TWO, ONE, "PA", X + 1, Y + 1, b"hello"),
        segment(149, ONE, TWO, "A", Y + 1, X + 6),
        segment(109_787, ONE, TWO, "PA", Y + 1, X + 6, b"yes"),
        segment(109_806, TWO, ONE, "A", X + 6, Y + 4),
        segment(218_363, TWO, ONE, "FA", X + 6, Y + 4),
        segment(261_163, ONE, TWO, "A", Y + 4, X + 7),
        segment(318_628, ONE, TWO, "FA", Y + 4, X + 7),
        segment(318_659, TWO, ONE, "A", X + 7, Y + 5),
    ]


def crossing() -> tuple[list[Segment], dict[int, float]]:
    """Two hosts connect to each other at once, 50 ms apart: the segments, and when each arrived."""
    segments = [
        segment(0, HOST_A, HOST_B, "S", X, sender="A"),
        segment(179, HOST_B, HOST_A, "S", Y, sender="B"),
        segment(51_492, HOST_A, HOST_B, "SA", X, Y + 1, sender="A"),
        segment(51_682, HOST_B, HOST_A, "SA", Y, X + 1, sender="B"),
        segment(102_328, HOST_A, HOST_B, "A", X + 1, Y + 1, options=d_sack(Y), sender="A"),
        segment(102_486, HOST_B, HOST_A, "A", Y + 1, X + 1, options=d_sack(X), sender="B"),
    ]
    return segments, {index: sent.time + 0.050 for index, sent in enumerate(segments)}
