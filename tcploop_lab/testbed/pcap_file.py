"""Frames from a pcap or pcapng file, of whatever origin: what can be read, and in words what cannot.

scapy reads the format and the layers. A file is foreign input: every way in which it can be wrong ends in one line, and
what is unpacked of it has a limit.

Loopbacks are captured under many link types: Ethernet and "cooked" on Linux, NULL on macOS, FreeBSD and Npcap, LOOP on
OpenBSD, IPNET on illumos, RAW on tunnels. Source: https://www.tcpdump.org/linktypes.html
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..tcp.segments import Segment
from . import dissect, files

LARGEST = 64 << 20  # bytes of a file, unpacked
_LESS = "cut it first, as with tcpdump -r FILE -w PART"
MOST = 100_000  # frames of a file
_FRAME = 1 << 18  # bytes; the loopback of Linux takes 65,550
_PCAP_HEADER, _FRAME_HEADER = 24, 16  # bytes in a classic pcap file
_PCAPNG = b"\n\r\r\n"
_GZIP = b"\x1f\x8b"
_ETHERNET, _SLL, _SLL2 = 1, 113, 276
# The family of NULL and LOOP is 2 for IPv4; for IPv6 it is 24, 28 or 30, as the system has it, in its own byte order or
# in the network's. The datagram's version says the same in one way.
_BEFORE = {0: 4, 108: 4, 12: 0, 14: 0, 101: 0, 228: 0, 229: 0, 226: 24, _SLL: 16, _SLL2: 20}  # bytes of header
_TYPE_AT = {_ETHERNET: 12, _SLL: 14, _SLL2: 0}  # where the EtherType is
_IP, _TAGS = (0x0800, 0x86DD), (0x8100, 0x88A8, 0x9100, 0x9200)  # IPv4 and IPv6; VLANs, also in each other
_LEAST = {4: 20, 6: 40}  # bytes of a header


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


@dataclass(frozen=True)
class _Frame:
    """A frame of a file: its bytes, the link type, when, and how long it was on the wire."""

    data: bytes
    link: int
    time: Any
    length: int

    @property
    def is_cut(self) -> bool:
        """True if the capture kept less of it than there was."""
        inside = _datagram(self.link, self.data)
        return len(self.data) < self.length or (bool(inside) and len(inside) < _length(inside))


def read_frames(path: str | os.PathLike[str]) -> tuple[list[Found], list[str]]:
    """Return the TCP segments of a file in order of time, and notes about what was left out.

    Raises ValueError, in one line, for what is no capture file and for a file without a TCP segment.
    """
    content, notes = _unpacked(path, files.content(path, LARGEST, "a pcap file", _LESS))
    with dissect.quiet():
        frames, more = _frames(path, content)
        notes += more
        if not frames:
            raise ValueError(f"file {path}: {'; '.join(notes) or 'it holds no frame'}; capture something first")
        packets = [_packet(frame) for frame in frames]
        found = [one for one in map(_segment_of, frames, packets) if one is not None]
    cut = sum(frame.is_cut for frame in frames)
    notes += _left_out(frames, packets, cut, len(found))
    if not found:
        way_out = "capture whole frames, as with tcpdump -s 0" if cut else "capture a TCP port"
        raise ValueError(f"file {path}: no TCP segment in it ({'; '.join(notes)}); {way_out}")
    ordered = sorted(found, key=lambda one: one.segment.time)
    if ordered != found:
        notes.append("the frames were not in order of time, and were sorted")
    return ordered, notes


def _unpacked(path: str | os.PathLike[str], content: bytes) -> tuple[bytes, list[str]]:
    """What is in a file that gzip made, up to where it breaks; any other content as it is."""
    if not content.startswith(_GZIP):
        return content, []
    whole, notes = bytearray(), []
    with gzip.open(io.BytesIO(content)) as packed:
        try:
            while len(whole) <= LARGEST and (part := packed.read1(1 << 16)):
                whole += part
        except (EOFError, OSError, zlib.error) as error:
            if not whole:
                raise ValueError(f"file {path}: not a pcap file ({_one_line(error)}); give a pcap file") from None
            notes = ["the file breaks in what gzip packed"]
    return files.within(path, bytes(whole), LARGEST, _LESS, ", unpacked"), notes


def _frames(path: str | os.PathLike[str], content: bytes) -> tuple[list[_Frame], list[str]]:
    """The frames up to the place where the file ends or breaks."""
    frames: list[_Frame] = []
    notes: list[str] = []
    try:
        for frame in _read(content):
            frames.append(frame)
            if len(frames) == MOST:
                notes.append(f"only the first {MOST:,} frames were read")
                break
    except Exception as error:  # scapy raises whatever a broken file makes it stumble over
        if not frames:
            raise ValueError(f"file {path}: not a pcap file ({_one_line(error)}); give a pcap file") from None
        notes.append(f"the file breaks after frame {len(frames)}")
    if not notes and _ends_early(content, frames):
        notes.append("the file ends in the middle of a frame")
    return frames, notes


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _read(content: bytes) -> Iterator[_Frame]:
    reader = dissect.scapy().RawPcapReader(io.BytesIO(content))
    while True:
        try:
            data, told = reader._read_packet(_FRAME)  # iterating would cut a frame at 65,535 bytes
        except EOFError:
            return
        if hasattr(told, "tsresol"):  # pcapng; a simple packet block tells no time
            time = _seconds(((told.tshigh or 0) << 32) + (told.tslow or 0), told.tsresol)
            yield _Frame(data, told.linktype, time, told.wirelen)
        else:
            time = _seconds(told.usec, 10**9 if reader.nano else 10**6) + told.sec
            yield _Frame(data, _link_type(reader.linktype), time, told.wirelen)


def _seconds(ticks: int, in_a_second: int) -> Any:
    decimal = dissect.scapy().EDecimal  # a float would lose nanoseconds
    return decimal(ticks) / decimal(in_a_second)


def _ends_early(content: bytes, frames: list[_Frame]) -> bool:
    """True if a classic pcap file has bytes after its last whole frame. Other formats tell it by breaking."""
    if content.startswith(_PCAPNG):
        return False
    return len(content) != _PCAP_HEADER + sum(_FRAME_HEADER + len(frame.data) for frame in frames)


def _packet(frame: _Frame) -> Any:
    """The scapy packet; where scapy does not get to TCP by the link type, its datagram alone."""
    packet = _by_link(frame)
    inside = b"" if dissect.scapy().TCP in packet else _datagram(frame.link, frame.data)
    return dissect.datagram(inside, frame.time) if inside else packet


def _by_link(frame: _Frame) -> Any:
    scapy = dissect.scapy()
    kinds = scapy.conf.l2types.num2layer
    try:
        packet = kinds[frame.link](frame.data)
    except Exception:  # a link type that scapy does not have, or a layer that stumbles over what is in it
        packet = scapy.Raw(frame.data)
    packet.time = frame.time
    return packet


def _segment_of(frame: _Frame, packet: Any) -> Found | None:
    """The TCP segment in a frame; None for other traffic, and for a segment of which a part is missing."""
    if frame.is_cut or dissect.scapy().TCP not in packet or _is_fragment(packet):
        return None
    try:
        segment = dissect.to_segment(packet)
        datagram = dissect.network(packet).original
    except (AttributeError, TypeError, ValueError, IndexError):  # a header that cannot be
        return None
    ports = segment.sport is not None and segment.dport is not None
    if not (ports and isinstance(segment.src, str) and isinstance(segment.dst, str)):
        return None
    return Found(packet, segment, datagram[: _length(datagram)])


def _is_fragment(packet: Any) -> bool:
    """True for a part of a datagram: the rest of the segment is in others."""
    four, six = packet.getlayer("IP"), packet.getlayer("IPv6ExtHdrFragment")
    return bool((four is not None and (four.flags.MF or four.frag)) or (six is not None and (six.m or six.offset)))


def _left_out(frames: list[_Frame], packets: list[Any], cut: int, found: int) -> list[str]:
    """Say how many frames are no segment, and why."""
    other = len(packets) - cut - found
    notes = []
    if cut:
        notes.append(f"{_count(cut)} cut short and left out")
    if other:
        whole = [packet for frame, packet in zip(frames, packets, strict=True) if not frame.is_cut]
        names = ", ".join(sorted(set(map(_kind, whole)) - {"TCP"}))
        notes.append(f"{_count(other)} no TCP segment{f' ({names})' if names else ''} and left out")
    return notes


def _count(count: int) -> str:
    return "1 frame is" if count == 1 else f"{count:,} frames are"


def _kind(packet: Any) -> str:
    """What a frame is: UDP, ARP ..., or its lowest layer."""
    if _is_fragment(packet):
        return "fragment"
    names: list[str] = [layer.__name__ for layer in packet.layers()]
    return next((name for name in names if name in ("TCP", "UDP", "ICMP", "ARP")), names[0])


def _link_type(stored: int) -> int:
    """Return the link type of a pcap file's header; the bits above tell the length of the frames' check sequence."""
    return stored & 0xFFFF


def _datagram(link: int, frame: bytes) -> bytes:
    """Return the IPv4 or IPv6 datagram in a frame, with whatever follows it; empty if there is none, or no telling."""
    if link in _TYPE_AT:
        start = _after_tags(_TYPE_AT[link], frame, _BEFORE.get(link, 14))
    else:
        start = _BEFORE.get(link, len(frame))
    found = frame[start:]
    version = found[0] >> 4 if found else 0
    return found if len(found) >= _LEAST.get(version, len(found) + 1) else b""


def _after_tags(at: int, frame: bytes, start: int) -> int:
    kind = int.from_bytes(frame[at : at + 2], "big")
    while kind in _TAGS:
        kind = int.from_bytes(frame[start + 2 : start + 4], "big")
        start += 4
    return start if kind in _IP else len(frame)


def _length(datagram: bytes) -> int:
    """Return how long the header says that a datagram is; what follows is padding, or the frame's check sequence.

    Where it says 0 the datagram ends with the frame: the network card was to cut it in pieces, or it is a jumbogram.
    """
    if datagram[0] >> 4 == 4:
        return int.from_bytes(datagram[2:4], "big") or len(datagram)
    following = int.from_bytes(datagram[4:6], "big")
    return 40 + following if following else len(datagram)
