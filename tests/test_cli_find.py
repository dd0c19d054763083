"""tcploop find: what it prints, writes and answers."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from prometheus_client.parser import text_string_to_metric_families

import tcploop_lab as lab
from tcploop_lab.cli import main

from .matrix import situations
from .matrix.situations import BY_NAME
from .waiting import wait_until

pytestmark = pytest.mark.anyuser
COMMAND = [sys.executable, "-m", "tcploop_lab", "find"]


@contextlib.contextmanager
def running(*words: str, stdout: IO[bytes] | int) -> Iterator[subprocess.Popen[bytes]]:
    """The command, which ends with the block, whatever happens in it."""
    with subprocess.Popen([*COMMAND, *words], stdout=stdout) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def itself() -> Iterator[str]:
    """The name of a self-connection in the network of the tests."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        yield f"127.0.0.1:{sock.getsockname()[1]}"


def test_one_is_named_in_text_and_the_answer_is_1(itself: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name, its process, and the command that ends it."""
    assert main(["find"]) == 1
    printed = capsys.readouterr().out
    assert f"ss -K -tn src '{itself}' dst '{itself}'" in printed
    assert str(os.getpid()) in printed


def test_json_has_what_the_design_names(itself: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One object: each connection with its ends, process and age, the ports at risk, the range and the reserved."""
    assert main(["find", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    mine = next(one for one in record["self_connections"] if one["local"] == itself)
    assert (mine["peer"], mine["pid"], mine["state"]) == (itself, os.getpid(), "ESTABLISHED")
    assert 0 <= mine["age_s"] < 300
    assert {"at_risk", "not_at_risk", "left_over", "behind_nat", "networks", "unseen"} < record.keys()
    assert record["stack"] == "live"
    assert record["range"] == [int(end) for end in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()]


def test_the_metrics_are_what_prometheus_reads(itself: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file parses; it counts the connection, in its network, and a second run replaces it."""
    file = tmp_path / "tcploop.prom"
    for _ in range(2):
        assert main(["find", "--json", "--prometheus", str(file)]) == 1
    found = {family.name: family.samples for family in text_string_to_metric_families(file.read_text())}
    here = os.readlink("/proc/self/ns/net")
    assert next(one.value for one in found["tcploop_self_connections"] if one.labels["network"] == here) >= 1
    assert itself in {one.labels["local"] for one in found["tcploop_self_connection_silent_seconds"]}
    assert found["tcploop_find_seconds"][0].value > 0
    assert os.listdir(tmp_path) == ["tcploop.prom"]


def test_it_watches_until_it_is_interrupted(tmp_path: Path) -> None:
    """A JSON object for each look; Ctrl-C ends it with 130."""
    seen = tmp_path / "seen"
    with seen.open("wb") as out, running("--json", "--watch", "0.1", stdout=out) as watching:
        wait_until(lambda: seen.read_bytes().count(b"\n") > 2)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 130
    assert all("self_connections" in json.loads(line) for line in seen.read_text().splitlines())


def test_it_stops_watching_where_nobody_reads() -> None:
    """`tcploop find --watch 0.1 | head -1` ends."""
    with running("--json", "--watch", "0.1", stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.stdout.close()
        assert watching.wait(60) in (0, 1)


def test_nothing_found_is_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a network without one; a port at risk is no self-connection."""
    with lab.open_testbed(kind="simulated") as testbed, testbed.listen(40000):
        monkeypatch.setattr(lab, "find", testbed.find)
        assert main(["find"]) == 0
    assert "no self-connections in 1 network; 1 port at risk" in capsys.readouterr().out


READS = """
import os, sys

def refuse(event, values):
    flags = values[2] if event == "open" and isinstance(values[0], str) else 0  # not a process's pipe, open already
    writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if event in ("socket.bind", "socket.connect", "os.remove", "os.rename", "os.mkdir", "os.kill") or writes:
        print(event, values, file=sys.stderr)
        os._exit(99)

from tcploop_lab.cli import main
sys.dont_write_bytecode = True
sys.addaudithook(refuse)
sys.exit(main(["find", "--json"]))
"""


def test_it_only_reads(itself: str) -> None:
    """Python's audit hook sees no file opened to write, no port bound, no connection made."""
    done = subprocess.run([sys.executable, "-c", READS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert itself in done.stdout


@pytest.mark.may_skip("needs root, who mounts a /proc")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a /proc")
@pytest.mark.parametrize(
    ("option", "told"),
    [(b"hidepid=1,gid=1", "(hidepid)"), (b"hidepid=2,gid=1", "(hidepid)"), (b"subset=pid", "no /proc/sys")],
)
def test_what_this_proc_does_not_show_is_told(option: bytes, told: str) -> None:
    """Nothing found and nothing hidden are two things: an ordinary user is told which."""

    def enter() -> None:
        situations.own_mounts()
        situations.mount(b"proc", b"/proc", b"proc", data=option)
        situations.become(situations.LEARNER)

    done = subprocess.run([*COMMAND, "--json"], preexec_fn=enter, capture_output=True, text=True, timeout=120)
    assert told in "".join(json.loads(done.stdout)["unseen"])


ODD_NETWORKS = """
import os, socket, sys, threading
from pathlib import Path
from tcploop_lab.cli import main
from tcploop_lab.stacks.namespace import enter_another_network
from tests.matrix.situations import _BIND, mount, own_mounts

def plant(port, then):
    enter_another_network()
    kept.append(socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.1", port)))
    then()

def named(): mount(b"/proc/thread-self/ns/net", bytes(folder / "it's one"), None, _BIND)
def stays(): ready.set(), threading.Event().wait()

kept, ready, folder = [], threading.Event(), Path(sys.argv[1])
own_mounts()
for name in ("a left-over", "it's one"): (folder / name).touch()
for work in ((40001, lambda: (named(), ready.set())), (40003, stays)):
    ready.clear()
    threading.Thread(target=plant, args=work, daemon=True).start()
    ready.wait(60)
main(["find"])
"""


@pytest.mark.may_skip("needs root, who mounts a network")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a network")
def test_a_network_of_a_thread_or_of_a_mount_is_one(tmp_path: Path) -> None:
    """Where a process's other thread is, and what only a mount keeps; a shell takes the odd name of it in advice."""
    command = [sys.executable, "-c", ODD_NETWORKS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[1])
    assert not done.stderr, done.stderr
    advice = [shlex.split(line) for line in done.stdout.splitlines() if line.startswith("to end")]
    assert {"127.0.0.1:40001", "127.0.0.1:40003"} <= {words[-1] for words in advice}
    assert any(f"--net={tmp_path}/it's one" in words for words in advice)


@pytest.mark.parametrize("words", ["find", "check 50052 --here"])
def test_where_the_system_is_another_one(words: str) -> None:
    """No /proc, no netlink: one line with the reason and the way out, and 3. A port can be had all the same."""
    elsewhere = BY_NAME["macOS"]
    command = [sys.executable, "-m", "tcploop_lab"]
    run = functools.partial(subprocess.run, preexec_fn=elsewhere.make, capture_output=True, text=True, timeout=120)
    done = run([*command, *words.split()])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "Linux's" in done.stderr
    done = run([*command, "port", "--json"])
    assert done.returncode == 0, done.stderr
    assert 1024 <= json.loads(done.stdout)["port"] < 10000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--watch 0", "seconds '0': give 0.1 to 86400"),
        ("--watch often", "seconds 'often': give 0.1 to 86400"),
        ("--watch nan", "seconds 'nan'"),
        ("--prometheus /no/such/folder/x.prom", "a path that can be written"),
        ("--prometheus /", "file '/'"),
    ],
)
def test_what_it_does_not_take(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the value and what is allowed, before anything is looked at."""
    assert main(["find", *words.split()]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
