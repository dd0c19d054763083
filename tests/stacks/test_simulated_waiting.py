"""The clock of the simulated kernel: nothing takes real time, and what cannot end is told."""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time

import pytest

from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.stacks import constants as c
from tcploop_lab.stacks.simulated import Deadlock, SimulatedStack

from .test_simulated_segments import connected

HERE = ("127.0.0.1", 33334)


def pair(stack: SimulatedStack):
    """A client and a server, connected; nobody listens any more."""
    listener, *both = connected(stack)
    listener.close()
    return both


def test_a_call_that_nobody_can_end_says_who_waits():
    """accept() without a caller, recv() without a sender: one line, not a hang."""
    stack = SimulatedStack(seed=1)
    listener = stack.socket()
    listener.bind(HERE)
    listener.listen()
    with pytest.raises(Deadlock, match=r"accept\(\) would wait for ever \(socket 127.0.0.1:33334 in LISTEN\)"):
        listener.accept()
    client, _server = pair(stack)
    with pytest.raises(Deadlock, match=r"recv\(\) would wait for ever \(socket .* in ESTABLISHED\)"):
        client.recv(1)


def test_a_full_buffer_stops_the_sender_and_a_reader_frees_it():
    """BlockingIOError where it may not wait, Deadlock where it may; after a read there is room again."""
    stack = SimulatedStack(seed=1)
    client, server = pair(stack)
    with pytest.raises(Deadlock, match=r"send\(\)"):
        client.sendall(bytes(10_000_000))
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        for _ in range(100):
            client.send(bytes(100_000))
    read = sum(len(server.recv(1_000_000)) for _ in range(30))
    assert client.send(b"x" * 1000) == 1000
    server.setblocking(False)
    assert read > 1_000_000


@pytest.mark.parametrize(("closed", "seconds"), [(False, 2.4), (True, 325)])
def test_a_window_that_stays_shut_ends_the_connection(closed: bool, seconds: float):
    """After the user timeout, counted from the first probe; without one only a socket that nobody holds gives up."""
    stack = SimulatedStack(seed=1)
    client, _server = pair(stack)
    client.setblocking(False)
    client.send(bytes(10_000_000))
    client.setsockopt(c.SOL_TCP, c.TCP_USER_TIMEOUT, 0 if closed else 2000)
    if closed:
        client.close()
    stack.sleep(seconds - 1)
    assert len(stack.socket_table()) == 2
    stack.sleep(2)
    assert len(stack.socket_table()) == 1 and stack.counters()["OutRsts"] == 0
    assert closed or client.getsockopt(c.SOL_SOCKET, c.SO_ERROR) == errno.ETIMEDOUT


def test_time_outs_are_those_of_the_simulated_clock():
    """settimeout(), SO_RCVTIMEO and sleep() wind it."""
    stack, began = SimulatedStack(seed=1), time.monotonic()
    client, server = pair(stack)
    start = stack.monotonic()
    client.settimeout(30)
    with pytest.raises(TimeoutError):
        client.recv(1)
    server.setsockopt(c.SOL_SOCKET, c.SO_RCVTIMEO, c.timeval(5.0))
    with pytest.raises(BlockingIOError):
        server.recv(1)
    stack.sleep(3600)
    assert stack.monotonic() - start == pytest.approx(3635, abs=0.1) and time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("version", "option", "value", "seconds"),
    [("6.18", c.TCP_SYNCNT, 6, 131), ("5.10", c.TCP_SYNCNT, 6, 127), ("6.18", c.TCP_SYNCNT, 1, 3),
     ("6.18", c.TCP_SYNCNT, 2, 7), ("5.10", c.TCP_SYNCNT, 2, 7),
     ("6.18", c.TCP_USER_TIMEOUT, 1500, 1.5), ("6.18", c.TCP_USER_TIMEOUT, 3300, 3.3)],
)  # fmt: skip
def test_a_syn_that_nobody_answers_is_sent_again_and_given_up(version: str, option: int, value: int, seconds: float):
    """A full queue drops SYNs: 1, 2, 4, ... seconds, since 6.5 after four times one second; ETIMEDOUT."""
    stack = SimulatedStack(version, seed=1)
    listener = stack.socket()
    listener.bind(HERE)
    listener.listen(0)
    waiting = [stack.socket() for _ in range(2)]
    waiting[0].connect(HERE)
    waiting[1].setsockopt(c.SOL_TCP, option, value)
    start = stack.monotonic()
    with pytest.raises(TimeoutError, match="timed out"):
        waiting[1].connect(HERE)
    assert stack.monotonic() - start == pytest.approx(seconds, abs=0.1)


