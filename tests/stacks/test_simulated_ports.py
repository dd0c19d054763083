"""Which port a simulated socket gets, and who may have one that is taken: one rule per test, by version."""

from __future__ import annotations

import errno
import socket
import struct
from itertools import pairwise

import pytest

from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks import constants as c
from tcploop_lab.stacks.simulated import SimulatedStack

LOW, HIGH = 40000, 40999
DEAD = ("127.0.0.1", 9)


def bound(stack: SimulatedStack, address: str = "127.0.0.1", port: int = 0, reuse: bool = False):
    """A bound socket."""
    sock = stack.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(c.SOL_SOCKET, c.SO_REUSEADDR, int(reuse))
    sock.bind((address, port))
    return sock


def given(stack: SimulatedStack, tries: int = 40, reuse: bool = False) -> list[int]:
    """The ports that bind() to port 0 gives, each of them free again."""
    ports = []
    for _ in range(tries):
        with bound(stack, reuse=reuse) as sock:
            ports.append(sock.getsockname()[1])
    return ports


def dialled(stack: SimulatedStack, tries: int = 40, *options: tuple) -> list[int]:
    """The source ports of refused tries of one socket."""
    sock, ports = stack.socket(), []
    for option in options:
        sock.setsockopt(*option)
    for _ in range(tries):
        assert sock.connect_ex(DEAD) == errno.ECONNREFUSED
        ports.append(sock.getsockname()[1])
    return ports


def outcome(call, *args) -> str:
    """The name of the error of a call, "" where it works."""
    try:
        call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
    return ""


def test_bind_to_port_zero_takes_the_other_parity_since_4_6():
    """Odd ports for bind(0), even ones for connect(); before 4.6 bind(0) took both."""
    for version, parities in (("4.5", {0, 1}), ("4.6", {1}), ("6.18", {1})):
        stack = SimulatedStack(version, seed=1, port_range=(LOW, HIGH))
        assert {port % 2 for port in given(stack)} == parities
        assert {port % 2 for port in dialled(stack)} == {0}
    assert {port % 2 for port in dialled(SimulatedStack("4.1", seed=1))} == {0, 1}


def test_reuse_address_takes_the_lower_half_first():
    """inet_csk_find_open_port: attempt_half."""
    stack = SimulatedStack(seed=1, port_range=(LOW, HIGH))
    assert max(given(stack, reuse=True)) < LOW + 500 <= max(given(stack))


def test_two_may_have_a_port_with_reuse_address_until_one_listens():
    """bind() twice works, the second listen() does not; without SO_REUSEADDR neither does bind()."""
    stack = SimulatedStack(seed=1)
    one, other = bound(stack, port=5000, reuse=True), bound(stack, port=5000, reuse=True)
    one.listen()
    assert outcome(other.listen) == outcome(bound, stack, "127.0.0.1", 5000) == "EADDRINUSE"
    assert outcome(bound, stack, "127.0.0.2", 5000) == "" and outcome(bound, stack, "0.0.0.0", 5000) == "EADDRINUSE"


def test_a_dual_stack_socket_takes_both_families():
    """:: without IPV6_V6ONLY conflicts with 127.0.0.1 and serves it."""
    stack = SimulatedStack(seed=1)
    server = bound(stack, "::", 5000)
    server.listen()
    assert outcome(bound, stack, "127.0.0.1", 5000) == "EADDRINUSE"
    client = stack.socket()
    client.connect(("127.0.0.1", 5000))
    assert server.accept()[1][0] == "::ffff:127.0.0.1"
    only = bound(stack, "::1", 5001)
    assert only.getsockopt(c.SOL_IPV6, c.IPV6_V6ONLY) == 1 and outcome(bound, stack, "0.0.0.0", 5001) == ""


def test_a_server_after_a_self_connection_needs_reuse_address_on_both_sides():
    """EADDRINUSE while it lives and in TIME-WAIT, unless both sides have SO_REUSEADDR."""
    for client_reuse, server_reuse, works in ((0, 0, False), (0, 1, False), (1, 0, False), (1, 1, True)):
        stack = SimulatedStack(seed=1, port_range=(33334, 33334))
        client = stack.socket()
        client.setsockopt(c.SOL_SOCKET, c.SO_REUSEADDR, client_reuse)
        client.connect(("127.0.0.1", 33334))
        assert (outcome(bound, stack, "127.0.0.1", 33334, bool(server_reuse)) == "") is works
        client.close()
        assert (outcome(bound, stack, "127.0.0.1", 33334, bool(server_reuse)) == "") is works
        stack.sleep(60)
        assert outcome(bound, stack, "127.0.0.1", 33334) == ""


def test_reserved_and_bound_ports_are_not_given_to_connect():
    """One port is left of four, then none: EADDRNOTAVAIL."""
    stack = SimulatedStack(seed=1, port_range=(40000, 40003))
    stack.set_reserved((PortRange(40002, 40003),))
    with bound(stack, port=40000):
        assert set(dialled(stack)) == {40001}
        stack.set_reserved((PortRange(40001, 40003),))
        assert stack.socket().connect_ex(DEAD) == errno.EADDRNOTAVAIL


