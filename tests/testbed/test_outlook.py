"""check_here(): a port of this machine as it is, for every kind of client, and what keeps it from looping."""

from __future__ import annotations

import re
import socket

import pytest

import tcploop_lab as lab
from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.ports.clients import ClientKind
from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.render.plain import text
from tcploop_lab.stacks.linux import linux_stack
from tcploop_lab.testbed.hosts import resolve_own
from tcploop_lab.testbed.outlook import Outlook, _outlook
from tcploop_lab.testbed.safe_port import chosen
from tcploop_lab.testbed.testbed import Testbed
from tcploop_lab.tries.theory import distribution

from . import planted

pytestmark = pytest.mark.anyuser


def outlook(stack: object, port: int, pace: float = 10.0) -> Outlook:
    """The outlook in the network of a worker."""
    return _outlook(stack, port, "127.0.0.1", ClientKind.SAME_SOCKET, pace)  # type: ignore[arg-type]


def able(seen: Outlook) -> set[str]:
    """The clients that can loop."""
    return {str(one.client) for one in seen.prospects if one.can_loop}


@pytest.mark.parametrize(
    ("port", "clients"),
    [
        (40500, {"same-socket", "new-socket", "bind-no-port", "bind-self", "socket-range"}),
        (40501, {"bind-zero", "bind-self", "socket-range"}),
        (39998, {"bind-self"}),
    ],
)
def test_for_which_clients_it_can_loop_is_what_the_kernel_does(testbed: Testbed, port: int, clients: set[str]) -> None:
    """By the rule, without a try, as the kernel's counters say; check(), which tries, says the same of each kind."""
    before = testbed.counters()["ActiveOpens"]
    seen = testbed.submit(outlook, port).result()
    assert testbed.counters()["ActiveOpens"] == before
    assert able(seen) == clients
    assert able(seen) - {"socket-range"} == {
        str(kind) for kind in ClientKind if not kind.own_range and testbed.check(port, client=kind).can_loop
    }


def test_how_long_it_takes_is_the_law_at_that_pace(testbed: Testbed) -> None:
    """Median, 5 % and 95 % in seconds, from the exact law with the pace in it, and the servers just before."""
    with testbed.listen(40498):
        seen = testbed.submit(outlook, 40500, 5.0).result()
    law = distribution(seen.era, (40000, 40999), 40500, busy=[40498], tries_per_second=5.0)
    plain = next(one for one in seen.prospects if one.client == "same-socket")
    assert plain.seconds == tuple(law.quantile(q) / 5.0 for q in (0.05, 0.5, 0.95))


def test_a_server_that_listens_is_named_and_thought_away(testbed: Testbed) -> None:
    """Now it listens; while it does not, the port can loop."""
    with testbed.listen(40500):
        seen = testbed.submit(outlook, 40500).result()
    assert (seen.listening, seen.can_loop) == (("127.0.0.1:40500",), True)
    assert "can loop while nobody listens; now a server listens on 127.0.0.1:40500" in seen.summary


def test_what_a_server_left_keeps_it_off_for_a_while(testbed: Testbed) -> None:
    """Its port is bound as long as one of its connections is left: the table does not tell, so a note does."""
    notes = testbed.submit(outlook, 40500).result().notes
    testbed.submit(planted.left_by_a_server, 40500).result()
    more = set(testbed.submit(outlook, 40500).result().notes) - set(notes)
    assert [note.startswith("1 connection of this port") for note in more] == [True]
    assert not testbed.check(40500).can_loop


@pytest.mark.parametrize(("closed", "state"), [(False, "ESTABLISHED"), (True, "TIME-WAIT")])
def test_a_self_connection_of_the_port_is_named_and_thought_away(testbed: Testbed, closed: bool, state: str) -> None:
    """Who has the problem now asks about a port that has just looped: it can, and the repairs are told."""
    run = testbed.connect_loop(40500)
    if closed:
        run.close(reset=False)
    seen = testbed.submit(outlook, 40500).result()
    assert (seen.to_itself, seen.can_loop, len(seen.repairs)) == ((state,), True, 3)
    assert f"now a connection has this name at both ends ({state})" in seen.summary


@pytest.mark.may_skip("needs Linux 6.8, which tells who only holds a port")
def test_a_holder_keeps_it_from_looping(testbed: Testbed) -> None:
    """A socket that is only bound is seen, without trying to bind beside it."""
    with testbed.hold(40500):
        if not testbed.submit(planted.tells_bound).result():
            pytest.skip("this kernel does not tell who only holds a port")
        seen = testbed.submit(outlook, 40500).result()
    assert able(seen) == set()
    assert "127.0.0.1:40500" in seen.summary


@pytest.mark.may_skip("needs Linux 6.8, which tells who only holds a port")
@pytest.mark.parametrize(
    ("held", "port", "clients"),
    [
        ("127.0.0.9", 40500, {"bind-self"}),
        ("127.0.0.9", 40501, {"bind-self", "bind-zero"}),
        ("::1", 40500, {"bind-self"}),
        ("::", 40501, set()),
    ],
)
def test_who_is_bound_elsewhere_keeps_off_what_connect_chooses(
    testbed: Testbed, held: str, port: int, clients: set[str]
) -> None:
    """bind() is refused its own address alone; the loop does it, and check(), which tries, says the same."""
    testbed.submit(planted.hold, held, port).result()
    for kind in ("bind-self", "bind-zero"):
        run = testbed.connect_loop(port, client=kind, max_tries=20_000)  # of 500 candidates: missed once in e^40
        assert run.self_connected is (kind in clients)
        run.close()
        assert testbed.check(port, client=kind).can_loop is (kind in clients)
    assert not testbed.check(port).can_loop
    if not testbed.submit(planted.tells_bound).result():
        pytest.skip("this kernel does not tell who only holds a port")
    assert able(testbed.submit(outlook, port).result()) == clients


