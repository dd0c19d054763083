"""Capture: each segment once, nothing lost beside a long loop, IPv4 and IPv6."""

from __future__ import annotations

import html
import shutil
import subprocess
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.testbed import exchanges
from tcploop_lab.testbed.testbed import Testbed

from . import inside

pytestmark = pytest.mark.anyuser
# `_held`: a connection that nobody holds is reset, which is one segment more.


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_self_connection_is_three_segments_with_one_initial_number(testbed: Testbed, host: str) -> None:
    """SYN (x), SYN-ACK (x, ack x+1), ACK (x+1, ack x+1): RFC 9293 section 3.5 with both ends the same.

    The packet socket sees each going out and coming in, byte for byte.
    """
    with testbed.capture(40500) as exchange:
        _held = testbed.connect_loop(40500, host=host)
    assert [segment.flags for segment in exchange.segments] == ["S", "SA", "A"]
    x = exchange.segments[0].seq
    after = (x + 1) % 2**32
    assert [(s.seq, s.ack) for s in exchange.segments] == [(x, 0), (x, after), (after, after)]
    assert all(segment.to_itself and segment.src == host for segment in exchange.segments)
    assert [str(packet["TCP"].flags) for packet in exchange.packets] == ["S", "SA", "A"]
    out, back = ([frame.data for frame in exchange.copies if frame.outgoing is way] for way in (True, False))
    assert len(out) == 3 and out == back


def test_nothing_is_lost_beside_200_000_tries() -> None:
    """Beside a loop of 200,000 refused tries no frame is dropped, and the exchange that follows is complete."""
    with lab.open_testbed() as testbed, testbed.capture(40001) as exchange:
        refused = testbed.connect_loop(40001, max_tries=200_000)
        _held = testbed.connect_loop(40001, client="bind-self")
    assert refused.tries == 200_000
    assert exchange.dropped == 0
    assert [segment.flags for segment in exchange.segments] == ["S", "SA", "A"]


def test_a_full_buffer_is_counted(testbed: Testbed) -> None:
    """Frames that no longer fit are reported as dropped, never passed over in silence."""
    with testbed.capture(40501, both_ends=False) as exchange:
        testbed.connect_loop(40501, max_tries=30_000)
        assert exchange.dropped > 0
        seen = len(exchange.copies)
    assert seen + exchange.dropped == 4 * 30_000


def test_other_ports_stay_out(testbed: Testbed) -> None:
    """The filter keeps the port asked for and no other."""
    with testbed.capture(40502) as exchange:
        testbed.connect_loop(40500)
    assert exchange.copies == ()


def test_a_close_sends_its_fin_at_once(one_port: Testbed) -> None:
    """The lab holds the only copy of a run's socket: in 100 of 100 runs close() has sent FIN when it returns."""
    one_port.executor.submit(keep_no_time_wait).result()
    for _ in range(100):
        with one_port.capture(40500) as exchange:
            one_port.connect_loop(40500).close(reset=False)
        assert [segment.flags for segment in exchange.segments][3:4] == ["FA"]


def keep_no_time_wait() -> None:
    """Let the namespace keep no connection in TIME-WAIT (tcp_max_tw_buckets), which would block the next run."""
    Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("0")


@pytest.mark.may_skip("tshark is a program of the system; .ci/run installs it")
def test_tshark_reads_the_pcap(one_port: Testbed, tmp_path: Path) -> None:
    """The exported file is a capture file for other tools."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed: apt-get install tshark")
    with one_port.capture(40500) as exchange:
        _held = one_port.connect_loop(40500)
    path = exchange.pcap(tmp_path / "self.pcap")
    fields = ["-T", "fields", "-e", "tcp.flags.str", "-e", "tcp.srcport", "-e", "tcp.dstport"]
    seen = subprocess.run(["tshark", "-r", str(path), *fields], capture_output=True, text=True, timeout=60)
    assert seen.stdout.count("40500\t40500") == 3


def test_an_empty_capture_is_said_in_words(one_port: Testbed) -> None:
    """A capture that is stopped before anything came says so, with the way out, wherever it is shown."""
    with one_port.capture(40500) as exchange:
        pass
    told = "0 segments on port 40500: none came while it ran (begin it before the loop, on the loop's port; "
    assert repr(exchange).startswith(f"<Exchange: {told}") and repr(exchange).endswith("; 0 dropped>")
    assert html.escape(told) in exchange._repr_html_()
    with pytest.raises(ValueError, match=r"^segments: there are none to draw; capture a connection first$"):
        exchange.ladder()


def test_an_empty_capture_can_be_kept(one_port: Testbed, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its file is a capture file without a frame; reading it back says so, and scapy warns of nothing."""
    with one_port.capture(40500) as exchange:
        pass
    path = exchange.pcap(tmp_path / "empty.pcap")
    with pytest.raises(ValueError, match=r"it holds no frame; capture something first$"):
        lab.read_pcap(path)
    assert caplog.records == []


def test_a_loop_that_never_connects_while_capturing(testbed: Testbed) -> None:
    """An odd port of an even range: the run says that and how it ended, the capture that nothing came of it."""
    with testbed.capture(40501) as own, testbed.capture(40501, both_ends=False) as every:
        run = testbed.connect_loop(40501, max_tries=50)
    assert (run.connected, run.stopped) == (False, "max-tries")
    assert (len(own.segments), own.replayed.kind) == (0, "")
    assert "both_ends=False shows refused tries" in own.summary
    assert [segment.flags for segment in every.segments] == ["S", "RA"] * 50
    assert every.segments[1].ack == (every.segments[0].seq + 1) % 2**32


def test_without_permission_it_is_a_clear_error() -> None:
    """Without the right to capture, NotOnThisTestbed tells the reason and the way out: nothing recorded stands in."""
    with lab.open_testbed(kind="host") as testbed:
        testbed.executor.submit(inside.drop_capabilities).result()
        with pytest.raises(lab.NotOnThisTestbed, match=r"CAP_NET_RAW.*use the namespace testbed"):
            testbed.capture(40500)
        for make in (exchanges.self_connection, lab.four_exchanges, Testbed.crossing):
            with pytest.raises(lab.NotOnThisTestbed, match="use the namespace testbed"):
                make(testbed)


def test_in_a_private_network_a_filter_is_what_refuses(testbed: Testbed) -> None:
    """There all rights are given, so the way out of a refusal is not another testbed."""
    testbed.executor.submit(inside.no_packet_sockets).result()
    with pytest.raises(lab.NotOnThisTestbed, match=r"where a filter refuses them .* run without it"):
        testbed.capture(40500)


def test_a_run_that_nobody_keeps_is_not_reset_within_its_capture(testbed) -> None:
    """The exchange of a loop in a `with` block is its three segments; the next call lets the forgotten run go."""
    with testbed.capture(40500) as exchange:
        testbed.connect_loop(40500)
    assert [segment.flags for segment in exchange.segments] == ["S", "SA", "A"]
    assert testbed.sockets(40500).rows == ()
