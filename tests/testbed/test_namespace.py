"""The private network: its own range, no way out, and the host as it was."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks import namespace
from tcploop_lab.testbed.loop import LoopSpec, run_loop
from tcploop_lab.testbed.testbed import Testbed

from . import inside

pytestmark = pytest.mark.anyuser

SYSCTLS = sorted(Path("/proc/sys/net/ipv4").glob("*"))


def host_settings() -> dict[str, str]:
    """Every readable IPv4 sysctl of the host, by name."""
    settings = {}
    for path in SYSCTLS:
        try:
            settings[path.name] = path.read_text()
        except OSError:
            continue
    return settings


@pytest.mark.private_network
def test_default_testbed_is_a_private_namespace() -> None:
    """open_testbed() gives a network namespace that is not the host's."""
    with lab.open_testbed() as testbed:
        assert testbed.kind == "namespace"
        assert testbed.executor.info["network"] != namespace.network_id()


def test_the_range_is_its_own() -> None:
    """Two testbeds have two ranges at the same time."""
    with lab.open_testbed((40000, 40999)) as one, lab.open_testbed("50001-50010") as other:
        assert one.port_range == lab.PortRange(40000, 40999)
        assert other.port_range == lab.PortRange(50001, 50010)


def test_the_hosts_settings_stay_as_they_are(testbed: Testbed) -> None:
    """No IPv4 sysctl of the host changes while a testbed sets its range, reserves ports and loops."""
    before = host_settings()
    assert len(before) > 50
    testbed.executor.submit(namespace.write_reserved, "40002").result()
    testbed.connect_loop(40500)
    assert host_settings() == before


def test_nothing_can_leave(testbed: Testbed) -> None:
    """Inside, a connect to an address that is not loopback fails: there is no route."""
    assert testbed.executor.submit(inside.dial, "192.0.2.1", 80, 5.0).result() == errno.ENETUNREACH


def test_worker_keeps_its_user(testbed: Testbed) -> None:
    """Inside, the user number is the one outside: the namespace gives no rights over files."""
    mapping = testbed.executor.submit(inside.read, "/proc/self/uid_map").result().split()
    assert mapping[0] == mapping[1]
    assert mapping[2] == "1"


def test_an_own_ipv6_address_of_the_host_can_be_dialled_inside(one_port: Testbed) -> None:
    """An address added to the private loopback loops like ::1; test_address.py has the same for IPv4."""
    address = "2001:db8::7"
    one_port.executor.submit(namespace.add_address, address).result()
    spec = LoopSpec(address, 40500, lab.ClientKind.SAME_SOCKET, max_tries=1, timeout=5.0)
    outcome, sock = one_port.submit(run_loop, spec).result()
    assert outcome.local == outcome.peer == (address, 40500)
    sock.close()


@pytest.mark.private_network
def test_refused_namespaces_give_the_host_testbed_and_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where unshare() is refused (made real: no namespace may be made below this one) the host is used."""
    script = (
        "import tcploop_lab as lab; from tcploop_lab.stacks import namespace as n; n.enter_private_network();"
        "[open(f'/proc/sys/user/max_{kind}_namespaces', 'w').write('0') for kind in ('user', 'net')];"
        "t = lab.open_testbed((40000, 40999)); print(t); run = t.connect_loop(40501, max_tries=400000);"
        "print(run.self_connected, run.port_range); t.close()"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "host testbed (no private namespace: unshare() said No space left on device)" in answer.stdout
    assert "True 40000-40999" in answer.stdout
    assert answer.stderr == ""


def test_a_kind_that_is_unknown_or_refused_is_one_line() -> None:
    """A wrong kind is a ValueError that lists the kinds."""
    with pytest.raises(ValueError, match=r"^testbed 'moon': a testbed is namespace, host, simulated"):
        lab.open_testbed(kind="moon")


@pytest.mark.private_network
def test_a_range_of_privileged_ports_is_possible_inside() -> None:
    """A range below 1024 works in the namespace, where no port is privileged."""
    with lab.open_testbed((80, 90)) as testbed:
        assert testbed.kind == "namespace"
        assert testbed.connect_loop(84).self_connected


@pytest.mark.parametrize("workers", [0, -1, 65, 10**9])
def test_the_number_of_workers_is_bounded(workers: int) -> None:
    """More workers than any course needs are refused in one line, before one is started."""
    with pytest.raises(ValueError, match=rf"^workers {workers}: give 1 to 64$"):
        lab.open_testbed(workers=workers)
