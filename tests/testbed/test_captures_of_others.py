"""Captures from other systems and tools: every link type of a loopback, cut and packed files, odd headers."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import tcploop_lab as lab
from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.testbed import dissect, pcap_file

ROOT = Path(__file__).parents[2]
FLAGS = ["S", "SA", "A", "PA", "A", "FA", "A"]
FOUR, SIX = b"\x08\x00", b"\x86\xdd"  # EtherTypes
ZERO = bytes(12)  # two addresses of Ethernet

# Link type, and what stands before the datagram: by IP version.
LINKS: dict[str, tuple[int, int, bytes]] = {
    **{
        f"NULL, family {family}, {order}": (0, 4 if family == 2 else 6, family.to_bytes(4, order))  # type: ignore[arg-type]
        for family in (2, 24, 28, 30)
        for order in ("little", "big")
    },
    **{f"LOOP, family {n}": (108, 4 if n == 2 else 6, n.to_bytes(4, "big")) for n in (2, 24, 28, 30)},
    **{f"RAW {link}, IPv{version}": (link, version, b"") for link in (12, 14, 101) for version in (4, 6)},
    "IPV4": (228, 4, b""),
    "IPV6": (229, 6, b""),
    "IPNET of illumos": (226, 6, b"\1\x1a" + bytes(22)),
    "Linux cooked, IPv4": (113, 4, bytes(2) + b"\x03\x04\0\6" + bytes(8) + FOUR),
    "Linux cooked, IPv6": (113, 6, bytes(2) + b"\x03\x04\0\6" + bytes(8) + SIX),
    "Linux cooked v2, IPv6": (276, 6, SIX + bytes(18)),
    "Ethernet, VLAN": (1, 4, ZERO + b"\x81\0\0\7" + FOUR),
    "Ethernet, VLAN in a VLAN": (1, 6, ZERO + b"\x88\xa8\0\7\x81\0\0\7" + SIX),
    "Ethernet, old VLAN in a VLAN": (1, 6, ZERO + b"\x91\0\0\7\x81\0\0\7" + SIX),
    "Ethernet with a check sequence": (0x5400_0001, 4, ZERO + FOUR),
}  # fmt: skip


def write(path: Path, link: int, frames: list[bytes], order: str = "<", lengths: list[int] | None = None) -> Path:
    """A classic pcap file with one frame a second; `lengths` are those on the wire."""
    records = [
        struct.pack(f"{order}IIII", place, 0, len(frame), (lengths or list(map(len, frames)))[place]) + frame
        for place, frame in enumerate(frames)
    ]
    path.write_bytes(struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link) + b"".join(records))
    return path


def datagrams(version: int) -> list[bytes]:
    """The datagrams of a recorded self-connection."""
    name = "self-connection" if version == 4 else "self-connection-ipv6"
    return [bytes(packet.payload) for packet in lab.recorded(name).packets]


def flags(exchange: Any) -> list[str]:
    """The flags of every segment."""
    return [segment.flags for segment in exchange.segments]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("name", LINKS)
def test_every_link_type_of_a_loopback(name: str, order: str, tmp_path: Path) -> None:
    """The exchange is found, whatever stands before its datagrams and behind them; and what is read can be written."""
    link, version, before = LINKS[name]
    after = b"\xde\xad\xbe\xef" if "check" in name else b""
    path = write(tmp_path / "x.pcap", link, [before + one + after for one in datagrams(version)], order)
    exchange = lab.read_pcap(path)
    assert (flags(exchange), exchange.replayed.kind, exchange.notes) == (FLAGS, "self-connection", ())
    assert flags(lab.read_pcap(exchange.pcap(tmp_path / "again.pcap"))) == FLAGS


def test_frames_cut_by_the_snap_length_ask_for_a_longer_one(tmp_path: Path) -> None:
    """Where nothing whole is left the advice is to capture whole frames; so it is if only the datagram tells.

    One frame that is cut leaves a gap, and a note.
    """
    frames = [ZERO + FOUR + one for one in datagrams(4)]
    short = [frame[:40] for frame in frames]
    for lengths in (list(map(len, frames)), None):
        with pytest.raises(ValueError, match=r"7 frames are cut short and left out\); .*tcpdump -s 0$"):
            lab.read_pcap(write(tmp_path / "x.pcap", 1, short, lengths=lengths))
    one_short = [*frames[:3], frames[3][:-1], *frames[4:]]
    exchange = lab.read_pcap(write(tmp_path / "x.pcap", 1, one_short, lengths=list(map(len, frames))))
    assert exchange.notes[0] == "1 frame is cut short and left out"
    assert flags(exchange) == [*FLAGS[:3], *FLAGS[4:]]


def test_the_largest_frame_of_a_loopback_is_whole(tmp_path: Path) -> None:
    """Linux's lo takes 65,536 bytes and the header of Ethernet."""
    data = b"x" * (65_535 - 40)
    frame = bytes(Ether() / IP(src="127.0.0.1", dst="127.0.0.1") / TCP(sport=9, dport=9, flags="S") / data)
    (segment,) = lab.read_pcap(write(tmp_path / "x.pcap", 1, [frame])).segments
    assert (len(frame), len(segment.payload), segment.is_syn) == (65_549, len(data), True)


