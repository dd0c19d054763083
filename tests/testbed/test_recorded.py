"""Recorded exchanges and foreign pcap files: the same code as live, and one clear line for what is wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import PcapNgWriter, rdpcap, wrpcap

import tcploop_lab as lab
from tcploop_lab.render.style import alt_of
from tcploop_lab.tcp.states import State
from tcploop_lab.testbed.recorded import FOLDER, RecordedExchange, recorded_names

KINDS = {
    "handshake": "handshake",
    "refused": "refused try",
    "self-connection": "self-connection",
    "self-connection-ipv6": "self-connection",
    "simultaneous-open": "simultaneous open",
}
SELF = (FOLDER / "self-connection.pcap").read_bytes()
FLAGS = ["S", "SA", "A", "PA", "A", "FA", "A"]


def flags(exchange: RecordedExchange) -> list[str]:
    """The flags of every segment."""
    return [segment.flags for segment in exchange.segments]


def once(name: str = "self-connection") -> list[Any]:
    """The scapy packets of a recorded exchange, each segment once."""
    return list(lab.recorded(name).packets)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[list[Any]], Path]:
    """Writes packets to a file."""

    def write(packets: list[Any]) -> Path:
        wrpcap(str(tmp_path / "x.pcap"), packets)
        return tmp_path / "x.pcap"

    return write


def test_every_recorded_exchange_is_here() -> None:
    """Five exchanges ship with the package, a pcap and a text file each, together small."""
    assert recorded_names() == tuple(KINDS)
    files = [FOLDER / f"{name}.{kind}" for name in KINDS for kind in ("json", "pcap")]
    assert {path.name for path in FOLDER.glob("*.pcap")} < {path.name for path in files}
    assert sum(path.stat().st_size for path in files) < 20_000


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_it_replays_to_its_kind(name: str, kind: str) -> None:
    """The state table allows every segment, and finds out what the exchange was."""
    exchange = lab.recorded(name)
    assert exchange.replayed.kind == kind
    assert (exchange.replayed.impossible, exchange.notes, exchange.dropped) == ((), (), 0)
    assert len(exchange.received) == len(exchange.segments) == len(exchange.copies) / 2


def test_it_is_labelled_wherever_it_is_shown() -> None:
    """Date and kernel stand in the repr, in the HTML, below the title of the figure and in its alternative text."""
    exchange = lab.recorded("self-connection")
    label = f"recorded on {exchange.recorded_on}, {exchange.kernel}"
    assert exchange.label == label and exchange.kernel.startswith("Linux ")
    assert repr(exchange).count(label) == 1 and repr(exchange).startswith("<RecordedExchange: recorded on 20")
    assert label in exchange._repr_html_()
    axes = exchange.ladder()
    assert label in [text.get_text() for text in axes.texts]
    assert alt_of(axes).startswith(f"Ladder diagram, {label}. ")


@pytest.mark.parametrize("name", KINDS)
def test_kernel_date_and_settings_stand_beside_it(name: str) -> None:
    """The text file holds what an exchange must be judged by, and the command that made it."""
    beside = json.loads((FOLDER / f"{name}.json").read_text())
    exchange = lab.recorded(name)
    assert (beside["kernel"], beside["recorded_on"]) == (exchange.kernel, exchange.recorded_on)
    assert beside["command"] == "make record"
    assert exchange.settings["port_range"] == "40000-40999"
    assert exchange.settings.get("delay_ms") == (50.0 if name == "simultaneous-open" else None)


def test_the_ends_of_a_crossing_keep_their_names() -> None:
    """Recorded or live, the two hosts are A and B."""
    stored = lab.recorded("simultaneous-open")
    assert [one.sender for one in stored.segments[:2]] == ["A", "B"]
    assert all(0.05 <= stored.received[i] - one.time < 1 for i, one in enumerate(stored.segments))


def test_it_is_an_exchange_like_a_live_one(tmp_path: Path) -> None:
    """Packets, frames and export are there; the exported file, each segment once, reads the same."""
    exchange = lab.recorded("self-connection")
    assert isinstance(exchange, lab.Exchange)
    with exchange as same:
        assert [frame.outgoing for frame in same.copies[:2]] == [True, False]
    again = lab.read_pcap(exchange.pcap(tmp_path / "x.pcap"))
    assert again.segments == exchange.segments
    assert (again.notes, again.received, again.label) == ((), {}, "read from x.pcap")


def test_an_unknown_name_is_one_line() -> None:
    """The names there are stand in the error."""
    with pytest.raises(ValueError, match=r"^recorded exchange 'loop': there are handshake, refused, self-connection"):
        lab.recorded("loop")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"x", "not a pcap file"),
        (b"just some text, no capture at all\n" * 9, "not a pcap file"),
        (SELF[:24], "it holds no frame"),
        (SELF[:30], "it ends in the middle|ends in the middle of a frame"),
        (b"\x1f\x8b" + bytes(50), "not a pcap file"),
    ],
)
def test_what_is_no_capture_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    """Empty, text, a header alone, a broken archive: the reason and the way out."""
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^file .*({reason})[^\n]*; [^\n]*$"):
        lab.read_pcap(path)


def test_cut_off_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Cut at any byte, the file gives one line or the segments before the cut, with a note; scapy is silent."""
    path, silent = tmp_path / "x.pcap", []
    for size in range(400):
        path.write_bytes(SELF[:size])
        try:
            exchange = lab.read_pcap(path)
        except ValueError as error:
            assert str(error).startswith("file ") and "\n" not in str(error)
            continue
        assert exchange.segments and flags(exchange) == FLAGS[: len(exchange.segments)]
        silent += [] if exchange.notes else [size]
    first, second = 24 + 2 * 90, 24 + 4 * 90  # two frames for each segment, of 16 + 74 bytes
    assert silent == [first - 90, first, second]  # a SYN that is there once, then whole pairs
    assert caplog.records == []


