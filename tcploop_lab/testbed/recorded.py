"""Recorded exchanges: real ones that ship with the package, and those of any pcap file.

    recorded("self-connection").ladder()

They are Exchanges like those captured live, replayed and drawn by the same code, and labelled as recorded wherever
they are shown. `make record` makes the files; nobody edits them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ports.ranges import Port, parse_port
from ..stacks.stack import Frame
from ..tcp.replay import Replay
from ..tcp.segments import Segment
from ..tcp.words import counted
from . import dissect
from .capture import Exchange
from .pcap_file import Found, read_frames

if TYPE_CHECKING:
    from scapy.plist import PacketList

FOLDER = Path(__file__).parents[1] / "recorded"


@dataclass(frozen=True)
class Provenance:
    """Where a recorded exchange comes from: the text file beside it.

    `recorded_on` is a date (ISO 8601), `settings` what the exchange was made with, `command` what made the file,
    `ends` names the ends that have names ("192.0.2.1:40001" is "A").
    """

    kernel: str
    recorded_on: str
    command: str
    dropped: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    ends: Mapping[str, str] = field(default_factory=dict)


class RecordedExchange(Exchange):
    """An exchange from a file. `notes` says what is wrong or missing in it; empty if all is well."""

    def __init__(
        self,
        name: str,
        sent: Sequence[Found],
        arrived: Sequence[Found],
        provenance: Provenance | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.provenance = provenance
        self.port = sent[0].segment.dport
        self.kernel = provenance.kernel if provenance else "unknown kernel"
        self.recorded_on = provenance.recorded_on if provenance else ""
        self.settings = dict(provenance.settings) if provenance else {}
        ends = provenance.ends if provenance else {}
        self._sent, self._arrived = tuple(sent), tuple(arrived)
        self._segments = [replace(one.segment, sender=ends.get(str(one.segment.source), "")) for one in sent]
        self.notes = (*notes, *_complaints(self.replayed))

    @property
    def label(self) -> str:  # type: ignore[override]
        """What it must be shown with: when it was recorded, on which kernel; or which file it was read from."""
        return f"recorded on {self.recorded_on}, {self.kernel}" if self.provenance else f"read from {self.name}"

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments, each once, in the order in which they were sent."""
        return tuple(self._segments)

    @property
    def received(self) -> dict[int, float]:
        """When each segment arrived, where the file tells: index in `segments` to seconds since the epoch."""
        return {index: one.segment.time for index, one in enumerate(self._arrived)}

    @property
    def copies(self) -> tuple[Frame, ...]:
        """Every frame of the file that belongs to the exchange: going out and, where the file has it, coming in."""
        both = [(one, True) for one in self._sent] + [(one, False) for one in self._arrived]
        frames = [Frame(one.segment.time, outgoing, bytes(one.packet.original)) for one, outgoing in both]
        return tuple(sorted(frames, key=lambda frame: frame.time))

    @property
    def dropped(self) -> int:
        """How many frames the recording lost; 0 where nothing tells."""
        return self.provenance.dropped if self.provenance else 0

    @property
    def packets(self) -> PacketList:
        """The segments as scapy packets, each once."""
        return dissect.packets((one.packet for one in self._sent), self.name)

    def close(self) -> None:
        """Do nothing: there is no capture to end."""

    @property
    def summary(self) -> str:
        """One sentence: that it is recorded, how many segments, which, and what is wrong with them."""
        return "; ".join((super().summary, *self.notes))


def recorded_names() -> tuple[str, ...]:
    """Return the names of the exchanges that ship with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.pcap")))


def recorded(name: str) -> RecordedExchange:
    """Return a recorded exchange. ValueError for a name that `recorded_names()` does not have."""
    if name not in recorded_names():
        raise ValueError(f"recorded exchange {name!r}: there are {', '.join(recorded_names())}")
    from ..results.stored import load

    provenance = load(FOLDER / f"{name}.json", Provenance)
    return _exchange(name, *read_frames(FOLDER / f"{name}.pcap"), provenance)


def read_pcap(path: str | os.PathLike[str], port: Port | None = None) -> RecordedExchange:
    """Return the exchange that a pcap or pcapng file holds; its `notes` say what is wrong or missing.

    Of several connections it is the self-connection, else the one with the most segments; `port` keeps those of one
    port only. A file that holds every segment twice, as a packet socket on lo sees it, tells when each arrived.

    Raises ValueError, in one line, if the file cannot be read, is no capture, or holds no TCP segment (of `port`).
    A segment whose absence changes nothing, such as an ACK that the next segment repeats, cannot be missed.
    """
    found, notes = read_frames(path)
    if port is not None:
        number = parse_port(port)
        found = [one for one in found if number in (one.segment.sport, one.segment.dport)]
        if not found:
            raise ValueError(f"file {path}: no TCP segment of port {number} in it; leave the port out to see others")
    return _exchange(Path(path).name, found, notes)


def _exchange(
    name: str, found: Sequence[Found], notes: Sequence[str], provenance: Provenance | None = None
) -> RecordedExchange:
    chosen, others = _choose(found)
    sent, arrived, doubled = _pair(chosen)
    return RecordedExchange(name, sent, arrived, provenance, (*notes, *others, *doubled))


def _choose(found: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """Keep one connection: with itself if there is one, else the one with the most segments."""
    sizes = Counter(one.connection for one in found)
    best = max(sizes, key=lambda ends: (len(ends) == 1, sizes[ends]))
    if len(sizes) == 1:
        return list(found), []
    left, many = len(found) - sizes[best], len(sizes) - 1
    note = f"{counted(left, 'segment')} of {counted(many, 'other connection')} are left out"
    return [one for one in found if one.connection == best], [note]


def _pair(found: Sequence[Found]) -> tuple[list[Found], list[Found], list[str]]:
    """Split copies (as lo shows them: sent, received) from segments; a file has all of them twice, or none.

    Retransmissions are no copies: their timestamps or IP identifications differ.
    """
    seen: Counter[bytes] = Counter()
    sent: list[Found] = []
    arrived: list[Found] = []
    for one in found:
        (arrived if seen[one.datagram] % 2 else sent).append(one)
        seen[one.datagram] += 1
    if not arrived or [one.datagram for one in sent] == [one.datagram for one in arrived]:
        return sent, arrived, []
    note = f"{len(arrived)} of {counted(len(sent), 'segment')} are in the file twice; each is shown once"
    return sent, [], [note]


def _complaints(replayed: Replay) -> list[str]:
    """What the state table does not allow: then something is missing, doubled or forged."""
    bad = [(place, step) for place, step in enumerate(replayed.steps, start=1) if step.impossible]
    if not bad:
        return []
    place, step = bad[0]
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return [f"segment {place}, {step.segment.flags or 'no flags'}, does not fit{more}: {step.impossible}"]
