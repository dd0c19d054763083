"""Ports that are reserved, held or listened on, and the tools that look at them."""

from __future__ import annotations

import errno
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks import socket_diag
from tcploop_lab.tcp.endpoint import Endpoint
from tcploop_lab.testbed import sockets


def test_held_port_is_taken_until_the_socket_closes(testbed):
    """A held port refuses a second bind() and has no line in the table; closing the socket frees it."""
    with testbed.hold(40100):
        assert testbed.sockets(40100).rows == ()
        with pytest.raises(OSError) as taken:
            testbed.hold(40100)
    assert (taken.value.errno, taken.value.filename) == (errno.EADDRINUSE, "a socket has port 40100 by bind() alone")
    testbed.hold(40100).close()


@pytest.mark.may_skip("live it needs Linux 6.8")
@pytest.mark.parametrize("kernel", [None, "6.18"], ids=["live", "simulated"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1"])
def test_the_kernel_names_who_only_holds_a_port(kernel, address):
    """A socket that called bind() and nothing else is one row of `holders`, whatever its address."""
    with lab.open_testbed(kernel=kernel, kind=None if kernel else "namespace") as testbed:
        try:
            assert testbed.holders(40100).rows == ()
        except lab.NotOnThisTestbed as reason:
            pytest.skip(str(reason))
        with testbed.hold(40100, address):
            assert testbed.holders(40100).rows == (sockets.SocketRow(str(Endpoint(address, 40100)), "", "only bound"),)
        with testbed.listen(40100, address):
            assert testbed.holders(40100).rows == ()


def test_an_older_kernel_does_not_name_them():
    """Linux 6.7 does not know the question: NotOnThisTestbed, and not "nobody"."""
    older = pytest.raises(lab.NotOnThisTestbed, match=r"Linux 6\.8 and later do")
    with lab.open_testbed(kernel="6.7") as testbed, testbed.hold(40100), older:
        testbed.holders(40100)


@pytest.mark.parametrize(("name", "value"), [("_BOUND_INACTIVE", 0), ("_SOCK_DIAG", 99)])
def test_a_kernel_that_does_not_tell_is_no_kernel_without_holders(monkeypatch, name, value):
    """Asked for a state that it does not know, or over a netlink that is not there, the kernel's silence is None."""
    monkeypatch.setattr(socket_diag, name, value)
    assert socket_diag.bound_only(40100) is None


def test_table_shows_one_socket_with_the_states_of_the_rfc(one_port):
    """A self-connection is one line, the same name twice; after an orderly close the line says TIME-WAIT."""
    run = one_port.connect_loop(40500, max_tries=10)
    name = "127.0.0.1:40500"
    assert one_port.sockets(40500).rows == (sockets.SocketRow(name, name, "ESTABLISHED"),)
    run.close(reset=False)
    assert repr(one_port.sockets(40500)).splitlines()[1].split() == [name, name, "TIME-WAIT"]
    with pytest.raises(OSError, match=f"in use: '{name} {name} TIME-WAIT'"):
        one_port.hold(40500)


@pytest.mark.parametrize("tool", ["ss", "lsof"])
def test_tool_names_the_process_that_holds_the_connection(one_port, tool):
    """ss and lsof show the same name twice and a process, although the lab's own process is outside."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed; on Debian: apt install iproute2 lsof")
    run = one_port.connect_loop(40500, max_tries=10)
    look = one_port.look(40500, tool)
    assert look.output.count("127.0.0.1:40500") == 2
    assert "sleep" in look.output
    assert run.echo(b"still here") == b"still here"


def test_missing_tool_is_said_in_words(one_port, monkeypatch):
    """A machine without lsof gets the way out instead of an error."""
    monkeypatch.setattr(sockets.shutil, "which", lambda _: None)
    assert "apt install lsof" in sockets.look("lsof", 40500).output


def test_bad_reservation_is_refused(testbed):
    """What is no port or range raises one line that says what is allowed, and reserves nothing."""
    for ports in ("", "x", 0, 70000, "5-1", "40100,,40200", None, True):
        with pytest.raises(ValueError, match=r"1 to 65535|LOW"):
            testbed.reserve(ports)
    assert testbed.check(40100).can_loop


@pytest.mark.parametrize("change", [lambda host: host.reserve(40100), lambda host: host.redirect(40100, 9000)])
def test_the_host_is_never_changed(change):
    """Reserving and redirecting are refused there with the way out: its settings are not the lab's to change."""
    with lab.open_testbed(kind="host") as host, pytest.raises(lab.NotOnThisTestbed, match="use the namespace testbed"):
        change(host)


@pytest.mark.may_skip("needs nf_tables in the kernel")
def test_a_redirect_ends_with_its_block(testbed):
    """In the block a call of the port is answered by the other one's server, after it by nobody."""
    with testbed.listen(9000):
        try:
            with testbed.redirect(40100, to=9000):
                inside = testbed.connect_loop(40100, client="new-socket", max_tries=1).connected
        except lab.NotOnThisTestbed as reason:
            pytest.skip(str(reason))
        after = testbed.tcp_socket().connect_ex(("127.0.0.1", 40100))
    assert (inside, after) == (True, errno.ECONNREFUSED)


def test_unknown_tool_is_refused(testbed):
    """Only ss and lsof are run, and the error lists them."""
    with pytest.raises(ValueError, match="one of ss, lsof"):
        testbed.look(40100, "nmap")


@pytest.mark.parametrize("kind", ["namespace", "host"])
def test_another_range_lasts_as_long_as_its_block(kind):
    """In the block loops use the other range, after it the one before; a bad range changes nothing."""
    with lab.open_testbed(port_range=(40000, 40999), kind=kind) as testbed:
        with testbed.use_range("40600-40600"):
            inside = testbed.port_range, testbed.connect_loop(40600, max_tries=1).local
        with pytest.raises(ValueError, match="range 9-1: it is reversed"):
            testbed.use_range("9-1")
        assert inside == (lab.PortRange(40600, 40600), ("127.0.0.1", 40600))
        assert testbed.port_range == lab.PortRange(40000, 40999)


@pytest.mark.parametrize("kernel", ["4.1", "freebsd-13", "windows", "rfc6056-1"])
def test_a_simulated_sibling_has_the_same_kernel(kernel):
    """What works beside a simulated testbed has its kernel, whatever that is called."""
    with lab.open_testbed(kernel=kernel) as first, first.sibling((40000, 40010)) as other:
        assert (other.kernel, other.kind) == (first.kernel, "simulated")
        assert str(other.port_range) == "40000-40010"


def test_a_sibling_has_a_network_of_its_own(one_port):
    """A sibling is of the same kind, sees no socket of the first, and ends alone."""
    with one_port.sibling("40500-40500") as other, one_port.hold(40500):
        assert (other.kind, other.connect_loop(40500).self_connected) == ("namespace", True)
    assert other.closed and not one_port.closed


@pytest.mark.parametrize("kind", ["namespace", "simulated"])
def test_who_dials_a_port_that_another_run_holds_is_told(kind):
    """Ten threads dial one port that a self-connection holds: each is told so."""
    testbed = lab.open_testbed((40500, 40500), kind=kind)
    with testbed, ThreadPoolExecutor(10) as pool, testbed.tcp_socket() as other:
        other.connect(("127.0.0.1", 40500))
        runs = list(pool.map(lambda _: testbed.connect_loop(40500, max_tries=50, progress=False), range(10)))
    held = "; the port is held by another self-connection, 127.0.0.1:40500 -> 127.0.0.1:40500 (ESTABLISHED)"
    assert [run.summary for run in runs if run.connected or not run.summary.endswith(held)] == []


@pytest.mark.parametrize("kind", ["namespace", "simulated"])
@pytest.mark.may_skip("live it needs Linux 6.8")
def test_who_dials_a_port_that_is_bound_is_told(kind):
    """A loop in vain names the socket that only called bind(); one that nobody stands in the way of names none."""
    with lab.open_testbed((40500, 40501), kind=kind) as testbed:
        try:
            testbed.holders(40500)
        except lab.NotOnThisTestbed as reason:
            pytest.skip(str(reason))
        with testbed.hold(40500):
            run = testbed.connect_loop(40500, max_tries=9, progress=False)
        assert run.held_by == ("127.0.0.1:40500 (only bound)",)
        assert testbed.connect_loop(40502, max_tries=9, progress=False).held_by == ()


@pytest.mark.parametrize("kind", ["namespace", "simulated"])
def test_no_socket_of_the_lab_waits_for_ever(kind, monkeypatch):
    """recv() on a run, on a socket made by hand and on an accepted one, and accept(), end after the limit."""
    monkeypatch.setattr(sockets, "WAIT_LIMIT", 0.2)
    with lab.open_testbed((40500, 40500), kind=kind) as testbed:
        run = testbed.connect_loop(40500, progress=False)
        assert run.echo(b"hi") == b"hi"
        with pytest.raises(TimeoutError):
            run.socket.recv(1)
        run.socket.setblocking(True)
        with pytest.raises(BlockingIOError):
            run.socket.recv(1)
        with testbed.listen(40501) as listener, pytest.raises(TimeoutError):
            listener.accept()


def test_what_a_listener_accepts_waits_no_longer(one_port, monkeypatch):
    """The kernel hands its limit on to accepted sockets; a socket made by hand has it too, and may dial again."""
    monkeypatch.setattr(sockets, "WAIT_LIMIT", 0.2)
    with one_port.listen(40501) as listener, one_port.tcp_socket() as client:
        assert [client.connect_ex(("127.0.0.1", 40502)) for _ in range(3)] == [errno.ECONNREFUSED] * 3
        client.connect(("127.0.0.1", 40501))
        with listener.accept()[0] as accepted:
            for sock in (client, accepted):
                with pytest.raises(BlockingIOError):
                    sock.recv(1)
