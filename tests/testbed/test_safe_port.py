"""A port for a server: outside the range, free on every address, and held where that is asked for."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

import tcploop_lab as lab
from tcploop_lab.cli import main
from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.ports.ranges import HIGHEST_PORT, PortRange
from tcploop_lab.stacks.linux import linux_stack
from tcploop_lab.testbed.hosts import resolve_own
from tcploop_lab.testbed.safe_port import chosen

from . import planted

pytestmark = pytest.mark.anyuser
COMMAND = [sys.executable, "-m", "tcploop_lab", "port"]
ALL_BUT_TWO, ALL = PortRange(1024, HIGHEST_PORT - 2), PortRange(1024, HIGHEST_PORT)


def choose(stack: object, hold: bool = False) -> tuple[int, str]:
    """A port of a worker's network, and why; a held one is kept."""
    found = chosen(stack, resolve_own("127.0.0.1"), hold)  # type: ignore[arg-type]
    planted.keep(found)
    return found.port, found.why


def binds(port: int, reuse: bool) -> bool:
    """True if a server could listen on the port now."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
        except OSError:
            return False
        return True


def test_it_lies_outside_the_range_and_is_a_number() -> None:
    """Of this machine; where one is asked for it is taken for a number."""
    port = lab.safe_port()
    assert port.port not in linux_stack().port_range()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        assert sock.getsockname()[1] == int(port) == port.port
    assert not port.held and repr(port).startswith(f"<SafePort: port {port.port}: outside the ephemeral range ")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", "0.0.0.0"])
def test_a_port_that_somebody_has_is_not_given(address: str) -> None:
    """On whatever address; with one left of two outside the range it is the other one, every time."""
    with lab.open_testbed(port_range=ALL_BUT_TWO, kind="namespace") as testbed:
        with testbed.hold(HIGHEST_PORT, address):
            assert {testbed.submit(choose).result()[0] for _ in range(20)} == {HIGHEST_PORT - 1}
        testbed.submit(planted.reserve, PortRange(HIGHEST_PORT - 1, HIGHEST_PORT - 1)).result()
        assert {testbed.submit(choose).result()[0] for _ in range(20)} == {HIGHEST_PORT}


def test_where_the_range_leaves_none_it_must_be_held() -> None:
    """Otherwise the reason and the way out; a held one is never given to a connect()."""
    with lab.open_testbed(port_range=ALL, kind="namespace") as testbed:
        with pytest.raises(NotOnThisTestbed, match=r"leaves no free port outside: hold one of it"):
            testbed.submit(choose).result()
        port, why = testbed.submit(choose, True).result()
        assert "safe while it is held" in why
        assert {rule.name for rule in testbed.check(port, client="bind-zero").broken} >= {"not held"}


def test_a_held_port_is_for_its_server_alone() -> None:
    """Who binds without SO_REUSEADDR does not get it; the server with it does, and who takes the socket can listen."""
    with lab.safe_port(hold=True) as held:
        assert (binds(held.port, reuse=False), binds(held.port, reuse=True)) == (False, True)
        assert held.held
        held.socket.listen()
        with socket.create_connection(("127.0.0.1", held.port)) as client:
            assert client.getpeername()[1] == held.port
    assert (held.held, binds(held.port, reuse=False)) == (False, True)


def test_two_who_hold_have_two_ports() -> None:
    """Of the two that are outside each gets one, and the third who asks gets none of them."""
    with lab.open_testbed(port_range=ALL_BUT_TWO, kind="namespace") as narrow:
        ports = [narrow.submit(choose, True).result() for _ in range(3)]
    assert {port for port, _ in ports[:2]} == {HIGHEST_PORT - 1, HIGHEST_PORT}
    assert ports[2][0] in ALL_BUT_TWO


def test_the_command_prints_a_number_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """For `$(tcploop port)`; --json has the reason."""
    assert main(["port"]) == 0
    assert int(capsys.readouterr().out) not in linux_stack().port_range()
    assert main(["port", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["held"], record["host"]) == (False, "127.0.0.1")
    assert record["port"] not in PortRange(*record["range"])


def test_the_command_holds_until_its_input_ends() -> None:
    """Meanwhile nobody else binds it; then anybody may."""
    with subprocess.Popen([*COMMAND, "--hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        port = int(holder.stdout.readline())
        held = not binds(port, reuse=False)
        holder.stdin.close()  # which ends it, whatever was seen
    assert (held, holder.returncode) == (True, 0)
    assert binds(port, reuse=False)