def test_headers_between_ipv6_and_tcp(tmp_path: Path) -> None:
    """A segment behind an option header is one; a part of a datagram is none, and the note says so."""
    tcp = TCP(sport=40000, dport=40000, flags="SEC")
    whole = IPv6(src="::1", dst="::1") / IPv6ExtHdrDestOpt() / tcp
    part = IPv6(src="::1", dst="::1") / IPv6ExtHdrFragment(m=1) / tcp / Raw(b"x" * 8)
    exchange = lab.read_pcap(write(tmp_path / "x.pcap", 101, [bytes(whole), bytes(part)]))
    assert (flags(exchange), exchange.segments[0].src) == (["SEC"], "::1")
    assert exchange.notes == ("1 frame is no TCP segment (fragment) and left out",)


def test_what_is_packed_has_a_limit(tmp_path: Path) -> None:
    """A file of gzip is read, and up to where it is cut; one that would unpack to more than the limit is one line."""
    path = tmp_path / "x.pcap.gz"
    whole = write(tmp_path / "x.pcap", 101, datagrams(4)).read_bytes()
    path.write_bytes(gzip.compress(whole))
    assert flags(lab.read_pcap(path)) == FLAGS
    path.write_bytes(path.read_bytes()[:-20])
    assert "the file breaks in what gzip packed" in lab.read_pcap(path).notes
    path.write_bytes(gzip.compress(whole + bytes(pcap_file.LARGEST), 1))
    assert path.stat().st_size < 400_000
    with pytest.raises(ValueError, match=r"^file [^\n]*: over 64 MiB, unpacked; [^\n]*$"):
        lab.read_pcap(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """Pipes, devices and folders are told apart from files, and not opened; so is what is not there, or cannot be."""
    os.mkfifo(tmp_path / "pipe")
    places = {tmp_path / "pipe": "a pipe", "/dev/null": "a device", tmp_path: "a folder"}
    told = {path: f"it is {what}, not a file; give" for path, what in places.items()}
    for path, words in (told | {tmp_path / "gone": "; give", "a\0b": "; give"}).items():
        with pytest.raises(ValueError, match=rf"^file [^\n]*{words} the path of a pcap file$"):
            lab.read_pcap(path)


def test_a_long_exchange_is_shown_short(tmp_path: Path) -> None:
    """Of 5,042 segments the first and the last are shown, and how many are between."""
    one = bytes(IP(src="127.0.0.1", dst="127.0.0.1") / TCP(sport=9, dport=9, flags="A"))
    frames = [one[:24] + seq.to_bytes(4, "big") + one[28:] for seq in range(5_042)]
    exchange = lab.read_pcap(write(tmp_path / "x.pcap", 101, frames))
    text = exchange._repr_html_()
    assert "and 5,002 more between" in text and len(text) < 100_000
    assert "A, A, (5,012 more), A, A" in repr(exchange) and len(repr(exchange)) < 600
    assert "the first 100 of 5,042 segments" in exchange.ladder().texts[0].get_text()


WITHOUT_NETLINK = """
import sys
import time
from tests.matrix.seccomp import refuse
from tests.matrix.situations import NO_NETLINK
refuse([NO_NETLINK])
import tcploop_lab as lab
with lab.open_testbed((40000, 40000)) as testbed:
    with testbed.capture(40000) as exchange:
        testbed.connect_loop(40000, progress=False).close()
exchange.pcap(sys.argv[1])
print([one.flags for one in lab.read_pcap(sys.argv[1]).segments][:3])
"""


@pytest.mark.private_network
def test_where_netlink_is_refused(tmp_path: Path) -> None:
    """scapy's list of interfaces cannot be had there (firejail, seccomp): segments are captured, written and read."""
    command = [sys.executable, "-c", WITHOUT_NETLINK, str(tmp_path / "x.pcap")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("['S', 'SA', 'A']\n", 0), done.stderr


def test_where_scapy_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stops it, the reason and the way out are one line."""
    dissect.scapy.cache_clear()
    monkeypatch.setattr(dissect, "_load", lambda: os.open("/no/such/folder", 0))
    with pytest.raises(NotOnThisTestbed, match=r"^scapy cannot be loaded here \([^\n]*No such file[^\n]*\), [^\n]*$"):
        dissect.scapy()
