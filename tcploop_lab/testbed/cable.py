"""What is on the cable between two hosts, and what has left it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..tcp.replay import Replay, replay
from ..tcp.segments import Segment
from ..tcp.states import State
from . import dissect

HOSTS = ("A", "B")


@dataclass(frozen=True)
class Held:
    """A segment on the cable: sent, not yet delivered. `copies` counts it with its retransmissions."""

    segment: Segment
    datagram: bytes = field(repr=False)
    copies: int = 1

    def __str__(self) -> str:
        again = f" (sent {self.copies} times)" if self.copies > 1 else ""
        return f"{self.segment.sender} sent {self.segment.flags} seq {self.segment.seq}{again}"


@dataclass(frozen=True)
class Passed:
    """A segment that left the cable: delivered at `received` (seconds since the epoch), or lost (None).

    `states` is what both kernels said right after.
    """

    segment: Segment
    received: float | None
    states: dict[str, State]
    datagram: bytes = field(repr=False)


@dataclass(frozen=True)
class SoFar:
    """All that was sent up to now, in order of sending: what left the cable, and what is still on it.

    `received` maps positions to times of arrival, `under_way` and `lost` list positions of what has not arrived.
    """

    segments: tuple[Segment, ...]
    received: dict[int, float]
    under_way: tuple[int, ...]
    lost: tuple[int, ...]

    @property
    def replayed(self) -> Replay:
        """The segments, replayed through the state table: the states at each end up to now."""
        return replay(self.segments, received=self.received, lost=(*self.under_way, *self.lost))


def so_far(passed: Sequence[Passed], held: Sequence[Held]) -> SoFar:
    """Return what `passed` and what is `held` as one picture."""
    everything: tuple[Passed | Held, ...] = (*passed, *held)
    sent = sorted(everything, key=lambda one: one.segment.time)
    gone = {place: one.received for place, one in enumerate(sent) if isinstance(one, Passed)}
    return SoFar(
        segments=tuple(one.segment for one in sent),
        received={place: moment for place, moment in gone.items() if moment is not None},
        under_way=tuple(place for place in range(len(sent)) if place not in gone),
        lost=tuple(place for place, moment in gone.items() if moment is None),
    )


def other(host: str) -> str:
    """Return the other one of the two hosts. ValueError for what is no host."""
    if host not in HOSTS:
        raise ValueError(f"host {host!r}: the hosts of a crossing are A and B")
    return "B" if host == "A" else "A"


def is_copy(one: Segment, other: Segment) -> bool:
    """True if one is a retransmission of the other: same sender, flags, numbers and data."""
    return _content(one) == _content(other)


def _content(segment: Segment) -> tuple[object, ...]:
    return segment.sender, segment.flags, segment.seq, segment.ack, segment.payload


def segment_in(datagram: bytes, host: str, moment: float) -> Segment | None:
    """Return the TCP segment in an IPv4 datagram that `host` sent at `moment`; None for anything else."""
    found = dissect.datagram(datagram, moment)
    return replace(dissect.to_segment(found), sender=host) if "TCP" in found else None


def echo_request(source: str, target: str, number: int) -> bytes:
    """Return a ping: a host answers it after it has dealt with all that came before (RFC 1122 section 3.2.2.6)."""
    scapy = dissect.scapy()
    return bytes(scapy.IP(src=source, dst=target) / scapy.ICMP(seq=number))


def echo_number(datagram: bytes) -> int | None:
    """Return the number of the ping that this IPv4 datagram answers; None if it is no such answer (RFC 792)."""
    header = datagram[(datagram[0] & 15) * 4 :]
    is_reply = datagram[9] == socket.IPPROTO_ICMP and header[0] == 0
    return int.from_bytes(header[6:8], "big") if is_reply else None
