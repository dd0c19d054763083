"""Testbeds beside one another: the kernel has one table of steps for all its networks, so each has an address."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
from itertools import pairwise

import pytest

import tcploop_lab as lab

TRIES = 20_000
KERNEL = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))


def long_steps(testbed: lab.Testbed, found: list[int]) -> None:
    """Count the steps of a walk that are none: longer than 16, or back, but for the end of the range."""
    mine = testbed.address
    run = testbed.connect_loop(33333, mine, max_tries=TRIES, trace=True, source=mine, progress=False)
    assert run.tries == TRIES
    width = testbed.port_range.width
    found.append(sum(not 2 <= (after - before) % width <= 16 for before, after in pairwise(run.trace)))


def two_at_once() -> list[int]:
    """What two testbeds count that dial the same port at once, each at its own address."""
    found: list[int] = []
    with lab.open_testbed() as one, lab.open_testbed() as other:
        assert one.address != other.address
        walkers = [threading.Thread(target=long_steps, args=(testbed, found)) for testbed in (one, other)]
        for walker in walkers:
            walker.start()
        for walker in walkers:
            walker.join()
    return found


@pytest.mark.private_network
def test_two_testbeds_at_once_do_not_move_each_others_walk() -> None:
    """At addresses of their own, a walk has one long step at most: every 10 s the kernel begins it at another place.

    Two addresses share one of 65,536 places of the table by chance: two pairs do it once in 4e9.
    """
    found = two_at_once()
    assert len(found) == 2
    assert max(found) <= 1 or max(two_at_once()) <= 1


def test_a_simulated_kernel_is_nobody_elses() -> None:
    """There is no neighbour in a simulated kernel: its address is the usual one, and its results can be repeated."""
    assert lab.open_testbed(kernel="6.18").address == "127.0.0.1"


@pytest.mark.private_network
@pytest.mark.parametrize("kind", ["namespace", "simulated"])
def test_an_own_address_is_dialled_and_keeps_time_wait(kind: str) -> None:
    """It is refused before it was given; 1.5 s after an orderly close it does not loop again, and 127.0.0.1 does."""
    met = {}
    with lab.open_testbed((40000, 40099), kind=kind) as testbed:
        with pytest.raises(ValueError, match=r"^host '192\.0\.2\.7': .* is not an address of this machine"):
            testbed.connect_loop(40050, "192.0.2.7")
        for host in ("127.0.0.1", testbed.own_address()):
            testbed.connect_loop(40050, host).close(reset=False)
            testbed.wait(1.5)
            met[host] = testbed.connect_loop(40050, host, max_tries=3_000).self_connected
    assert met == {"127.0.0.1": True, "192.0.2.7": False}


def test_on_the_host_it_is_the_machines_own() -> None:
    """No address is given to the host: it is one that it has, or a sentence says that it has none."""
    with lab.open_testbed(kind="host") as testbed:
        try:
            own = testbed.own_address()
        except lab.NotOnThisTestbed as reason:
            assert "no address but loopback" in str(reason)
        else:
            assert testbed.connect_loop(33334, own, max_tries=5).tries <= 5


OPEN = """
import os, random, socket, sys
os.setuid(65534)
sock = socket.socket()
port = random.randrange(50000, 60000)
only = (port << 16 | port).to_bytes(4, sys.byteorder)
sock.setsockopt(socket.SOL_IP, 51, only)  # IP_LOCAL_PORT_RANGE: a port that is bound would loop on no address
sock.connect(("127.0.0.1", port))
print(port, flush=True)
sys.stdin.read()
"""


@pytest.mark.may_skip("needs root, who can be two users, and Linux 6.3")
@pytest.mark.skipif(os.geteuid() != 0 or KERNEL < (6, 3), reason="needs root, who can be two users, and Linux 6.3")
def test_another_users_open_run_is_in_nobodys_way() -> None:
    """On the host's loopback a loop that names no host then runs at the testbed's address; one that does is told."""
    with subprocess.Popen([sys.executable, "-c", OPEN], stdin=-1, stdout=-1, text=True) as neighbour:
        port = int(neighbour.stdout.readline())
        with lab.open_testbed((port, port), kind="host") as testbed:
            run = testbed.connect_loop(port, max_tries=50)
            named = testbed.connect_loop(port, "127.0.0.1", max_tries=50)
        neighbour.stdin.close()
    assert run.self_connected and run.host == testbed.address
    assert not named.self_connected and "another self-connection" in named.held_by[0]


def test_ones_own_open_connection_is_in_ones_way() -> None:
    """A socket that the learner holds is what the lesson is about: the loop stays at 127.0.0.1, and fails there."""
    with lab.open_testbed(kind="host") as testbed, testbed.tcp_socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        run = testbed.connect_loop(sock.getsockname()[1], max_tries=50)
    assert run.host == "127.0.0.1" and not run.self_connected