@pytest.mark.parametrize("port", [39998, 40500])
def test_no_setting_repairs_a_client_that_binds_what_it_dials(testbed: Testbed, port: int) -> None:
    """Outside the range, or reserved: a self-connection is still made, so no command is offered that would not help."""
    testbed.submit(planted.reserve, PortRange(40000, 40999)).result()
    seen = testbed.submit(outlook, port).result()
    assert able(seen) == {"bind-self"}
    assert testbed.connect_loop(port, client="bind-self").self_connected
    assert [name for name, _ in seen.repairs] == ["let connect() choose the port", "let the client notice"]
    assert [rule.name for rule in seen.verdict.broken] == ["in range" if port < 40000 else "not reserved"]


def test_past_reserved_ports_the_other_parity_loops(testbed: Testbed) -> None:
    """Where all first choices are taken, what comes behind them is given: for the kernel, check --here and find."""
    with testbed.use_range((40000, 40009)), testbed.reserve("40000,40002,40004,40006"):
        seen = [testbed.submit(outlook, 40005).result()]
        with testbed.listen(40008):
            seen.append(testbed.submit(outlook, 40005).result())
            run = testbed.connect_loop(40005, max_tries=1_000)  # one in five
            run.close()
            with testbed.listen(40005):
                (risky,) = (port for port in testbed.find().ports if port.port == 40005)
    assert [one.can_loop for one in seen] == [False, True]
    assert run.self_connected and risky.can_loop
    assert seen[1].prospects[0].seconds[1] is not None


def test_its_repairs_repair(testbed: Testbed) -> None:
    """The commands for the reservation and for the range, carried out, leave no client but the one that binds it."""
    testbed.submit(planted.reserve, PortRange(40700, 40710)).result()
    seen = testbed.submit(outlook, 40500).result()
    assert [name for name, _ in seen.repairs] == ["reserve it", "move it out of the range", "let the client notice"]
    settings = [command for _, command in seen.repairs if command.startswith("sudo sysctl -w ")]
    assert settings == ["sudo sysctl -w net.ipv4.ip_local_reserved_ports=40700-40710,40500"]
    testbed.submit(planted.sysctl, settings[0]).result()
    after = testbed.submit(outlook, 40500).result()
    assert able(after) == {"bind-self"}
    assert after.describe().record()["reserved"] == [[40500, 40500], [40700, 40710]]


def test_a_range_with_room_is_moved_off_the_port() -> None:
    """The wider side stays; the command names it, whole on a narrow terminal too, and the port is then outside."""
    with lab.open_testbed(port_range=(32768, 60999), kind="namespace") as testbed:
        seen = testbed.submit(outlook, 50051).result()
        command = dict(seen.repairs)["move it out of the range"]
        assert command == "sudo sysctl -w net.ipv4.ip_local_port_range='32768 50050'"
        assert f"move it out of the range:  {command}\n" in text(seen.describe(), width=40)
        testbed.submit(planted.sysctl, command).result()
        assert able(testbed.submit(outlook, 50051).result()) == {"bind-self"}


def test_without_its_address_nobody_loops_on_it(testbed: Testbed) -> None:
    """Where lo has no 127.0.0.1 nobody can dial or bind it; no port is safe there, and that is told in a line."""
    testbed.submit(planted.without_loopback).result()
    assert able(testbed.submit(outlook, 40500).result()) == set()
    with pytest.raises(NotOnThisTestbed, match=r"^127\.0\.0\.1 is on no interface here; name"):
        testbed.submit(chosen, resolve_own("127.0.0.1"), False).result()


def test_this_machine_is_that_of_the_process() -> None:
    """Its own range and kernel, over the public name; the words name the port."""
    seen = lab.check_here(50052)
    assert (seen.verdict.port_range, seen.kernel) == (linux_stack().port_range(), linux_stack().kernel)
    assert re.search(r"port 50052 of this machine can(not)? loop", seen.summary)


@pytest.mark.parametrize("pace", [0, -1, float("nan"), 1e9, True])
def test_a_pace_that_is_none(pace: float) -> None:
    """One line, with the value and what is allowed."""
    with pytest.raises(ValueError, match=r"^tries per second .*: give a number above 0, up to 100000$"):
        lab.check_here(50052, pace=pace)


def test_a_listener_of_another_machine_is_no_host_of_this() -> None:
    """Only addresses of this host are asked about; of others it says why not, and what may be asked about instead."""
    others = {"192.0.2.1": "is not an address of this machine", "[::1": "no address.*::1"}
    for host, said in (others | dict.fromkeys(("fe80::1", "fe80::1%lo"), "link-local.*::1")).items():
        with pytest.raises(ValueError, match=said):
            lab.check_here(50052, host=host)
    assert socket.has_ipv6 is False or lab.check_here(50052, host="[::1]").verdict.host == "::1"
    assert lab.check_here(50052, host="::ffff:127.0.0.1").verdict.host == "127.0.0.1"
