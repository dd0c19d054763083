"""find(): what is planted in a private network is named, and nothing else is."""

from __future__ import annotations

import os

import pytest

import tcploop_lab as lab
from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks import networks
from tcploop_lab.testbed.testbed import Testbed

from ..waiting import wait_until
from . import planted

pytestmark = pytest.mark.anyuser


def test_every_kind_of_self_connection_is_found(testbed: Testbed) -> None:
    """By its name, whatever the address, whether it has talked, shares its port, or is a message under way.

    Each has its process, but for that message; the age is known where it has sent nothing.
    """
    names = testbed.submit(planted.self_connections).result()
    seen = testbed.find()
    assert sorted(one.local for one in seen.self_connections) == sorted(names)
    assert len(names) in (9, 10)
    assert all(one.local == one.peer and one.state == "ESTABLISHED" for one in seen.self_connections)
    assert seen.behind_nat == seen.left_over == ()
    named, worker = {one.local: one for one in seen.self_connections}, testbed.executor.info["pid"]
    assert {name for name, one in named.items() if one.pid is None} == {"127.0.0.1:40510"}
    assert all((one.pid, bool(one.program)) == (worker, True) for one in named.values() if one.pid is not None)
    assert {name for name, one in named.items() if one.age_s is None} == {"127.0.0.1:40504", "127.0.0.1:40506"}
    assert all(0 <= one.silent_s < 60 for one in named.values() if one.silent_s is not None)


def test_one_that_is_bound_to_an_interface_is_counted_too(testbed: Testbed) -> None:
    """The kernel knows such a socket by its interface as well: it tells its age, and so what it has exchanged."""
    name = testbed.submit(planted.bound_to_an_interface).result()
    assert [(one.local, one.age_s is not None) for one in testbed.find().self_connections] == [(name, True)]


def test_what_an_orderly_close_leaves_is_no_open_one(testbed: Testbed) -> None:
    """In TIME-WAIT it holds its port, and is named as that."""
    testbed.submit(planted.closed_in_order).result()
    seen = testbed.find()
    assert (seen.self_connections, [one.local for one in seen.left_over]) == ((), ["127.0.0.1:40512"])


def test_ordinary_connections_are_none(testbed: Testbed) -> None:
    """Equal ports at two addresses, half closed ones, and mapped names are no self-connection, and no NAT."""
    testbed.submit(planted.no_self_connections).result()
    seen = testbed.find()
    assert seen.self_connections == seen.left_over == seen.behind_nat == ()
    assert all(port.can_loop for port in seen.ports)
    assert [port.port for port in seen.ports] == [40520, 40522]


@pytest.mark.parametrize("says", [b"", b"an echo comes back"])
@pytest.mark.may_skip("needs nf_tables in the kernel")
def test_equal_names_behind_nat_are_none(testbed: Testbed, says: bytes) -> None:
    """A redirect gives a client one name at both ends; a server answers, and find() says how it knows.

    Where the server is on another machine, what the client's socket has counted shows that it is not alone.
    """
    try:
        name: str = testbed.submit(planted.behind_nat, says).result()
    except OSError as refused:
        pytest.skip(f"no redirect here: {refused}")
    seen = testbed.find()
    assert seen.self_connections == ()
    assert [one.local for one in seen.behind_nat] == [name]
    assert "another socket of this network, 127.0.0.1:9000, has it for its peer" in seen.behind_nat[0].evidence
    alone = testbed.submit(planted.look_without, 9000).result()
    assert [(one.row.local, "segments" in one.answered) for one in alone.alike] == [(name, True)]


@pytest.mark.may_skip("needs Linux 6.8, which tells who only holds a port, and nf_tables")
def test_ports_of_the_range_and_why_they_can_loop_or_not(testbed: Testbed) -> None:
    """Parity, reservation, a holder and NAT are named; a port outside the range is not there."""
    try:
        testbed.submit(planted.ports).result()
    except OSError as refused:
        pytest.skip(f"no redirect here: {refused}")
    if not testbed.submit(planted.tells_bound).result():
        pytest.skip("this kernel does not tell who only holds a port")
    seen = {port.port: port for port in testbed.find().ports}
    assert {port: one.why.partition(":")[0] for port, one in seen.items() if not one.can_loop} == {
        40541: "parity", 40546: "reserved", 40548: "held", 40550: "NAT",
    }  # fmt: skip
    assert [port for port, one in seen.items() if one.can_loop] == [40540]
    assert (seen[40540].program != "", seen[40540].dialled_by) == (True, seen[40540].program)
    assert seen[40550].program == ""


@pytest.mark.may_skip("needs ss as root, and a kernel with CONFIG_INET_DIAG_DESTROY")
def test_the_command_that_it_prints_ends_one(one_port: Testbed) -> None:
    """ss -K resets it: the client is told, and a server can listen at once."""
    run = one_port.connect_loop(40500)
    command = next(note for note in one_port.find().describe().notes if "ss -K" in note).partition("sudo ")[2]
    done = one_port.submit(planted.command, command).result()
    if "127.0.0.1:40500" not in done:
        pytest.skip(f"ss -K ends nothing here: {done}")
    with pytest.raises(ConnectionAbortedError):
        run.socket.recv(1)
    assert one_port.find().self_connections == one_port.find().left_over == ()
    one_port.listen(40500).close()


def test_the_machine_is_read_in_all_its_networks(testbed: Testbed) -> None:
    """lab.find() sees the private network of the testbed beside that of the tests, as root and as an ordinary user."""
    names = testbed.submit(planted.self_connections).result()
    network, seen = testbed.executor.info["network"], lab.find()
    assert {network, os.readlink("/proc/self/ns/net")} <= {one.name for one in seen.networks}
    here = [one for one in seen.self_connections if one.network == network]
    assert sorted(one.local for one in here) == sorted(names)
    assert next(one for one in seen.networks if one.name == network).port_range == PortRange(40000, 40999)
    assert {one.pid for one in here if one.local != "127.0.0.1:40510"} == {testbed.executor.info["pid"]}


def test_the_simulated_kernel_is_read_in_the_same_way() -> None:
    """One self-connection, its port, and nothing of the machine's."""
    with lab.open_testbed(kind="simulated", seed=1) as simulated:
        run = simulated.connect_loop(33334)
        seen = simulated.find()
        assert [(one.local, one.pid) for one in seen.self_connections] == [("127.0.0.1:33334", None)]
        assert (seen.stack, len(seen.networks)) == ("simulated", 1)
        assert "sudo" not in repr(seen.describe().notes)  # nobody outside can reset it
        run.close()
        wait_until(lambda: not simulated.find().self_connections)


def test_without_netlink_the_names_are_read_from_proc(testbed: Testbed) -> None:
    """What a filter of system calls leaves is /proc/net/tcp, in which the same connections are found."""
    names = testbed.submit(planted.self_connections).result()
    seen = testbed.submit(planted.look_without_netlink).result()
    assert sorted(one.row.local for one in seen.alike) == sorted(names)


def test_where_there_is_no_proc_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another system has no such table: the reason, and what to do instead."""
    monkeypatch.setattr(networks, "_number_of_table", lambda pid: os.stat("/no/such/file"))
    with pytest.raises(NotOnThisTestbed, match="netstat -an"):
        lab.find()
