"""The simulated kernel on the wire: event, segments and state, event."""

from __future__ import annotations

import errno
import socket
import subprocess
from pathlib import Path

import pytest

from tcploop_lab.stacks.simulated import SimulatedStack
from tcploop_lab.stacks.simulated.frames import parse
from tcploop_lab.tcp import closing
from tcploop_lab.tcp.replay import replay
from tcploop_lab.tcp.segments import Segment

HERE = ("127.0.0.1", 33334)


def seen(capture) -> list[Segment]:
    """The segments that came since, each once."""
    frames, dropped = capture.frames()
    assert dropped == 0 and [frame.outgoing for frame in frames] == [True, False] * (len(frames) // 2)
    return [parse(frame.data[14:], frame.time) for frame in frames if frame.outgoing]


def flags(capture) -> list[str]:
    """Their flags."""
    return [segment.flags for segment in seen(capture)]


def connected_to_itself(stack: SimulatedStack, address: str = HERE[0]):
    """A socket that is connected to itself, by bind() and connect()."""
    sock = stack.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.bind((address, HERE[1]))
    sock.connect((address, HERE[1]))
    return sock


def connected(stack: SimulatedStack):
    """A listener, a client of it, and the server's end."""
    listener, client = stack.socket(), stack.socket()
    listener.bind(("127.0.0.1", 5000))
    listener.listen()
    client.connect(("127.0.0.1", 5000))
    return listener, client, listener.accept()[0]


def rows(stack: SimulatedStack) -> list[tuple[str, str, str]]:
    """The socket table in short."""
    return [(row.local, row.peer, str(row.state)) for row in stack.socket_table()]


def test_a_self_connection_has_three_segments_with_one_sequence_number():
    """SYN, SYN-ACK and an ACK with a D-SACK block: figure 7 of RFC 9293, folded."""
    stack = SimulatedStack(seed=1)
    capture = stack.open_packet_socket(HERE[1])
    sock = connected_to_itself(stack)
    first, second, third = seen(capture)
    x = first.seq
    assert [(s.flags, s.seq - x, s.ack - x) for s in (second, third)] == [("SA", 0, 1), ("A", 1, 1)]
    assert dict(third.options)["SAck"] == (x, x + 1)
    assert [name for name, _ in first.options] == ["MSS", "SAckOK", "Timestamp", "NOP", "WScale"]
    assert sock.getsockname() == sock.getpeername() == HERE
    assert rows(stack) == [("127.0.0.1:33334", "127.0.0.1:33334", "ESTABLISHED")]


def test_an_older_kernel_answers_the_syn_ack_with_a_challenge_ack():
    """Before commit 23e89e8ee7be the third segment has no D-SACK block."""
    for version in ("4.1", "5.15", "6.6.50", "6.6.51", "6.10", "6.11"):
        stack = SimulatedStack(version, seed=1)
        capture = stack.open_packet_socket(HERE[1])
        connected_to_itself(stack)
        third = seen(capture)[2]
        assert ("SAck" in dict(third.options)) is (version in ("6.6.51", "6.11"))


def test_what_is_written_to_itself_comes_back_and_the_close_is_simultaneous():
    """PSH-ACK, ACK, then FIN-ACK, ACK, and TIME-WAIT for a minute of the simulated clock."""
    stack = SimulatedStack(seed=1)
    capture = stack.open_packet_socket(HERE[1])
    with connected_to_itself(stack) as sock:
        sock.send(b"hi")
        assert sock.recv(9) == b"hi"
        segments = seen(capture)
    segments += seen(capture)
    assert [s.flags for s in segments] == ["S", "SA", "A", "PA", "A", "FA", "A"]
    assert replay(segments).kind == "self-connection"
    assert rows(stack) == [("127.0.0.1:33334", "127.0.0.1:33334", "TIME-WAIT")]
    stack.sleep(60)
    assert rows(stack) == []


def test_a_refused_try_is_a_syn_and_a_reset_and_leaves_its_port_to_be_read():
    """getsockname() goes on showing the port that was tried."""
    stack = SimulatedStack(seed=1)
    capture = stack.open_packet_socket(33333, both_ends=False)
    sock = stack.socket()
    assert sock.connect_ex(("127.0.0.1", 33333)) == errno.ECONNREFUSED
    syn, answer = seen(capture)
    assert (syn.flags, answer.flags, answer.ack) == ("S", "RA", syn.seq + 1)
    assert sock.getsockname() == ("0.0.0.0", syn.sport)


def test_a_client_and_a_server_say_hello_and_goodbye():
    """Handshake, data both ways, half close: states and counters as on Linux."""
    stack = SimulatedStack(seed=1)
    capture = stack.open_packet_socket(5000, both_ends=False)
    _listener, client, server = connected(stack)
    assert server.getpeername() == client.getsockname() and flags(capture) == ["S", "SA", "A"]
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert (server.recv(99), server.recv(99)) == (b"question", b"")
    server.send(b"answer")
    server.close()
    assert (client.recv(99), client.recv(99)) == (b"answer", b"")
    counters = stack.counters()
    assert (counters["ActiveOpens"], counters["PassiveOpens"], counters["CurrEstab"]) == (1, 1, 0)
    assert [row[2] for row in rows(stack)] == ["LISTEN", "TIME-WAIT"]


@pytest.mark.parametrize(
    ("kernel", "counted"), [("5.10.220", 0), ("5.10.221", 1), ("6.1.94", 0), ("6.1.95", 1), ("6.8", 0), ("6.10", 1)]
)
def test_close_wait_counts_as_established_since_6_10(kernel, counted):
    """And in the releases of older series that took a46d0ea5c942 over: one end is there, the other in FIN-WAIT-2."""
    stack = SimulatedStack(kernel, seed=1)
    _listener, client, _server = connected(stack)
    assert stack.counters()["CurrEstab"] == 2
    client.shutdown(socket.SHUT_WR)
    assert stack.counters()["CurrEstab"] == counted


def test_linger_zero_ends_with_a_reset_and_without_time_wait():
    """The other end hears ECONNRESET."""
    stack = SimulatedStack(seed=1)
    _listener, client, server = connected(stack)
    closing.by_reset(client)
    client.close()
    with pytest.raises(ConnectionResetError):
        server.recv(1)
    assert stack.counters()["EstabResets"] == 2 and [row[2] for row in rows(stack)] == ["LISTEN"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_tshark_reads_the_frames_without_a_complaint(address: str, tmp_path: Path):
    """Addresses, lengths and checksums are right, for IPv4 and IPv6, data and options included."""
    scapy = pytest.importorskip("scapy.all")
    stack = SimulatedStack(seed=1)
    capture = stack.open_packet_socket(HERE[1], both_ends=False)
    with connected_to_itself(stack, address) as sock:
        sock.send(b"odd")
    stack.socket(socket.AF_INET6 if ":" in address else socket.AF_INET).connect_ex((address, HERE[1]))
    frames, _ = capture.frames()
    scapy.wrpcap(str(tmp_path / "x.pcap"), [scapy.Ether(frame.data) for frame in frames if frame.outgoing])
    checks = [part for name in ("ip", "tcp") for part in ("-o", f"{name}.check_checksum:TRUE")]
    fields = ["-T", "fields", "-e", "tcp.flags.str", "-e", "_ws.expert.message", "-e", "tcp.checksum.status"]
    command = ["tshark", "-r", str(tmp_path / "x.pcap"), *checks, *fields]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 8 and not any(word in line for line in lines for word in ("Bad", "Malformed", "incorrect"))
    assert {line.split("\t")[-1] for line in lines} == {"1"}  # 1: Good


def test_a_closed_socket_waits_for_the_other_fin_and_answers_data_with_a_reset():
    """FIN-WAIT-2 outlives its socket: a FIN leads to TIME-WAIT, data to a reset, silence to its end after a minute."""
    for then, left in (("close", ["LISTEN", "TIME-WAIT"]), ("send", ["LISTEN"]), ("wait", ["LISTEN", "CLOSE-WAIT"])):
        stack = SimulatedStack(seed=1)
        _listener, client, server = connected(stack)
        client.shutdown(socket.SHUT_WR)
        stack.sleep(0.1)
        client.close()
        assert [row[2] for row in rows(stack)] == ["LISTEN", "FIN-WAIT-2", "CLOSE-WAIT"]
        {"close": server.close, "send": lambda server=server: server.send(b"late"), "wait": lambda: None}[then]()
        stack.sleep(60 if then == "wait" else 0.1)
        assert [row[2] for row in rows(stack)] == left


def test_data_is_acknowledged_at_once_and_a_lone_fin_a_little_later():
    """Linux is quick at first; who may still answer a FIN takes its acknowledgment along."""
    stack = SimulatedStack(seed=1)
    capture = stack.open_packet_socket(5000, both_ends=False)
    _listener, client, _server = connected(stack)
    seen(capture)
    client.send(b"x")
    assert flags(capture) == ["PA", "A"]
    client.shutdown(socket.SHUT_WR)
    assert flags(capture) == ["FA"]
    stack.sleep(0.05)
    assert flags(capture) == ["A"]
