"""A TCP segment as the course speaks of it (RFC 9293 section 3.1), free of any capture library."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Segment:
    """One TCP segment, seen once.

    `time` is in seconds since the epoch, `flags` are scapy's letters (S, SA, A, PA, FA, R, RA), `options` are
    (name, value) pairs as scapy names them, `sender` names the end that sent it where the names do not tell.
    """

    time: float
    src: str
    sport: int
    dst: str
    dport: int
    flags: str
    seq: int
    ack: int
    window: int = 0
    options: tuple[tuple[str, object], ...] = ()
    payload: bytes = field(default=b"", repr=False)
    sender: str = ""

    @property
    def to_itself(self) -> bool:
        """True if source and destination are the same address and port."""
        return (self.src, self.sport) == (self.dst, self.dport)

    @property
    def length(self) -> int:
        """Sequence numbers used: payload bytes, plus one each for SYN and FIN (RFC 9293 section 3.4)."""
        return len(self.payload) + ("S" in self.flags) + ("F" in self.flags)
