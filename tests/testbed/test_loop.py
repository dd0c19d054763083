"""The connect loop on the real kernel: every client kind, every way to end."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

import tcploop_lab as lab
from tcploop_lab.testbed import limits
from tcploop_lab.testbed.testbed import Testbed
from tcploop_lab.tries.theory import distribution

from . import inside

pytestmark = pytest.mark.anyuser

# Bounds in the range 40000-40999 (M = 500 or, for bind-zero, 500 odd ports; 1000 for socket-range): a port that can
# loop misses its default max_tries once in a million.
CASES = [
    ("same-socket", 40500),
    ("new-socket", 40500),
    ("bind-zero", 40501),
    ("bind-no-port", 40500),
    ("bind-self", 40501),
    ("socket-range", 40501),
]


@pytest.mark.parametrize(("client", "port"), CASES)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_kind_of_client_connects_to_itself(testbed: Testbed, client: str, port: int, host: str) -> None:
    """The loop ends in a socket whose two names are equal, and all earlier tries were refused."""
    run = testbed.connect_loop(port, host=host, client=client)
    assert run.self_connected
    assert run.local == run.peer == (host, port)
    assert run.errors.get("ECONNREFUSED", 0) == run.tries - 1
    assert set(run.errors) <= {"ECONNREFUSED"}


def test_the_live_socket_echoes(one_port: Testbed) -> None:
    """What is written to the returned socket is read from it, in this process."""
    run = one_port.connect_loop(40500)
    assert run.echo(b"hello, me") == b"hello, me"
    assert run.socket is not None
    run.socket.sendall(b"by hand")
    assert run.socket.recv(100) == b"by hand"


@pytest.mark.parametrize("client", ["new-socket", "bind-no-port"])
def test_an_odd_port_of_an_even_range_never_loops(testbed: Testbed, client: str) -> None:
    """Since Linux 4.2 connect() prefers the parity of the range's low end."""
    run = testbed.connect_loop(40501, client=client, max_tries=8_000)
    assert (run.stopped, run.tries, run.connected) == ("max-tries", 8_000, False)


def test_the_trace_holds_the_source_port_of_every_try(testbed: Testbed) -> None:
    """The trace is as long as the tries, stays in the range, and ends with the port dialled."""
    run = testbed.connect_loop(40500, trace=True)
    assert run.trace is not None
    assert len(run.trace) == run.tries
    assert all(port in testbed.port_range for port in run.trace)
    assert run.trace[-1] == 40500
    assert 40500 not in run.trace[:-1]


def test_the_trace_tells_the_port_that_was_really_tried(testbed: Testbed) -> None:
    """The traced ports are the source ports of the SYNs that a capture sees."""
    with testbed.capture(40501, both_ends=False) as exchange:
        run = testbed.connect_loop(40501, max_tries=100, trace=True)
    assert [segment.sport for segment in exchange.segments if segment.flags == "S"] == list(run.trace or ())


def test_a_silent_target_does_not_hang_the_loop(testbed: Testbed) -> None:
    """A listener whose backlog is full never answers; the time-out holds all the same."""
    listener = testbed.executor.submit(inside.listen, "127.0.0.1", 40500).result()
    listener.listen(0)
    runs = [testbed.connect_loop(40500, client="new-socket", timeout=0.5)]
    while runs[-1].connected and len(runs) < 6:
        runs.append(testbed.connect_loop(40500, client="new-socket", timeout=0.5))
    assert (runs[-1].stopped, runs[-1].tries) == ("timeout", 1)
    assert 0.5 <= runs[-1].seconds < 1.5
    listener.close()


def test_an_interrupt_keeps_what_was_measured(testbed: Testbed) -> None:
    """SIGINT in the middle of a loop returns the run so far, stopped by "interrupted"."""
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    run = testbed.connect_loop(40501, max_tries=10**9)
    assert run.stopped == "interrupted"
    assert run.tries > 100
    assert testbed.connect_loop(40500).self_connected


def test_an_interrupted_wait_keeps_nobody_waiting(testbed: Testbed) -> None:
    """The next call does not wait for the rest of it, an hour here."""
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        testbed.wait(3600)
    assert testbed.connect_loop(40500).self_connected


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_progress_function_can_stop_the_loop(testbed: Testbed, in_thread: bool) -> None:
    """A KeyboardInterrupt of it ends the loop as a Ctrl-C does, also in a thread, to which no signal comes."""

    def enough(tries: int) -> None:
        if tries:
            raise KeyboardInterrupt

    dial = partial(testbed.connect_loop, 40501, max_tries=10**9, progress=enough)
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(dial).result() if in_thread else dial()
    assert run.stopped == "interrupted"
    assert run.tries > 100


