"""The executor: results, errors, stops, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types

import psutil
import pytest

from tcploop_lab.errors import WorkerDied
from tcploop_lab.stacks import wire
from tcploop_lab.stacks.executor import NamespaceExecutor
from tcploop_lab.testbed.testbed import Testbed

from ..waiting import PATIENCE, wait_until, wait_until_gone
from . import inside

pytestmark = pytest.mark.anyuser


def test_an_error_inside_is_raised_outside(testbed: Testbed) -> None:
    """The exception of a task reaches the caller with its text, and the next task runs."""
    with pytest.raises(LookupError, match="nothing there"):
        testbed.executor.submit(inside.fail, "nothing there").result()
    assert testbed.executor.submit(os.getpid).result() == testbed.executor.info["pid"]


def test_a_result_that_cannot_be_sent_is_an_error(testbed: Testbed) -> None:
    """A result that cannot be pickled is a TypeError, not a hang."""
    with pytest.raises(TypeError, match="cannot be sent"):
        testbed.executor.submit(inside.unsendable).result(PATIENCE)


def test_a_function_of_a_notebook_is_refused_in_words(testbed: Testbed) -> None:
    """A worker cannot import from `__main__`; submit() says so at once."""
    local = types.FunctionType(test_a_result_that_cannot_be_sent_is_an_error.__code__, {"__name__": "__main__"})
    with pytest.raises(ValueError, match="a worker runs what it can import"):
        testbed.executor.submit(local)


def test_a_dead_worker_is_reported_and_replaced(testbed: Testbed) -> None:
    """A worker that dies fails its own task only; the next task gets a new namespace with the same range."""
    with pytest.raises(WorkerDied):
        testbed.executor.submit(inside.die).result(PATIENCE)
    assert str(testbed.port_range) == "40000-40999"


def test_a_task_can_be_stopped(testbed: Testbed) -> None:
    """stop() makes a running task return what it has; its reports have arrived."""
    future = testbed.executor.submit(inside.wait_for_stop, 2 * PATIENCE)
    wait_until(lambda: future.reports)  # type: ignore[attr-defined]
    testbed.executor.stop(future)
    assert future.result(PATIENCE) == "stopped"
    assert future.reports[0] == "working"  # type: ignore[attr-defined]


def test_a_waiting_task_is_cancelled_by_stop(testbed: Testbed) -> None:
    """stop() on a task that has not begun cancels it."""
    first = testbed.executor.submit(inside.wait_for_stop, 2 * PATIENCE)
    wait_until(first.running)
    second = testbed.executor.submit(os.getpid)
    testbed.executor.stop(second)
    testbed.executor.stop(first)
    assert second.cancelled()
    assert first.result(PATIENCE) == "stopped"


def test_a_stop_at_the_very_start_arrives(testbed: Testbed) -> None:
    """A task is stopped from the moment it is running, also while it is just being sent to its worker."""
    for _ in range(200):
        future = testbed.executor.submit(inside.wait_for_stop, 2 * PATIENCE)
        while not future.running():
            pass
        testbed.executor.stop(future)
        assert future.result(PATIENCE) == "stopped"


def test_a_worker_that_does_not_read_holds_up_nobody_else() -> None:
    """Its task is longer than its channel takes: stop() waits for nobody, and arrives when the task has."""
    with NamespaceExecutor(2) as executor:
        deaf = psutil.Process(executor.info["pid"])
        deaf.suspend()
        futures = [executor.submit(inside.wait_for_stop, 2 * PATIENCE, bytes(1 << 24)) for _ in range(2)]
        wait_until(lambda: all(future.running() for future in futures))
        stops = [threading.Thread(target=executor.stop, args=(one,), daemon=True) for one in [*futures, *futures]]
        for stop in stops:
            stop.start()
        wait_until(lambda: not any(stop.is_alive() for stop in stops) and any(future.done() for future in futures))
        assert not all(future.done() for future in futures)
        deaf.resume()
        assert [future.result(PATIENCE) for future in futures] == ["stopped", "stopped"]


def test_a_stop_that_comes_too_late_is_for_nobody(testbed: Testbed) -> None:
    """A stop for a task that has ended neither ends the worker nor stops the next task."""
    worker = testbed.executor._crew.workers[0]
    testbed.executor.submit(os.getpid).result(PATIENCE)
    wire.send(worker.channel, ("stop", 0))
    assert testbed.executor.submit(inside.wait_for_stop, 0.1).result(PATIENCE) == "not stopped"
    future = testbed.executor.submit(inside.wait_for_stop, 0.3)
    time.sleep(0.1)
    wire.send(worker.channel, ("stop", 0))
    assert future.result(PATIENCE) == "not stopped"


def test_a_worker_has_one_thread(testbed: Testbed) -> None:
    """Beside a second thread every try of the loop would cost more."""
    future = testbed.executor.submit(inside.wait_for_stop, 0.2)
    assert psutil.Process(testbed.executor.info["pid"]).num_threads() == 1
    assert future.result(PATIENCE) == "not stopped"


def test_each_worker_has_its_own_network() -> None:
    """Two workers that work at the same time live in two network namespaces."""
    with NamespaceExecutor(2) as executor:
        networks = [executor.submit(inside.network_after, 0.5).result for _ in range(2)]
        assert len({network() for network in networks}) == 2


def test_closing_ends_the_worker_even_in_the_middle_of_a_task(testbed: Testbed) -> None:
    """close() does not wait for the task, and the worker is gone, without a child of its own left behind."""
    worker = testbed.executor.info["pid"]
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    future = testbed.executor.submit(inside.wait_for_stop, 2 * PATIENCE)
    wait_until(lambda: future.reports)  # type: ignore[attr-defined]
    testbed.close()
    wait_until_gone(worker)
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before - {worker}
    assert isinstance(future.exception(PATIENCE), WorkerDied)


def test_a_closed_testbed_says_so(testbed: Testbed) -> None:
    """Using a closed testbed is one clear line."""
    testbed.close()
    with pytest.raises(RuntimeError, match="this testbed is closed"):
        testbed.connect_loop(40500)


PARENT = textwrap.dedent(
    """
    import sys, time
    import tcploop_lab as lab
    testbed = lab.open_testbed((40000, 40999))
    print(testbed.executor.info["pid"], flush=True)
    {then}
    """
)


def run_parent(then: str) -> tuple[subprocess.Popen[str], int]:
    """Start a process without a __main__ guard that opens a testbed; return it and its worker's pid."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(then=then)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@pytest.mark.parametrize(
    "then",
    [
        "time.sleep(60)",
        "testbed.connect_loop(40501, max_tries=10**9)",
        "testbed.executor.submit(time.sleep, 60).result()",
    ],
)
def test_a_killed_parent_takes_the_worker_along(then: str) -> None:
    """After SIGKILL of the lab's process its worker is gone: idle, in a loop, or deaf in a long call."""
    parent, worker = run_parent(then)
    time.sleep(0.3)
    assert psutil.pid_exists(worker)
    parent.send_signal(signal.SIGKILL)
    parent.wait(PATIENCE)
    wait_until_gone(worker)


def test_an_exception_in_the_parent_takes_the_worker_along() -> None:
    """A script that ends by an exception leaves no worker behind."""
    parent, worker = run_parent("raise RuntimeError('a mistake in a cell')")
    assert parent.wait(PATIENCE) == 1
    wait_until_gone(worker)
