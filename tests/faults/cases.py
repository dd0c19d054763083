"""The faults: each is made real once, and says what the user saw and what was kept. The cases raise if one is wrong."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

import tcploop_lab as lab
from tcploop_lab.errors import WorkerDied
from tcploop_lab.stacks import worker_process
from tcploop_lab.stacks.linux import linux_stack
from tcploop_lab.testbed.loop import LoopSpec, run_loop
from tcploop_lab.testbed.testbed import Testbed

RANGE = (40000, 40999)
NEVER = 40501  # odd, in a range that begins with an even port
SMALL_DISK = """
import os, sys
from pathlib import Path
from tests.matrix.situations import become_with_own_mounts, mount
become_with_own_mounts(0)
mount(b"none", sys.argv[1].encode(), b"tmpfs", data=f"size={sys.argv[2]}k".encode())
os.chdir(sys.argv[1])
"""


def new_children(before: set[int]) -> set[int]:
    """The child processes that were not there before, after they had a moment to end."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        left = {child.pid for child in psutil.Process().children(recursive=True) if child.is_running()} - before
        if not left:
            return left
        time.sleep(0.05)
    return left


@contextmanager
def long_loop(testbed: Testbed, **arguments: Any) -> Iterator[list[Any]]:
    """A loop that never connects, in a thread; yields the list in which its run, or its error, will be."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(testbed.connect_loop(NEVER, max_tries=10**9, progress=False, **arguments))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    yield found
    thread.join(20)
    assert found, "the loop hangs"


def lab_killed() -> tuple[str, str]:
    """SIGKILL of the process that holds the lab, in the middle of a loop."""
    code = "import tcploop_lab as lab; t = lab.open_testbed(); print(t.executor.info['pid'], flush=True);"
    program = subprocess.Popen([sys.executable, "-c", code + "t.connect_loop(33333, max_tries=10**9)"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    assert program.stdout is not None
    worker = int(program.stdout.readline())
    program.kill()
    program.communicate()
    end = time.monotonic() + 15
    while psutil.pid_exists(worker) and time.monotonic() < end:
        time.sleep(0.02)
    assert not psutil.pid_exists(worker)
    return "its program is gone", "what a study had stored (see below)"


def worker_killed() -> tuple[str, str]:
    """SIGKILL of the worker in the middle of a loop."""
    with lab.open_testbed(RANGE) as testbed:
        with long_loop(testbed) as found:
            os.kill(testbed.executor.info["pid"], signal.SIGKILL)
        assert isinstance(found[0], WorkerDied)
        assert testbed.connect_loop(40500, progress=False).self_connected
        return f"WorkerDied: {found[0]}", "the testbed: the next call gets a new worker"


def worker_stopped() -> tuple[str, str]:
    """SIGSTOP of the worker in the middle of a loop."""
    before, worker_process.STOPPED_TIMEOUT = worker_process.STOPPED_TIMEOUT, 0.6
    try:
        with lab.open_testbed(RANGE) as testbed:
            with long_loop(testbed) as found:
                os.kill(testbed.executor.info["pid"], signal.SIGSTOP)
            assert isinstance(found[0], WorkerDied)
            assert testbed.connect_loop(40500, progress=False).self_connected
    finally:
        worker_process.STOPPED_TIMEOUT = before
    return f"WorkerDied: {found[0]}".replace("0.6", f"{before:g}"), "the testbed: the next call gets a new worker"


def study_worker_killed(folder: Path) -> tuple[str, str]:
    """SIGKILL of one of two workers in the middle of a study."""
    study, path = lab.Study(ports=[40500, NEVER], ranges=[RANGE], samples=40, max_tries=6_000), folder / "study.sqlite"
    outside = {child.pid for child in psutil.Process().children()}
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(study.run(workers=2, out=path, progress=False)))
    thread.start()
    while thread.is_alive() and not (path.exists() and path.stat().st_size and lab.StudyResult.load(path).samples):
        time.sleep(0.01)
    victims = {child.pid for child in psutil.Process().children()} - outside
    with suppress(ProcessLookupError):
        os.kill(min(victims), signal.SIGKILL)
    thread.join(60)
    path.unlink()
    assert found[0].complete and found[0].cells[1].hits == 0
    return "nothing: the task is begun again by another worker", "every sample, each once"


def memory_limit() -> tuple[str, str]:
    """The worker may use no more memory, and the trace grows."""
    with lab.open_testbed(RANGE) as testbed:
        testbed.executor.submit(limit_memory, 200_000).result()
        run = testbed.connect_loop(NEVER, max_tries=10**9, trace=True, progress=False)
        assert (run.stopped, dict(run.errors).get("ENOMEM")) == ("error", 1)
        assert run.tries > 1_000
    return "the run: stopped by error, ENOMEM x 1", "the tries; their trace has to go"


def limit_memory(more: int) -> None:
    """Let this process have so many bytes more than it has now. Runs in the worker."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def on_small_disk(code: str, folder: Path, size: int) -> str:
    """Run code in a folder that is a disk of so many kB, and return what it printed."""
    command = [sys.executable, "-c", SMALL_DISK + code, str(folder), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def disk_full_study(folder: Path) -> tuple[str, str]:
    """The disk is full while a study stores its samples."""
    printed = on_small_disk(
        """
import tcploop_lab as lab
study = lab.Study([40500], [(40500, 40500)], samples=4000)
try:
    study.run(out="study.sqlite", progress=False)
except Exception as error:
    print(f"{type(error).__name__}: {error}")
    kept = lab.StudyResult.load("study.sqlite")
    assert kept.samples == error.result.samples and 0 < kept.samples < 4000, kept
import subprocess
os.unlink("study.sqlite")
order = "study --ports 40500 --ranges 40500-40500 --samples 4000 --out study.sqlite".split()
done = subprocess.run([sys.executable, "-m", "tcploop_lab", *order], capture_output=True, text=True)
print(done.returncode, done.stderr.splitlines()[-1])
""",
        folder,
        size=160,
    )
    library, command = printed.splitlines()
    assert library.startswith("StudyStopped: the study stopped: ") and library.endswith("with resume=True to go on")
    assert command.startswith("3 tcploop: the study stopped: ") and "; go on with --resume" in command, command
    return "StudyStopped, with the reason, how many samples are there, and how to go on", "every sample that was stored"


def disk_full_at_the_beginning(folder: Path) -> tuple[str, str]:
    """The disk is full before a study's file is begun: by the library, and by the command."""
    printed = on_small_disk(
        """
import subprocess
import tcploop_lab as lab
open("filler", "wb").write(bytes(8_192))
try:
    lab.Study([40500], [(40500, 40500)], samples=4).run(out="study.sqlite", progress=False)
except ValueError as error:
    print(error)
order = "study --ports 40500 --ranges 40500-40500 --samples 4 --out study.sqlite".split()
done = subprocess.run([sys.executable, "-m", "tcploop_lab", *order], capture_output=True, text=True)
print(done.returncode, done.stderr.splitlines()[-1], os.listdir())
""",
        folder,
        size=12,
    )
    error, command = printed.splitlines()
    assert command == f"2 tcploop: {error} ['filler']"
    return f"ValueError: {error}; from the command the same, exit 2", "no half-made file"


def disk_full_pcap(folder: Path) -> tuple[str, str]:
    """The disk is full while an exchange is written to a pcap file."""
    printed = on_small_disk(
        """
import tcploop_lab as lab
open("filler", "wb").write(bytes(60_000))
exchange = lab.recorded("self-connection")
for number in range(9):
    try:
        exchange.pcap(f"{number}.pcap")
    except ValueError as error:
        print(error, os.path.exists(f"{number}.pcap"))
        break
""",
        folder,
        size=64,
    )
    assert printed.endswith("No space left on device; give a path that can be written False"), printed
    return f"ValueError: {printed.removesuffix(' False')}", "the exchange, in memory; no half-written file"


def clock_jumps() -> tuple[str, str]:
    """The clock jumps by a day, forward and back, with every look at it (imitated: time.time() does)."""
    with lab.open_testbed(RANGE) as testbed:
        testbed.executor.submit(make_clock_jump).result()
        run = testbed.connect_loop(NEVER, timeout=0.5, max_tries=10**9, progress=False)
        assert run.stopped == "timeout" and 0.4 < run.seconds < 5
        assert testbed.connect_loop(40500, progress=False).self_connected
    return "nothing: times are taken from a clock that does not jump", "everything"


def make_clock_jump() -> None:
    """Let time.time() of this process alternate between days. Runs in the worker."""
    now, jumps = time.time, iter(range(10**9))
    time.time = lambda: now() + 86400 * (-1) ** next(jumps)


def no_descriptors_in_worker() -> tuple[str, str]:
    """The worker has no descriptor left in the middle of a loop with new sockets."""
    with lab.open_testbed(RANGE) as testbed:
        stopped, errors, tries = testbed.executor.submit(loop_until_descriptors_end).result()
        assert stopped == "error" and 20 < tries < 40
        assert errors == {"ECONNREFUSED": tries, "EMFILE": 1}
    return "the run: stopped by error, EMFILE x 1", "the tries before; EMFILE counts as no try"


def loop_until_descriptors_end() -> tuple[str, dict[str, int], int]:
    """Loop with new sockets that are not closed, up to a limit of descriptors. Runs in the worker."""
    used = len(os.listdir("/proc/self/fd")) - 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 31, used + 31))
    hoard: list[socket.socket] = []
    close, socket.socket.close = socket.socket.close, lambda sock: hoard.append(sock)
    try:
        spec = LoopSpec("127.0.0.1", NEVER, lab.ClientKind.NEW_SOCKET, 10**6, 20.0)
        outcome, _ = run_loop(linux_stack(), spec)
    finally:
        socket.socket.close = close  # type: ignore[method-assign]
    for sock in hoard:
        sock.close()
    return outcome.stopped, dict(outcome.errors), outcome.tries


