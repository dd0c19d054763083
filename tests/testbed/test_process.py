"""A testbed and the process that it belongs to: forks of it, debuggers in it, and nobody who refers to it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil
import pytest

import tcploop_lab as lab
from tcploop_lab.testbed.testbed import Testbed
from tests.waiting import wait_until, wait_until_gone

from .test_executor import PARENT

CALLS: dict[str, Callable[[Testbed], Any]] = {
    "connect_loop": lambda testbed: testbed.connect_loop(40500),
    "check": lambda testbed: testbed.check(40500),
    "port_range": lambda testbed: testbed.port_range,
    "counters": lambda testbed: testbed.counters(),
    "capture": lambda testbed: testbed.capture(40500),
    "submit": lambda testbed: testbed.submit(os.getpid),
}


def in_a_fork(call: Callable[[], Any]) -> str:
    """What a call says in a forked child, which has 20 s for it."""
    ours, theirs = multiprocessing.Pipe(duplex=False)

    def work() -> None:
        try:
            theirs.send(repr(call()))
        except Exception as error:
            theirs.send(f"{type(error).__name__}: {error}")

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    try:
        return ours.recv() if ours.poll(20) else "it hangs"
    finally:
        child.kill()
        child.join()


@pytest.mark.parametrize("kind", ["namespace", "simulated"])
def test_a_fork_is_told_that_the_testbed_is_not_its_own(kind: str) -> None:
    """Each call in a forked child is one line, at once, and the parent goes on."""
    with lab.open_testbed((40500, 40500), kind=kind) as testbed:
        said = {name: in_a_fork(partial(call, testbed)) for name, call in CALLS.items()}
        told = f"RuntimeError: this testbed belongs to process {os.getpid()}, and this is a fork of it"
        assert {name: words for name, words in said.items() if not words.startswith(told)} == {}
        assert testbed.connect_loop(40500, progress=False).self_connected


def test_what_a_fork_closes_stays_open(one_port: Testbed) -> None:
    """close(), the end of a `with` block and the end of a child leave the parent's worker alone; its repr says why."""

    def leave() -> Testbed:
        with one_port:
            one_port.close()
        return one_port

    worker = one_port.executor.info["pid"]
    assert in_a_fork(leave) == "<Testbed: of another process>"
    assert one_port.connect_loop(40500, progress=False).self_connected
    assert one_port.executor.info["pid"] == worker


def test_a_fork_may_open_a_testbed_of_its_own(one_port: Testbed) -> None:
    """A child opens another one, and closes it."""

    def own() -> str:
        with lab.open_testbed((40500, 40500)) as testbed:
            return testbed.connect_loop(40500, progress=False).stopped

    assert in_a_fork(own) == "'connected'"
    assert one_port.connect_loop(40500, progress=False).self_connected


def test_a_fork_does_not_keep_the_worker_of_a_lab_that_is_gone() -> None:
    """The lab is killed while a forked child of it lives: the worker ends all the same."""
    then = "import os\nchild = os.fork()\nprint(child, flush=True) if child else None\ntime.sleep(60)"
    program = [sys.executable, "-c", PARENT.format(then=then)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker, child = int(parent.stdout.readline()), int(parent.stdout.readline())
        parent.kill()
        try:
            wait_until_gone(worker)
            assert psutil.pid_exists(child)
        finally:
            os.kill(child, signal.SIGKILL)


def test_testbeds_that_nobody_refers_to_are_closed() -> None:
    """Ten testbeds without a name leave no process; a task that was submitted to one is still done."""
    before = {child.pid for child in psutil.Process().children()}
    for _ in range(10):
        lab.open_testbed((40500, 40500), kind="namespace").connect_loop(40500, progress=False).close()
    last = lab.open_testbed(kind="namespace").executor.submit(os.getpid)
    assert last.result(20) not in before
    gc.collect()
    wait_until(lambda: {child.pid for child in psutil.Process().children()} <= before)


DEBUGGED = """
import debugpy, json, socket
host, port = debugpy.listen(("127.0.0.1", 0))
client = socket.create_connection((host, port))
heard = client.makefile("rb")
def say(number, command, **arguments):
    body = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments}).encode()
    client.sendall(b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
def message():
    length = int(heard.readline().split(b":")[1])
    heard.readline()
    return json.loads(heard.read(length))
say(1, "initialize", clientID="test", adapterID="")
say(2, "attach", connect={"host": host, "port": port})
while message().get("event") != "initialized": pass
say(3, "configurationDone")
debugpy.wait_for_client()
import tcploop_lab as lab
with lab.open_testbed((40500, 40500), kind="namespace") as testbed:
    print(testbed.connect_loop(40500, progress=False).self_connected)
"""


def test_it_opens_beside_a_debugger() -> None:
    """With a client at debugpy, as in JupyterLab with its debugger on, a testbed opens at once, and privately."""
    done = subprocess.run([sys.executable, "-c", DEBUGGED], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\n", done.stderr


def test_the_variables_of_python_do_not_reach_a_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A module of the learner's that is called as one of the standard library's, on PYTHONPATH, breaks no worker."""
    (tmp_path / "signal.py").write_text("raise SystemExit('a module of the learner')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "signal.py"))
    with lab.open_testbed((40500, 40500), kind="namespace") as testbed:
        assert testbed.connect_loop(40500, progress=False).self_connected


@pytest.mark.parametrize("seconds", [0.0, 0.001, 7.0])
def test_received_sockets_have_a_time_limit_of_their_own(seconds: float) -> None:
    """socket.setdefaulttimeout() of the host program reaches neither the sockets of the lab nor its channel."""
    socket.setdefaulttimeout(seconds)
    try:
        with lab.open_testbed((40500, 40500), kind="namespace") as testbed:
            with testbed.capture(40500) as exchange:
                run = testbed.connect_loop(40500, progress=False)
            assert run.self_connected and exchange.segments[0].flags == "S"
    finally:
        socket.setdefaulttimeout(None)
