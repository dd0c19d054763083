"""A TCP segment as the course speaks of it (RFC 9293 section 3.1), free of any capture library."""

from __future__ import annotations

from dataclasses import dataclass, field

from .endpoint import Endpoint


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
    def source(self) -> Endpoint:
        """The end that sent it."""
        return Endpoint(self.src, self.sport)

    @property
    def target(self) -> Endpoint:
        """The end that it goes to."""
        return Endpoint(self.dst, self.dport)

    @property
    def to_itself(self) -> bool:
        """True if source and destination are the same address and port."""
        return self.source == self.target

    @property
    def is_syn(self) -> bool:
        """True if it asks for a connection, whatever else it carries: ECE and CWR (RFC 3168), data (RFC 7413)."""
        return "S" in self.flags and not {"A", "R"} & set(self.flags)

    @property
    def is_syn_ack(self) -> bool:
        """True if it answers a SYN with a SYN, whatever else it carries."""
        return {"S", "A"} <= set(self.flags) and not self.is_reset

    @property
    def is_reset(self) -> bool:
        """True if it resets: whatever else is set, the RST is looked at first (RFC 9293 section 3.10.7)."""
        return "R" in self.flags

    @property
    def length(self) -> int:
        """Sequence numbers used: payload bytes, plus one each for SYN and FIN (RFC 9293 section 3.4)."""
        return len(self.payload) + ("S" in self.flags) + ("F" in self.flags)