def no_descriptors_in_lab() -> tuple[str, str]:
    """The notebook's own process has no descriptor left when a connected socket arrives."""
    with lab.open_testbed((40500, 40500)) as testbed:
        testbed.connect_loop(40500, progress=False).close()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir("/proc/self/fd")))
        hoard = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest)]  # fill the gaps below the highest one
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hoard[-1], highest) + 1, limits[1]))
        with suppress(OSError):
            while True:
                hoard.append(os.open("/dev/null", os.O_RDONLY))
        try:
            text = refused_in_words(lambda: testbed.connect_loop(40500, progress=False))
        finally:
            for descriptor in hoard:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        time.sleep(1.1)  # the socket that was lost is in TIME-WAIT
        assert testbed.connect_loop(40500, progress=False).self_connected
    return f"NoDescriptorFree: {text}", "the testbed: it works again when there is room"


def refused_in_words(call: Callable[[], Any]) -> str:
    """The one line that a call fails with."""
    try:
        call()
    except RuntimeError as error:
        assert "\n" not in str(error)
        return str(error)
    raise AssertionError("it did not fail")


def ports_exhausted() -> tuple[str, str]:
    """Every port of the range is held."""
    with lab.open_testbed((40000, 40009)) as testbed:
        held = [testbed.hold(port) for port in range(40000, 40010)]
        run = testbed.connect_loop(40004, progress=False)
        assert (run.stopped, run.tries, dict(run.errors)) == ("error", 0, {"EADDRNOTAVAIL": 1})
        for sock in held:
            sock.close()
        assert testbed.connect_loop(40004, progress=False).self_connected
    return "the run: stopped by error, EADDRNOTAVAIL x 1", "the tries before; EADDRNOTAVAIL counts as no try"