def test_running_a_cell_twice_works(testbed: Testbed) -> None:
    """A second loop on the same port resets the first one's connection, which would hold the port."""
    first = testbed.connect_loop(40500)
    second = testbed.connect_loop(40500)
    assert second.self_connected
    assert first.socket is not None
    assert first.socket.fileno() == -1


def test_a_closed_or_forgotten_run_leaves_no_time_wait(one_port: Testbed) -> None:
    """A run that is closed, or dropped without close(), ends by a reset, so the next loop is certain again."""
    for closes in (True, False, False):
        run = one_port.connect_loop(40500)
        assert run.tries == 1
        if closes:
            run.close()
        del run
        gc.collect()


def test_an_orderly_close_leaves_time_wait(one_port: Testbed) -> None:
    """After close(reset=False) the only port is in TIME-WAIT: no port is left, which is an error and not a try."""
    one_port.connect_loop(40500).close(reset=False)
    run = one_port.connect_loop(40500, max_tries=5)
    assert (run.tries, run.stopped) == (0, "error")
    assert run.errors == {"EADDRNOTAVAIL": 1}


def test_the_source_address_can_be_chosen(one_port: Testbed) -> None:
    """127.0.0.2 loops if the client binds it as its source, and does not if the kernel chooses."""
    assert one_port.connect_loop(40500, host="127.0.0.2", max_tries=20).tries == 20
    assert one_port.connect_loop(40500, host="127.0.0.2", source="127.0.0.2").self_connected


def test_results_survive_the_testbed() -> None:
    """The live socket goes on working after the testbed was closed."""
    with lab.open_testbed((40500, 40500)) as testbed:
        run = testbed.connect_loop(40500)
    assert run.echo(b"still here") == b"still here"


def test_a_closed_run_says_so(one_port: Testbed) -> None:
    """echo() on a closed run is one clear line."""
    run = one_port.connect_loop(40500)
    run.close()
    with pytest.raises(RuntimeError, match="no open socket"):
        run.echo()


@pytest.mark.parametrize("client", list(lab.ClientKind))
@pytest.mark.parametrize("ports", [(40000, 40999), (40500, 40500), (1025, 65000)])
def test_default_max_tries_come_from_the_distribution(client: str, ports: tuple[int, int]) -> None:
    """The default bound fails at most once in a million for a candidate of the range, and is not wasteful."""
    bound = limits.default_max_tries(lab.PortRange(*ports), lab.ClientKind(client))
    port = ports[0] + (client == "bind-zero" and ports[0] != ports[1])
    law = distribution("random-walk", ports, port, client)
    assert law.sf(bound) <= 1e-6
    assert bound <= max(limits.MIN_TRIES, 16 * law.candidates)


BAD = [
    ({"port": 0}, "port 0: a TCP port is 1 to 65535"),
    ({"port": 40500.5}, "port 40500.5: "),
    ({"max_tries": 0}, "max tries 0: "),
    ({"max_tries": 2.5}, "max tries 2.5: "),
    ({"timeout": 0}, "timeout 0: "),
    ({"timeout": float("nan")}, "timeout nan: "),
    ({"client": "nobody"}, "client 'nobody': a client is one of same-socket, "),
    ({"host": "192.0.2.1"}, "host '192.0.2.1': 192.0.2.1 is not an address of this machine"),
    ({"host": "224.0.0.1"}, "host '224.0.0.1': "),
    ({"host": "no-such-name.invalid"}, "host 'no-such-name.invalid': "),
    ({"host": ""}, "host '': "),
    ({"source": "192.0.2.1"}, "host '192.0.2.1': "),
]


def test_bad_arguments_are_one_line(testbed: Testbed) -> None:
    """Each bad argument is a ValueError of one line that begins with the value; nothing is dialled."""
    for argument, message in BAD:
        with pytest.raises(ValueError) as caught:
            testbed.connect_loop(**({"port": 40500} | argument))  # type: ignore[arg-type]
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


def test_long_loops_show_progress(testbed: Testbed, capsys: pytest.CaptureFixture[str]) -> None:
    """A loop of more than a second shows a progress bar on standard error, and it goes away."""
    began = time.monotonic()
    testbed.connect_loop(40501, max_tries=10**9, timeout=1.6)
    assert time.monotonic() - began > 1.5
    assert "dialling" in capsys.readouterr().err