def test_a_server_beside_answers_while_the_client_waits():
    """Two functions, one after the other in turns: always in the same order."""
    stack, said = SimulatedStack(seed=1), []

    def serve(listener) -> None:
        server, _ = listener.accept()
        said.append(server.recv(99))
        stack.sleep(2)
        server.sendall(b"yes")
        server.close()

    listener = stack.socket()
    listener.bind(HERE)
    listener.listen()
    beside = stack.run_beside(serve, listener)
    client = stack.socket()
    client.connect(HERE)
    client.sendall(b"is it you?")
    assert (client.recv(99), client.recv(99), said) == (b"yes", b"", [b"is it you?"])
    beside.join(1)
    assert beside.done and stack.monotonic() == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("version", "seconds"), [("6.18", 0.008), ("5.6", 0.008), ("5.5", 1.0)])
def test_a_syn_that_an_old_connection_answers_is_sent_again(version: str, seconds: float) -> None:
    """TIME-WAIT answers it with an ACK, a reset ends TIME-WAIT, and the next SYN finds nobody: at once since 5.6."""
    stack = SimulatedStack(version, seed=1)
    client, server = pair(stack)
    name, server_name = client.getsockname(), server.getsockname()
    for sock in (server, client):
        sock.close()
    stack.sleep(0.1)  # pair()'s listener is closed, too
    again, began = stack.socket(), stack.monotonic()
    again.bind(name)
    assert again.connect_ex(server_name) == errno.ECONNREFUSED
    assert stack.monotonic() - began == pytest.approx(seconds, abs=0.001)


def test_time_wait_may_be_recycled_after_a_second_on_loopback_only():
    """tcp_tw_reuse 2: a port in TIME-WAIT loops again after 1 s, of another own address after 60 s; before 4.19 too."""
    for version, address, free_after in (("6.18", "127.0.0.1", 1), ("6.18", "10.1.2.3", 60), ("4.1", "127.0.0.1", 60)):
        stack = SimulatedStack(version, seed=1, port_range=(33334, 33334))
        stack.add_address("10.1.2.3")
        first = stack.socket()
        first.connect((address, 33334))
        first.close()
        for wait, works in ((free_after - 0.1, False), (0.2, True)):
            stack.sleep(wait)
            assert (stack.socket().connect_ex((address, 33334)) == 0) is works


def test_what_it_does_not_know_is_named():
    """A call, an option, a kind of socket: NotOnThisTestbed."""
    stack = SimulatedStack(seed=1)
    with pytest.raises(NotOnThisTestbed, match=r"socket.sendmsg"):
        stack.socket().sendmsg([b""])
    with pytest.raises(NotOnThisTestbed, match=r"setsockopt\(level 6, option 23\)"):
        stack.socket().setsockopt(c.SOL_TCP, 23, 1)
    with pytest.raises(NotOnThisTestbed, match=r"kind"):
        stack.socket(socket.AF_INET, socket.SOCK_DGRAM)


def test_threads_take_turns():
    """Two threads that open, use and close connections at once: each finds its own bytes."""
    stack, wrong = SimulatedStack(seed=1), []

    def work(name: bytes) -> None:
        try:
            for _ in range(300):
                with stack.socket() as listener, stack.socket() as client:
                    listener.bind(("127.0.0.1", 0))
                    listener.listen()
                    client.connect(listener.getsockname())
                    with listener.accept()[0] as server:
                        client.send(name)
                        assert server.recv(9) == name
        except BaseException as error:
            wrong.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(name,)) for name in (b"one", b"two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(before)
    assert not wrong and not any(thread.is_alive() for thread in threads)