def listener_appears() -> tuple[str, str]:
    """Somebody begins to listen on the port in the middle of a loop."""
    with lab.open_testbed(RANGE) as testbed:
        server = testbed.tcp_socket()
        with long_loop(testbed) as found:
            server.bind(("127.0.0.1", NEVER))
            server.listen()
        run = found[0]
        assert run.connected and not run.self_connected and run.tries > 100
        server.close()
    assert run.summary.startswith("a listener answered: ")
    return "the run: a listener answered; it is no self-connection", "the tries before"


def holder_appears() -> tuple[str, str]:
    """Somebody binds the port in the middle of a loop that could connect."""
    for _ in range(20):  # a loop may connect before
        with lab.open_testbed((1024, 65535)) as testbed:
            holder, found = testbed.tcp_socket(), []
            loop = threading.Thread(
                target=lambda: found.append(testbed.connect_loop(50000, max_tries=60_000, progress=False))  # noqa: B023
            )
            loop.start()
            time.sleep(0.02)
            with suppress(OSError):
                holder.bind(("127.0.0.1", 50000))
            loop.join(60)
            held = holder.getsockname()[1] == 50000
            if held and not found[0].connected:
                rules = [rule.name for rule in testbed.check(50000).broken]
                assert rules == ["not held"], rules
                assert (found[0].stopped, found[0].tries) == ("max-tries", 60_000)
                return (
                    "the run: no self-connection, stopped by max tries; check() names the rule: not held",
                    "the tries",
                )
    raise AssertionError("every loop connected before the port was bound")


CASES: dict[str, Callable[..., tuple[str, str]]] = {
    "SIGKILL of the lab's process": lab_killed,
    "SIGKILL of a worker": worker_killed,
    "SIGKILL of one of a study's workers": study_worker_killed,
    "SIGSTOP of a worker": worker_stopped,
    "memory limit of a worker": memory_limit,
    "disk full, study": disk_full_study,
    "disk full, study not begun": disk_full_at_the_beginning,
    "disk full, pcap": disk_full_pcap,
    "the clock jumps": clock_jumps,
    "no descriptors in the worker": no_descriptors_in_worker,
    "no descriptors in the notebook": no_descriptors_in_lab,
    "every port of the range held": ports_exhausted,
    "a listener appears in the middle": listener_appears,
    "somebody binds the port in the middle": holder_appears,
}
