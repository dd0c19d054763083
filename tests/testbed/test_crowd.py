"""Clients that dial at once: bounded, counted in the right order, and gone with their worker."""

from __future__ import annotations

import errno
import os
import signal
import time
from concurrent.futures import Future
from itertools import pairwise
from random import SystemRandom
from typing import Any

import psutil
import pytest

import tcploop_lab as lab
from tcploop_lab.errors import WorkerDied
from tcploop_lab.study.tasks import ADDRESSES, address
from tcploop_lab.testbed import crowd_processes
from tcploop_lab.testbed.crowd import draw_crowd
from tcploop_lab.testbed.crowd_samples import CrowdSamples
from tcploop_lab.testbed.loop import LoopSpec
from tcploop_lab.testbed.testbed import Testbed

from ..waiting import PATIENCE, wait_until, wait_until_gone
from . import inside

pytestmark = pytest.mark.anyuser

NEVER_LOOPS = 40501  # an odd port in an even range
CLIENTS = ["127.9.8.7", "127.9.8.8"]


def begin(testbed: Testbed, port: int, max_tries: int, timeout: float, samples: int = 1) -> Future[Any]:
    """Let two clients dial the port in the testbed, and return the future of it."""
    spec = LoopSpec("", port, lab.ClientKind.SAME_SOCKET, max_tries, timeout)
    return testbed.submit(draw_crowd, spec, [2] * samples, CLIENTS, None, False)


def clients_of(testbed: Testbed) -> list[psutil.Process]:
    """The processes that the testbed's worker has started."""
    return psutil.Process(testbed.executor.info["pid"]).children()


def merged_steps(testbed: Testbed, hosts: tuple[str, str]) -> list[int]:
    """The steps from each source port to the next, modulo the range, of two sockets that dial in turn."""
    ports = []
    with testbed.tcp_socket() as one, testbed.tcp_socket() as other:
        for number in range(200):
            sock, host = ((one, hosts[0]), (other, hosts[1]))[number % 2]
            assert sock.connect_ex((host, NEVER_LOOPS)) == errno.ECONNREFUSED
            ports.append(sock.getsockname()[1])
    return [(after - before) % 1000 for before, after in pairwise(ports)]


def test_clients_of_one_address_share_a_counter(testbed: Testbed) -> None:
    """Two sockets walk on from each other's ports, by 2 to 16; towards two addresses each walks on its own.

    False alarms: a new counter begins every 10 s, which makes one odd step. Two walks that are apart made fewer than
    60 odd steps of 199 in none of a million simulated pairs.
    """
    one, other = (address(SystemRandom().randrange(ADDRESSES)) for _ in range(2))  # which nobody else dials
    together = merged_steps(testbed, (one, one))
    apart = merged_steps(testbed, (one, other))
    assert sum(step not in range(2, 17, 2) for step in together) <= 2
    assert sum(step not in range(2, 17, 2) for step in apart) >= 40


def test_tries_together_are_bounded(testbed: Testbed) -> None:
    """A port that never loops gives a censored sample soon after the bound, and no client is left."""
    found: CrowdSamples = begin(testbed, NEVER_LOOPS, 2_000, 60.0, samples=2).result(PATIENCE)
    assert list(found.hits) == [0, 0]
    assert all(2_000 <= tries <= 2_000 + 2 * 65 for tries in found.together)
    assert clients_of(testbed) == []


def test_a_sample_is_bounded_in_time(testbed: Testbed) -> None:
    """Clients that could go on for hours stop at the time-out."""
    found: CrowdSamples = begin(testbed, NEVER_LOOPS, 10**9, 1.0).result(PATIENCE)
    assert (list(found.hits), found.together[0] > 100) == ([0], True)


def test_clients_stop_when_the_lab_says_so(testbed: Testbed) -> None:
    """A sample that is cut off is none: what comes back is what was finished before."""
    future = begin(testbed, NEVER_LOOPS, 10**9, 60.0)
    wait_until(lambda: len(clients_of(testbed)) == 2)
    time.sleep(0.5)
    testbed.executor.stop(future)
    assert list(future.result(PATIENCE).hits) == []


def test_clients_end_with_a_killed_worker(testbed: Testbed) -> None:
    """SIGKILL to the worker in the middle of a sample leaves no client behind."""
    future = begin(testbed, NEVER_LOOPS, 10**9, 60.0)
    wait_until(lambda: len(clients_of(testbed)) == 2)
    time.sleep(0.5)
    clients = clients_of(testbed)
    os.kill(testbed.executor.info["pid"], signal.SIGKILL)
    assert len(clients) == 2
    wait_until_gone(*(client.pid for client in clients))
    with pytest.raises(WorkerDied):
        future.result(PATIENCE)


def test_a_client_that_dies_is_reported(testbed: Testbed) -> None:
    """The sample cannot be finished; the worker says so, ends the others, and lives on."""
    future = begin(testbed, NEVER_LOOPS, 10**9, 60.0)
    wait_until(lambda: len(clients_of(testbed)) == 2)
    time.sleep(0.5)
    clients_of(testbed)[0].kill()
    with pytest.raises(WorkerDied, match="a client ended in the middle of a sample"):
        future.result(PATIENCE)
    assert testbed.executor.submit(os.getpid).result(PATIENCE) == testbed.executor.info["pid"]


def test_a_listener_is_no_self_connection(one_port: Testbed) -> None:
    """Where a program answers, there is no sample but one clear line."""
    listener = one_port.executor.submit(inside.listen, "127.9.8.7", 40600).result()
    with listener, pytest.raises(lab.NotOnThisTestbed, match="port 40600: a program listens on it"):
        begin(one_port, 40600, 100, 10.0).result(PATIENCE)


def test_a_client_that_a_signal_stopped_ends_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for: the sample fails, and the client is gone."""
    monkeypatch.setattr(crowd_processes, "SILENCE", 0.5)
    spec = LoopSpec(CLIENTS[0], NEVER_LOOPS, lab.ClientKind.SAME_SOCKET, 1, 0.1)
    before = set(psutil.Process().children())
    with crowd_processes.processes(1, False) as crowd:
        started = list(set(psutil.Process().children()) - before)
        assert len(started) == 1
        started[0].suspend()
        with pytest.raises(WorkerDied, match=r"a client does not answer for 0\.5 s"):
            crowd.sample(1, spec, CrowdSamples("", ""))
    wait_until_gone(started[0].pid)
