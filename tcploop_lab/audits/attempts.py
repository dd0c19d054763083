"""What a program did in one run: its attempts to connect, what answered, how much was sent, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..tcp.endpoint import Endpoint
from ..tcp.segments import Segment
from ..tcp.tcb import distance

_SYN, _ACK = 0x02, 0x10
_TOO_SOON = 0.2  # seconds: whoever looks at the names has done so by then
_Ends = tuple[str, int, str]  # source address, source port, target address


@dataclass(frozen=True)
class Attempt:
    """One attempt to connect to `port`: a SYN, and all that followed it.

    `answer` is none, refused or open; `sent` counts the bytes that the caller wrote, those in its SYN too; `began` and
    `closed` (the first FIN or RST; None if there was none) are seconds since the epoch; `reset` is True if that was an
    RST.
    """

    source: str
    sport: int
    target: str
    port: int
    seq: int
    began: float
    answer: str = "none"
    sent: int = 0
    closed: float | None = None
    reset: bool = False

    @property
    def to_itself(self) -> bool:
        """True if both ends have the same address and port."""
        return (self.source, self.sport) == (self.target, self.port)

    def __str__(self) -> str:
        return f"{Endpoint(self.source, self.sport)} -> {Endpoint(self.target, self.port)}"


class Written:
    """Counts by sequence numbers what callers of `port` write, however much, and whatever of it is kept or seen.

    `bytes` has the count of each connection by its source port and the sequence number of its SYN. As long as less than
    2 GiB at a time go unseen it is exact.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._newest: dict[int, int] = {}
        self.bytes: dict[tuple[int, int], int] = {}

    def add(self, sport: int, dport: int, seq: int, flags: int, length: int) -> None:
        """Count a segment; `flags` are those of the header, `length` is that of its data."""
        if dport != self._port:
            return
        if flags & (_SYN | _ACK) == _SYN:
            self._newest[sport] = seq
            self.bytes.setdefault((sport, seq), 0)
        if length and sport in self._newest:
            first = self._newest[sport]
            end = seq + bool(flags & _SYN) + length
            self.bytes[sport, first] += max(distance(end, first + 1 + self.bytes[sport, first]), 0)


@dataclass
class Behaviour:
    """What a program did in one run.

    `exit_status` is the command's, None where the lab ended that; a negative one is the number of a signal. Where the
    lab ended anything, `ended` says when (seconds since the epoch) and `why_ended` for which reason; `left` counts the
    processes that went on after the command. `files` is what it left in HOME and TMPDIR. `dropped` counts the frames
    that the capture lost, all of them after `whole_until`. `listened` is True if a listener of its own was seen on the
    port. `seconds` is how long all of it took. `written` is what `Written` counted, where that is more than the
    segments that were kept have. `stands_in` is True if a listener was the echo.
    """

    segments: tuple[Segment, ...] = ()
    exit_status: int | None = 0
    output: str = ""
    files: str = ""
    ended: float | None = None
    why_ended: str = ""
    left: int = 0
    seconds: float = 0.0
    listened: bool = False
    dropped: int = 0
    whole_until: float = math.inf
    written: Mapping[tuple[int, int], int] = field(default_factory=dict)
    stands_in: bool = False

    def attempts(self, port: int) -> tuple[Attempt, ...]:
        """Return the attempts to connect to `port`, with all that was written.

        Where there are others, one is left out that came so shortly before the lab ended the program that nobody knows
        what would have become of it: who dials all the time is ended right after a dial, too.
        """
        if port not in self._known:
            found = tuple(
                replace(one, sent=max(one.sent, self.written.get((one.sport, one.seq), 0)))
                for one in attempts_of(self.segments, port)
            )
            self._known[port] = tuple(one for one in found if not self._cut_off(one)) or found
        return self._known[port]

    @cached_property
    def _known(self) -> dict[int, tuple[Attempt, ...]]:
        """The attempts by their port: a comparison asks for those of each run again and again."""
        return {}

    def _cut_off(self, attempt: Attempt) -> bool:
        return self.keeps(attempt) and not attempt.sent and attempt.began > (self.ended or 0) - _TOO_SOON

    def misses(self, attempt: Attempt) -> bool:
        """True if the capture may have lost segments of this attempt."""
        return self.dropped > 0 and (attempt.closed is None or attempt.closed > self.whole_until)

    def keeps(self, attempt: Attempt) -> bool:
        """True if the connection was open until the lab ended the program."""
        return self.ended is not None and (attempt.closed is None or attempt.closed >= self.ended)


def attempts_of(segments: Iterable[Segment], port: int) -> tuple[Attempt, ...]:
    """Return the attempts to connect to `port`, in the order of their SYNs. A SYN sent again is no new attempt."""
    found: list[Attempt] = []
    newest: dict[_Ends, int] = {}
    for segment in segments:
        called = (segment.src, segment.sport, segment.dst)
        if segment.is_syn and segment.dport == port:
            if called not in newest or found[newest[called]].seq != segment.seq:
                newest[called] = len(found)
                found.append(Attempt(*called, port, segment.seq, segment.time, sent=len(segment.payload)))
            continue
        answered = (segment.dst, segment.dport, segment.src)
        if segment.dport == port and called in newest:
            found[newest[called]] = _from_caller(found[newest[called]], segment)
        if segment.sport == port and answered in newest:
            found[newest[answered]] = _from_called(found[newest[answered]], segment)
    return tuple(found)


def other_ports(segments: Sequence[Segment], port: int) -> tuple[int, ...]:
    """Return the other ports that were dialled, each once."""
    return tuple(dict.fromkeys(one.dport for one in segments if one.is_syn and one.dport != port))


def _from_caller(attempt: Attempt, segment: Segment) -> Attempt:
    attempt = replace(attempt, sent=attempt.sent + _new_bytes(attempt, segment))
    if segment.is_syn_ack:  # a simultaneous open: whoever calls accepts as well
        return replace(attempt, answer="open")
    if attempt.answer != "open" or attempt.closed is not None or not ("F" in segment.flags or segment.is_reset):
        return attempt
    return replace(attempt, closed=segment.time, reset=segment.is_reset)


def _new_bytes(attempt: Attempt, segment: Segment) -> int:
    """How many bytes it brings that were not sent before: data of a SYN comes again if nobody took it (RFC 7413)."""
    end = segment.seq + ("S" in segment.flags) + len(segment.payload)
    return max(distance(end, attempt.seq + 1 + attempt.sent), 0) if segment.payload else 0


def _from_called(attempt: Attempt, segment: Segment) -> Attempt:
    """What the other end sent; in a self-connection that is the same end, and its FIN was counted already."""
    if segment.is_syn_ack:
        return replace(attempt, answer="open")
    if segment.is_reset and attempt.answer == "none":
        return replace(attempt, answer="refused")
    return attempt
