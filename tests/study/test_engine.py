"""Studies on the real kernel: every executor, every way to be interrupted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

import tcploop_lab as lab
from tcploop_lab.stacks import worker
from tcploop_lab.stacks.executor import NamespaceExecutor
from tcploop_lab.stacks.namespace import read_port_range
from tcploop_lab.study import pool as module
from tcploop_lab.study.engine import StudyStopped, sampling_bar

from ..waiting import wait_until
from . import inside

pytestmark = pytest.mark.anyuser

ENDLESS = lab.Study(40501, (40000, 40999), samples=100_000, max_tries=20_000)


def numbers(result: lab.StudyResult) -> list[list[int]]:
    """The numbers of the samples of each cell."""
    return [cell.numbers.tolist() for cell in result.cells]


@pytest.mark.parametrize("shown", [True, False])
def test_a_bar_ends_where_the_samples_end(shown: bool) -> None:
    """An interrupted study leaves no unfinished bar behind; what was stored before counts in it."""
    with sampling_bar(10, 2, shown) as bar:
        bar.update(3)
        assert (bar.n, bar.total) == (5 if shown else 2, 10)
    assert bar.n == bar.total


@pytest.mark.private_network
def test_a_study_draws_every_sample_of_every_cell() -> None:
    """Hits where the port can loop, censored samples where it cannot, with their place."""
    study = lab.Study("40500,40501", (40000, 40999), samples=30)
    result = study.run(progress=False)
    even, odd = result.cells
    assert numbers(result) == [list(range(30))] * 2
    assert (even.hits, odd.hits) == (30, 0)
    assert set(odd.tries.tolist()) == {odd.max_tries} == {1000}
    assert result.provenance["testbed"] == "namespace"
    assert result.machines == ((os.uname().nodename, f"Linux {os.uname().release}"),)


@pytest.mark.parametrize("start", ["random", "return"])
def test_every_kind_of_client_can_be_studied(start: str) -> None:
    """With one port as range every client hits on every first try, first hits and returns alike."""
    result = lab.Study(40501, (40501, 40501), list(lab.ClientKind), 5, start).run(progress=False, workers=1)
    assert [cell.client for cell in result.study.cells] == list(lab.ClientKind)
    assert [(cell.tries.tolist(), cell.hits) for cell in result.cells] == [([1] * 5, 5)] * len(lab.ClientKind)


def test_a_chain_leads_back_after_a_censored_sample() -> None:
    """Returns bounded by few tries are real returns also after a miss: none comes before M/8."""
    study = lab.Study(40500, (40000, 40999), samples=60, start="return", max_tries=400)
    cell = study.run(progress=False).cells[0]
    assert cell.samples == 60
    assert 0 < cell.hits < 60
    assert cell.tries.min() >= 500 / 8
    assert set(cell.tries[~cell.observed].tolist()) == {400}


def test_the_testbed_given_keeps_its_range() -> None:
    """A study opens a testbed of the same kind, and leaves the one it was given alone."""
    with lab.open_testbed((41000, 41999), kind="namespace") as testbed:
        result = lab.Study(40500, (40500, 40500), samples=3).run(testbed, progress=False)
        assert result.hits == 3
        assert testbed.port_range == lab.PortRange(41000, 41999)


def test_an_executor_given_keeps_its_range(certain: lab.Study) -> None:
    """The workers of a NamespaceExecutor get their own range back after each task."""
    with NamespaceExecutor(1, lab.PortRange(41000, 41999)) as executor:
        assert certain.run(executor, progress=False).hits == 60
        assert executor.submit(read_port_range).result() == lab.PortRange(41000, 41999)


def test_on_the_host_ranges_go_to_the_sockets() -> None:
    """Without a namespace nothing is set: each socket has its range, in which odd ports loop too."""
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    before = path.read_text()
    with lab.open_testbed(kind="host") as testbed:
        low = testbed.port_range.low
        result = lab.Study([low + 100, low + 101], (low, low + 199), samples=10).run(testbed, progress=False)
    assert [cell.hits for cell in result.cells] == [10, 10]
    assert [cell.law.era for cell in result.cells] == ["socket-range"] * 2
    assert (result.provenance["testbed"], path.read_text()) == ("host", before)


def test_on_the_host_a_range_stays_within_the_hosts() -> None:
    """The kernel ignores bounds outside its own range, so they are refused with the way out."""
    with lab.open_testbed(kind="host") as testbed:
        low = testbed.port_range.low
        with pytest.raises(lab.NotOnThisTestbed, match="take a range within"):
            lab.Study(low, (low - 1, low + 10), samples=1).run(testbed, progress=False)


READ_ONLY = """
import ctypes, os
libc, uid, gid = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
assert libc.unshare(0x10020000) == 0  # user and mount namespace
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/uid_map", "w").write(f"{uid} {uid} 1")
open("/proc/self/gid_map", "w").write(f"{gid} {gid} 1")
assert libc.mount(b"/proc/sys", b"/proc/sys", None, 0x1000, None) == 0  # bind
assert libc.mount(None, b"/proc/sys", None, 0x1021, None) == 0  # read-only
import tcploop_lab as lab
result = lab.Study("40100,40101", (40000, 40199), samples=5).run(progress=False)
print(result.provenance["testbed"], [(cell.law.era, cell.hits) for cell in result.cells])
"""


@pytest.mark.private_network
def test_where_settings_are_read_only_ranges_go_to_the_sockets() -> None:
    """In many containers a namespace can be made but not set; a study works there all the same."""
    done = subprocess.run([sys.executable, "-c", READ_ONLY], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("namespace [('socket-range', 5), ('socket-range', 5)]\n", "")


def test_a_listener_is_no_self_connection() -> None:
    """Where somebody else answers, the study says so and stores no such sample."""
    study = lab.Study(40500, (40000, 40999), samples=3)
    with NamespaceExecutor(1, lab.PortRange(40500, 40500)) as executor:
        listener = executor.submit(inside.listen_anywhere).result()
        with listener, pytest.raises(lab.NotOnThisTestbed, match="port 40500: a program listens on it"):
            study.run(executor, progress=False)


EXECUTORS = {
    "threads": lambda: ThreadPoolExecutor(2),
    "forked": lambda: ProcessPoolExecutor(2, mp_context=get_context("fork")),
    "spawned": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", EXECUTORS)
def test_any_executor_will_do(kind: str, certain: lab.Study) -> None:
    """A pool of threads or processes makes namespaces of its own, and nothing of them outlives it."""
    executor: Executor = EXECUTORS[kind]()
    with executor:
        result = certain.run(executor, progress=False)
    assert (numbers(result), result.hits) == ([list(range(60))], 60)
    wait_until(lambda: not descendants(worker.NAME))


def descendants(words: str) -> list[str]:
    """Names and commands of the descendants of this process that hold the words."""
    return [line for line in map(command_line, psutil.Process().children(recursive=True)) if words in line]


def command_line(process: psutil.Process) -> str:
    """The name and the command of a process, empty once it has ended."""
    try:
        return " ".join([process.name(), *process.cmdline()])
    except psutil.Error:
        return ""


def test_resuming_draws_only_what_is_missing(tmp_path: Path) -> None:
    """A finished study is read, not run again; an unfinished one gets its gaps filled."""
    path = tmp_path / "study.sqlite"
    study = lab.Study(40500, (40000, 40999), samples=40)
    first = study.run(out=path, progress=False)
    again = study.run(out=path, resume=True, progress=False)
    assert again.frame().equals(first.frame())
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM samples WHERE sample BETWEEN 10 AND 14 OR sample = 39")
    filled = study.run(out=path, resume=True, progress=False)
    same = filled.cells[0].seconds == first.cells[0].seconds
    assert numbers(filled) == [list(range(40))]
    assert [i for i in range(40) if not same[i]] == [10, 11, 12, 13, 14, 39]


@pytest.mark.private_network
def test_samples_of_two_kinds_of_testbed_do_not_mix(tmp_path: Path) -> None:
    """A study begun in a namespace is not continued on the host."""
    path = tmp_path / "study.sqlite"
    study = lab.Study(40500, (40500, 40500), samples=2)
    study.run(out=path, progress=False)
    with lab.open_testbed(kind="host") as host, pytest.raises(ValueError, match="its testbed is namespace, here"):
        study.run(host, out=path, resume=True, progress=False)


def interrupt_once_stored(path: Path) -> None:
    """Send this process Ctrl-C as soon as the study has stored a task."""
    wait_until(lambda: path.exists() and path.stat().st_size and lab.StudyResult.load(path).samples)
    os.kill(os.getpid(), signal.SIGINT)


def test_workers_that_always_die_end_the_study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After three attempts the study stops with what is stored, and the way to go on."""
    path = tmp_path / "study.sqlite"
    study = lab.Study(40500, (40500, 40500), samples=3)
    monkeypatch.setattr(module, "run_task", inside.die)
    with pytest.raises(StudyStopped, match=r"0 of 3 samples are there; run it again with resume=True") as caught:
        study.run(out=path, progress=False, workers=1)
    assert caught.value.result is not None
    monkeypatch.undo()
    assert study.run(out=path, resume=True, progress=False).complete


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_pool_that_breaks_ends_the_study(monkeypatch: pytest.MonkeyPatch, certain: lab.Study) -> None:
    """A broken process pool is reported in one line."""
    monkeypatch.setattr(module, "run_task_nested", inside.die)
    stopped = pytest.raises(StudyStopped, match=r"the study stopped: .*terminated.*; 0 of 60 samples")
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool, stopped as caught:
        certain.run(pool, progress=False)
    assert "\n" not in str(caught.value)


def test_an_interrupt_returns_what_there_is(tmp_path: Path) -> None:
    """SIGINT in the middle of a study gives the samples so far, at once, and leaves the handler as it was."""
    path = tmp_path / "study.sqlite"
    threading.Thread(target=interrupt_once_stored, args=(path,)).start()
    result = ENDLESS.run(out=path, progress=False)
    assert result.interrupted and not result.complete
    assert 0 < result.samples < ENDLESS.size
    assert result.samples == lab.StudyResult.load(path).samples
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_workers_are_a_whole_number(certain: lab.Study, workers: object) -> None:
    """A number of workers that makes no sense is one clear line."""
    with pytest.raises(ValueError, match=rf"workers {workers}: give a whole number of at least 1"):
        certain.run(workers=workers)  # type: ignore[arg-type]


def test_what_is_no_testbed_is_refused(certain: lab.Study) -> None:
    """Neither testbed nor executor: one clear line."""
    with pytest.raises(ValueError, match="testbed 3: give a testbed, a concurrent"):
        certain.run(3)  # type: ignore[arg-type]