def test_other_traffic_alone_is_one_line(written) -> None:
    """UDP, ARP and ICMP: no TCP segment, and what there was instead."""
    frames = [Ether() / IP() / UDP(), Ether() / ARP(), Ether() / IP() / ICMP()]
    with pytest.raises(ValueError, match=r"no TCP segment in it \(3 frames are no TCP segment \(ARP, ICMP, UDP\)"):
        lab.read_pcap(written(frames))


def test_other_traffic_beside_is_left_out(written) -> None:
    """A self-connection among UDP and refused tries is found; what was left out is counted."""
    tries = [Ether() / IP() / TCP(sport=port, dport=40000, flags="S") for port in range(50_000, 50_020)]
    exchange = lab.read_pcap(written([*tries, Ether() / IP() / UDP(), *once()]))
    assert flags(exchange) == FLAGS
    assert exchange.notes[0] == "1 frame is no TCP segment (UDP) and left out"
    assert "20 segments of 20 other connections are left out" in exchange.notes


def test_a_port_can_be_chosen(written) -> None:
    """`port` keeps one port; a port that is not there is one line."""
    path = written(once() + once("handshake"))
    assert lab.read_pcap(path).replayed.kind == "self-connection"
    assert lab.read_pcap(path, port=8080).replayed.kind == "handshake"
    with pytest.raises(ValueError, match=r"^file .*: no TCP segment of port 9 in it"):
        lab.read_pcap(path, port=9)
    with pytest.raises(ValueError, match=r"^port 70000: a TCP port is 1 to 65535"):
        lab.read_pcap(path, port=70000)


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_segment_never_passes_for_a_whole_exchange(name: str, written) -> None:
    """With any one segment gone: a note, or an exchange that TCP allows and that is one segment shorter."""
    whole = once(name)
    for gone in range(len(whole)):
        exchange = lab.read_pcap(written(whole[:gone] + whole[gone + 1 :])) if len(whole) > 1 else None
        assert exchange is not None and len(exchange.segments) == len(whole) - 1
        assert bool(exchange.notes) == bool(exchange.replayed.impossible)


@pytest.mark.parametrize("gone", [0, 1, 3, 5])
def test_a_missing_segment_is_noticed(gone: int, written) -> None:
    """Without its SYN, SYN-ACK, data or FIN a self-connection does not fit, and the note says where."""
    whole = once()
    exchange = lab.read_pcap(written(whole[:gone] + whole[gone + 1 :]))
    assert exchange.notes[-1].startswith(f"segment {gone + 1}, {FLAGS[gone + 1]}, does not fit")
    assert exchange.notes[-1] in repr(exchange)


def test_a_doubled_segment_is_shown_once(written) -> None:
    """A frame that is in the file twice, where the others are there once, is named in a note."""
    whole = once()
    for double in range(len(whole)):
        exchange = lab.read_pcap(written([*whole[: double + 1], *whole[double:]]))
        assert flags(exchange) == FLAGS
        assert exchange.notes == ("1 of 7 segments are in the file twice; each is shown once",)


def test_a_capture_of_lo_is_paired(written) -> None:
    """Every frame twice, as a packet socket on lo gives it: each segment once, and when it arrived."""
    whole = rdpcap(io.BytesIO(SELF))
    exchange = lab.read_pcap(written(list(whole)))
    assert (len(whole), flags(exchange), exchange.notes) == (14, FLAGS, ())
    assert sorted(exchange.received) == list(range(7))
    assert exchange.replayed.ends[0].state is State.TIME_WAIT


def test_frames_out_of_order_are_sorted(written) -> None:
    """Merged files: by time they are the exchange again, with a note."""
    exchange = lab.read_pcap(written(once()[::-1]))
    assert flags(exchange) == FLAGS
    assert exchange.notes == ("the frames were not in order of time, and were sorted",)


def test_the_padding_of_ethernet_is_no_data(written) -> None:
    """A short frame is padded to 60 bytes; its segment still has no data."""
    syn = bytes(Ether() / IP() / TCP(sport=40000, dport=40000, flags="S"))
    exchange = lab.read_pcap(written([Ether(syn + bytes(60 - len(syn)))]))
    assert exchange.segments[0].payload == b""


def test_pcapng_is_read_too(tmp_path: Path) -> None:
    """What Wireshark saves by default."""
    path = tmp_path / "x.pcapng"
    writer = PcapNgWriter(str(path))
    writer.write(once())
    writer.close()
    exchange = lab.read_pcap(path)
    assert flags(exchange) == FLAGS
    assert exchange.replayed.kind == "self-connection"
