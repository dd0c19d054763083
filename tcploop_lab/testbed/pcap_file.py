"""Frames from a pcap or pcapng file, of whatever origin: what can be read, and in words what cannot.

scapy reads the format and the layers. A file is foreign input: every way in which it can be wrong ends in one line.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..tcp.segments import Segment
from .capture import to_segment

LARGEST = 64 << 20  # bytes of a file
MOST = 200_000  # frames of a file
_PCAP_HEADER, _FRAME_HEADER = 24, 16  # bytes in a classic pcap file
_PCAPNG = b"\n\r\r\n"
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Found:
    """One TCP segment of a file: its scapy packet, and its datagram as bytes, by which copies are recognised."""

    packet: Any = field(repr=False)
    segment: Segment
    datagram: bytes = field(repr=False)

    @property
    def connection(self) -> frozenset[tuple[str, int]]:
        """Both ends; for a self-connection they are one."""
        one = self.segment
        return frozenset({(one.src, one.sport), (one.dst, one.dport)})


def read_frames(path: str | os.PathLike[str]) -> tuple[list[Found], list[str]]:
    """Return the TCP segments of a file in order of time, and notes about what was left out.

    Raises ValueError, in one line, for what is no capture file and for a file without a TCP segment.
    """
    content = _content(Path(path))
    packets, notes = _packets(path, content)
    if not packets:
        raise ValueError(f"file {path}: {'; '.join(notes) or 'it holds no frame'}; capture something first")
    found = [one for one in map(_segment_of, packets) if one is not None]
    notes += _left_out(packets, found)
    if not found:
        raise ValueError(f"file {path}: no TCP segment in it ({'; '.join(notes)}); capture a TCP port")
    ordered = sorted(found, key=lambda one: one.segment.time)
    if ordered != found:
        notes.append("the frames were not in order of time, and were sorted")
    return ordered, notes


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"file {str(path)!r}: {reason}; give the path of a pcap file") from None
    if len(content) > LARGEST:
        raise ValueError(f"file {path}: over {LARGEST >> 20} MiB; cut it first, as with tcpdump -r FILE -w PART")
    if not content:
        raise ValueError(f"file {path}: it is empty; give a pcap file")
    return content


def _packets(path: str | os.PathLike[str], content: bytes) -> tuple[list[Any], list[str]]:
    """The frames up to the place where the file ends or breaks."""
    packets: list[Any] = []
    notes: list[str] = []
    with _quiet():
        try:
            for packet in _reader(content):
                packets.append(packet)
                if len(packets) == MOST:
                    notes.append(f"only the first {MOST:,} frames were read")
                    break
        except Exception as error:  # scapy raises whatever a broken file makes it stumble over
            if not packets:
                raise ValueError(f"file {path}: not a pcap file ({_one_line(error)}); give a pcap file") from None
            notes.append(f"the file breaks after frame {len(packets)}")
    if not notes and _ends_early(content, packets):
        notes.append("the file ends in the middle of a frame")
    return packets, notes


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _reader(content: bytes) -> Iterator[Any]:
    from scapy.layers import inet, inet6, l2  # importing a layer is what registers it
    from scapy.utils import PcapReader

    assert inet.TCP and inet6.IPv6 and l2.Ether
    return iter(PcapReader(io.BytesIO(content)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep scapy's warnings about broken files off stderr: the notes say it."""
    logger = logging.getLogger("scapy")
    loggers = [logger, logging.getLogger("scapy.runtime"), logging.getLogger("scapy.loading")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def _ends_early(content: bytes, packets: list[Any]) -> bool:
    """True if a classic pcap file has bytes after its last whole frame. Other formats tell it by breaking."""
    if content.startswith((_PCAPNG, _GZIP)):
        return False
    return len(content) != _PCAP_HEADER + sum(_FRAME_HEADER + len(packet.original) for packet in packets)


def _is_cut(packet: Any) -> bool:
    return len(packet.original) < (getattr(packet, "wirelen", None) or 0)


def _segment_of(packet: Any) -> Found | None:
    """The TCP segment in a frame; None for other traffic, and for a segment of which a part is missing."""
    from scapy.layers.inet import TCP

    if _is_cut(packet) or TCP not in packet:
        return None
    try:
        segment = to_segment(packet)
    except (AttributeError, TypeError, ValueError, IndexError):  # a header that cannot be
        return None
    ports = segment.sport is not None and segment.dport is not None
    if not (ports and isinstance(segment.src, str) and isinstance(segment.dst, str)):
        return None
    return Found(packet, replace(segment, time=float(packet.time)), bytes(packet[TCP].underlayer.original))


def _left_out(packets: list[Any], found: list[Found]) -> list[str]:
    """Say how many frames are no segment, and why."""
    cut = sum(map(_is_cut, packets))
    other = len(packets) - cut - len(found)
    notes = []
    if cut:
        notes.append(f"{_frames(cut)} cut short and left out")
    if other:
        kinds = Counter(_kind(packet) for packet in packets if not _is_cut(packet))
        names = ", ".join(sorted(name for name in kinds if name != "TCP"))
        notes.append(f"{_frames(other)} no TCP segment{f' ({names})' if names else ''} and left out")
    return notes


def _frames(count: int) -> str:
    return "1 frame is" if count == 1 else f"{count:,} frames are"


def _kind(packet: Any) -> str:
    """What a frame is: UDP, ARP ..., or its lowest layer."""
    names = [layer.__name__ for layer in packet.layers()]
    return next((name for name in names if name in ("TCP", "UDP", "ICMP", "ARP")), names[0])