@pytest.mark.parametrize(
    ("version", "left"),
    [
        ("4.1", "127.0.0.1"),
        ("5.10.156", "127.0.0.1"),
        ("5.10.157", "0.0.0.0"),
        ("6.0", "127.0.0.1"),
        ("6.1", "0.0.0.0"),
    ],
)
def test_a_dial_that_finds_no_port_leaves_no_address_since_6_1(version: str, left: str):
    """77934dc6db0d, and the releases of older series that took it over; before, the socket kept the source address."""
    stack = SimulatedStack(version, seed=1, port_range=(40000, 40000))
    with bound(stack, port=40000):
        sock = stack.socket()
        assert sock.connect_ex(DEAD) == errno.EADDRNOTAVAIL and sock.getsockname() == (left, 0)


def test_a_socket_may_have_a_range_of_its_own_since_6_3():
    """ENOPROTOOPT before; by even steps first, without parity since 6.8; IP_BIND_ADDRESS_NO_PORT since 4.2."""
    own = (c.SOL_IP, c.IP_LOCAL_PORT_RANGE, c.range_option(40000, 40099))
    assert outcome(SimulatedStack("6.2").socket().setsockopt, *own) == "ENOPROTOOPT"
    assert outcome(SimulatedStack("4.1").socket().setsockopt, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, 1) == "ENOPROTOOPT"
    for version, parities in (("6.3", {0}), ("6.8", {0, 1})):
        ports = dialled(SimulatedStack(version, seed=1), 60, own)
        assert {port % 2 for port in ports} == parities and set(ports) <= set(range(40000, 40100))


def test_who_never_connects_to_itself():
    """macOS: EINVAL where both names are equal; there and on FreeBSD a second connect() fails and sends nothing."""
    mac = SimulatedStack("macos", seed=1)
    assert bound(mac, port=50000).connect_ex(("127.0.0.1", 50000)) == errno.EINVAL
    for name, second in (("macos", errno.EINVAL), ("freebsd-14", errno.ECONNREFUSED)):
        stack = SimulatedStack(name, seed=1)
        sock = stack.socket()
        assert [sock.connect_ex(DEAD), sock.connect_ex(DEAD)] == [errno.ECONNREFUSED, second]
        assert stack.counters()["ActiveOpens"] == 1


def test_windows_tries_for_two_seconds_before_it_believes():
    """A refused try sends several SYNs."""
    stack = SimulatedStack("windows", seed=1)
    capture = stack.open_packet_socket(DEAD[1], both_ends=False)
    assert stack.socket().connect_ex(DEAD) == errno.ECONNREFUSED
    assert len(capture.frames()[0]) >= 12 and 1 < stack.monotonic() <= 2.1


def test_another_own_address_is_dialled_from_the_first():
    """127.0.0.2 is called from 127.0.0.1 and cannot loop; bound to 127.0.0.2 it does."""
    stack = SimulatedStack(seed=1, port_range=(33334, 33334))
    assert stack.source_for("127.0.0.2") == "127.0.0.1" and stack.source_for("10.0.0.1") is None
    assert stack.socket().connect_ex(("127.0.0.2", 33334)) == errno.ECONNREFUSED
    sock = stack.socket()
    sock.setsockopt(c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind(("127.0.0.2", 0))
    assert sock.connect_ex(("127.0.0.2", 33334)) == 0
    assert outcome(stack.socket().connect, ("10.0.0.1", 5)) == "ENETUNREACH"


def test_the_walk_has_a_new_start_every_ten_seconds():
    """Steps of 2 to 16 inside ten seconds of the simulated clock; somewhere else after them."""
    stack = SimulatedStack("6.18", seed=1)
    sock = stack.socket()
    ports = []
    for wait in (0, 0, 10, 0):
        stack.sleep(wait)
        sock.connect_ex(DEAD)
        ports.append(sock.getsockname()[1])
    steps = [after - before for before, after in pairwise(ports)]
    assert 2 <= steps[0] <= 16 and 2 <= steps[2] <= 16 and abs(steps[1]) > 16


@pytest.mark.parametrize("value", [struct.pack("=I", 40001 << 16 | 40002), b"x"])
def test_a_range_that_is_none_is_refused(value: bytes):
    """EINVAL for low above high, and for three bytes."""
    assert outcome(SimulatedStack().socket().setsockopt, c.SOL_IP, c.IP_LOCAL_PORT_RANGE, value) == "EINVAL"


def test_a_port_that_connect_made_is_kept_from_it_by_bind() -> None:
    """bind() with SO_REUSEADDR joins a port in TIME-WAIT on another address, and connect() picks it no more."""
    stack = SimulatedStack("6.18", seed=1, port_range=(40000, 40000))
    left = stack.socket()
    left.connect(("127.0.0.1", 40000))
    left.close()  # in order: TIME-WAIT keeps the port's bucket
    holder = stack.socket()
    holder.setsockopt(c.SOL_SOCKET, c.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.2", 40000))
    stack.sleep(2)
    assert stack.socket().connect_ex(("127.0.0.1", 40000)) == errno.EADDRNOTAVAIL


def test_a_copy_keeps_a_listener_open() -> None:
    """dup() makes one socket of two descriptors: the port listens until the last is closed."""
    stack = SimulatedStack("6.18", seed=1)
    listener = stack.socket()
    listener.bind(("127.0.0.1", 8080))
    listener.listen()
    copy = listener.dup()
    listener.close()
    assert stack.socket().connect_ex(("127.0.0.1", 8080)) == 0
    copy.close()
    assert stack.socket().connect_ex(("127.0.0.1", 8080)) == errno.ECONNREFUSED
