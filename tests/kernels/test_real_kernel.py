"""The lab inside another kernel: what it measures there, what it can touch, how it ends."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import psutil
import pytest

import tcploop_lab as lab
from tcploop_lab.errors import WorkerDied
from tcploop_lab.ports.identify import ProbeResult
from tcploop_lab.results import stored
from tcploop_lab.stacks.kernels import command, console, fetch, table, user_mode
from tcploop_lab.stacks.kernels.executor import Link
from tcploop_lab.study.kernels import PROBES
from tcploop_lab.testbed.testbed import Testbed
from tests.waiting import wait_until


def tcploop(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tcploop_lab", *args], capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip


def test_its_ports_are_a_sequence_of_two_and_none_is_odd(old: Testbed) -> None:
    """5.10.46 is older than the random walk, and is live, though this machine's kernel is newer."""
    found = old.probe()
    assert found.increments == stored.load(PROBES, dict[str, ProbeResult])["5.10.46"].increments
    assert (found.era, found.increments, found.parity) == ("even-sequence", {2: 399}, "even")
    assert (old.stack, old.kernel, old.label) == ("live", "Linux 5.10.46", "")


def test_after_a_hit_the_next_comes_when_all_even_ports_were_dialled(old: Testbed) -> None:
    """The sequence returns to a port after exactly as many tries as the range has even ports."""
    with old.use_range("40000-40099"):
        tries = []
        for _ in range(4):
            run = old.connect_loop(40050, trace=True, progress=False)
            assert run.self_connected and run.trace is not None and run.trace[-1] == 40050
            run.close(reset=True)
            tries.append(run.tries)
    assert tries[1:] == [50, 50, 50]


def test_a_socket_over_there_talks_to_itself_and_the_capture_sees_it(old: Testbed) -> None:
    """What returns a live socket returns one whose calls are carried out in the other kernel."""
    with old.use_range("40000-40099"), old.capture(40060) as exchange:
        run = old.connect_loop(40060, progress=False)
        assert run.echo(b"hello") == b"hello"
        assert run.socket.getsockname() == run.socket.getpeername() == ("127.0.0.1", 40060)
        run.close()
    assert [segment.flags for segment in exchange.segments][:4] == ["S", "SA", "A", "PA"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        run.socket.getsockname()


def test_what_is_sent_over_the_console_may_be_long_and_much(old: Testbed) -> None:
    """A megabyte arrives, and comes back, and so do 60 requests at once: the console stopped at 60,000 bytes."""
    sent = [b"x" * size for size in [1 << 20, *[2000] * 60]]
    asked = [old.executor.submit(bytes.upper, data) for data in sent]
    assert [len(one.result(60)) for one in asked] == [len(data) for data in sent]


def _try_to_touch(path: str) -> tuple[str, list[str], int]:
    interfaces = sorted(os.listdir("/sys/class/net"))
    try:
        Path(path).write_text("touched")
    except OSError as error:
        return error.strerror or "", interfaces, os.getuid()
    return "written", interfaces, os.getuid()


def test_it_can_read_the_files_of_the_host_and_write_none(old: Testbed, tmp_path: Path) -> None:
    """The host's files are read-only for it, it is the same user, and lo is its only interface."""
    file = tmp_path / "mine"
    file.write_text("mine")
    assert old.executor.submit(Path.read_text, file).result() == "mine"
    assert old.executor.submit(_try_to_touch, str(file)).result() == ("Read-only file system", ["lo"], os.getuid())
    assert file.read_text() == "mine"


def test_a_command_inside_prints_what_it_would_outside_and_has_its_exit_code(fetched: str) -> None:
    """Standard output, standard error and the exit code arrive apart; an odd port never loops there."""
    done = tcploop("in", "5.10", "--", "connect", "33333", "--range", "33300-33399", "--max-tries", "500", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert (answer["kernel"], answer["tries"], answer["self_connected"]) == (f"Linux {fetched}", 500, False)
    wrong = tcploop("in", "5.10", "--", "connect", "70000")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("tcploop: port 70000: a TCP port is 1 to 65535")


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [(">/dev/full", 2, "standard output: No space left on device; give it a file"), (">&-", 0, "")],
)
def test_an_output_that_takes_nothing_is_told_as_outside(fetched: str, redirection: str, code: int, said: str) -> None:
    """A full disk is an error; an output that was closed before is none, and its number is nobody else's."""
    command = f'exec "$0" -m tcploop_lab in {fetched} -- probe {redirection}'
    done = subprocess.run(["sh", "-c", command, sys.executable], stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, said in done.stderr, "kernel" in done.stderr) == (code, True, False)


def test_it_starts_without_a_race_of_algorithms_for_disks(fetched: str, tmp_path: Path) -> None:
    """What it prints from its start to its end says nothing of RAID 6, which took more than a second."""
    release = table.named(fetched)
    files = fetch.files_of(release)
    switch_off = f"import ctypes; ctypes.CDLL(None).reboot({0x4321FEDC})"
    program = user_mode.program(release, files, tmp_path, switch_off, 1)
    loud = [word for word in program.arguments if word != "quiet"]
    done = subprocess.run(
        loud, cwd=files, env={**os.environ, **program.environment}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=120, start_new_session=True,
    )  # fmt: skip
    assert "Run /" in done.stdout and "reboot:" in done.stdout
    assert "raid6:" not in done.stdout


def test_it_ends_with_the_lab_however_that_ends(fetched: str, tmp_path: Path) -> None:
    """A kill of the lab's process, which cannot be caught, ends every process of the kernel, and no file is left."""
    opened = f"testbed = lab.open_testbed(kernel={fetched!r}, real=True)"
    program = f"import tcploop_lab as lab; {opened}; print('up', flush=True); testbed.wait(60)"
    lab_process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert lab_process.stdout is not None and lab_process.stdout.readline() == "up\n"
    [kernel] = [one for one in psutil.Process(lab_process.pid).children() if "linux.uml" in one.cmdline()[0]]
    group = os.getpgid(kernel.pid)
    lab_process.send_signal(signal.SIGKILL)
    lab_process.wait()
    lab_process.stdout.close()
    wait_until(lambda: not _alive(group))
    assert list(tmp_path.iterdir()) == []


def _alive(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    alive = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process.pid)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return alive


def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Put a program in the place of a kernel."""
    monkeypatch.setattr(fetch, "files_of", lambda release: tmp_path)
    kernel = tmp_path / "linux.uml"
    kernel.write_text(f"#!/bin/sh\n{program}\n")
    kernel.chmod(0o755)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("echo 'Kernel panic - not syncing: no init'; exit 1", "ended while it started; its last lines: Kernel panic"),
        ("seq 9; echo Kernel panic; seq 10 19; exit 1", r"its last lines: 9 \| Kernel panic \| 10 \| 11$"),
        ("echo the host just ran out of space; exit 1", "ran out of space; TMPDIR names another place for its memory$"),
        ("echo hm; sleep 60", "was not up within 1 s; its last lines: hm"),
        ("exit 1", "ended while it started; it printed nothing"),
    ],
)
def test_a_kernel_that_panics_or_hangs_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    """It is killed after the time limit, its last lines are told, and its files are gone."""
    planted(tmp_path, monkeypatch, program)
    monkeypatch.setattr("tcploop_lab.stacks.kernels.user_mode.START_TIMEOUT", 1)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    begun = time.monotonic()
    with pytest.raises(lab.NotOnThisTestbed, match=said):
        lab.open_testbed(kernel="5.10", real=True)
    assert time.monotonic() - begun < 30
    assert list(tmp_path.glob("tcploop-kernel-*")) == []


def test_ctrl_c_while_it_starts_leaves_nothing_however_often_it_is_pressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended, and its folder is gone, though the key is pressed again while that is done."""
    planted(tmp_path, monkeypatch, "while sleep 0.02; do kill -INT $PPID; done")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(KeyboardInterrupt):
        lab.open_testbed(kernel="5.10", real=True)
    assert list(tmp_path.glob("tcploop-kernel-*")) == []


def test_files_that_cannot_be_used_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place where no program may run, and none for short-lived files: the path, the reason, the way out."""
    planted(tmp_path, monkeypatch, "exit 0")
    (tmp_path / "linux.uml").chmod(0o600)
    with pytest.raises(lab.NotOnThisTestbed, match=r"linux.uml: Permission denied; remove this folder and fetch it"):
        lab.open_testbed(kernel="5.10", real=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(lab.NotOnThisTestbed, match=r"gone.*: No such file or directory; TMPDIR names another place"):
        lab.open_testbed(kernel="5.10", real=True)


@pytest.mark.parametrize("place", ["/dev/shm", "/nonexistent", "."])
def test_any_place_for_short_lived_files_will_do(fetched: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that the kernel does not see at first, since it puts its devices there; one that is not there; a dot."""
    monkeypatch.setenv("TMPDIR", place)
    monkeypatch.setattr("tempfile.tempdir", None)
    Link(fetched).end()


def test_a_space_in_a_name_ends_none(fetched: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor that of a place for short-lived files, nor that of the cache: both stand in command lines and variables."""
    files = fetch.files_of(table.named(fetched))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a b"))
    shutil.copytree(files, fetch.cache() / files.name, ignore=shutil.ignore_patterns("tcploop-*"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "a b"))
    monkeypatch.setattr("tempfile.tempdir", None)
    Link(fetched).end()
    assert list((tmp_path / "a b").glob("tcploop-kernel-*")) == []


def test_a_kernel_that_hangs_is_ended_by_a_ctrl_c(fetched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not say that the Ctrl-C came; what was asked of it fails, and says why. One that says so goes on."""
    link = Link(fetched)
    asked = link.ask("wait", ([], 60.0))
    command._interrupt(link)
    assert not asked.done()
    link.kernel.process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(user_mode, "START_TIMEOUT", 0.5)
    command._interrupt(link)
    with pytest.raises(WorkerDied, match=r"5.10.46 did not take a Ctrl-C within 0.25 s, and was ended; its last lines"):
        asked.result(60)
    link.end()


class _NotThere:
    """What can be sent, and not loaded."""

    def __reduce__(self) -> tuple[object, ...]:
        return importlib.import_module, ("no_such_module",)


def test_what_the_other_side_cannot_load_is_an_error_of_that_message_alone() -> None:
    """A function of a module that a kernel in QEMU has not got says so; what comes next is read as ever."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        here, there = console.Channel(ours.fileno()), console.Channel(theirs.fileno())
        here.send(("submit", 7, _NotThere()), lambda value: None)
        here.send(("stop", 7, None), lambda value: None)
        kind, number, why = there.receive(lambda name: None)
        assert (kind, number, there.receive(lambda name: None)) == ("error", 7, ("stop", 7, None))
        with pytest.raises(ValueError, match="cannot be loaded there: No module named 'no_such_module'; a kernel in"):
            raise why


def test_a_kernel_that_is_not_here_says_how_to_get_it(tmp_path: Path) -> None:
    """Exit code 3 with the command that gets it; 2 for a version that is not to be had, which lists those that are."""
    missing = tcploop("in", "5.10", "--", "probe", XDG_CACHE_HOME=str(tmp_path))
    assert missing.returncode == 3
    assert "kernel 5.10.46 is not here yet: tcploop kernels --fetch 5.10.46 gets it" in missing.stderr
    unknown = tcploop("in", "4.1", "--", "probe")
    there = ", ".join(release.version for release in table.RELEASES)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith(f"tcploop: kernel '4.1': the real kernels to be had are {there}")


def test_a_package_with_another_checksum_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not the package that was tried is refused in one line, and nothing of it stays."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fetch, "_apt", lambda home, *args: (home / "user-mode-linux.deb").write_bytes(b"another"))
    with pytest.raises(lab.NotOnThisTestbed, match="is not the package that the lab was tried with: its checksum is"):
        fetch.fetch(table.named("5.10"))
    assert list((tmp_path / "tcploop-lab" / "kernels").iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kernel": None, "real": True}, "a real kernel is asked for by its version alone"),
        ({"kernel": "5.10", "real": True, "seed": 1}, "a real kernel is asked for by its version alone"),
        ({"kernel": "5.10", "real": True, "kind": "simulated"}, "a real kernel is asked for by its version alone"),
        ({"kernel": "3.2", "real": True}, "kernel '3.2': the real kernels to be had are"),
    ],
)
def test_a_real_kernel_is_asked_for_by_a_version_that_there_is(asked: dict[str, object], said: str) -> None:
    """Without a version, with a seed, with another kind or an unknown version: one line."""
    with pytest.raises(ValueError, match=said):
        lab.open_testbed(**asked)  # type: ignore[arg-type]


def test_elsewhere_than_on_linux_on_x86_64_the_simulated_kernels_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor of another kind is told in one line, with the way out."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(lab.NotOnThisTestbed, match=r"this is Linux on aarch64: a simulated one runs anywhere"):
        lab.open_testbed(kernel="5.10", real=True)
    assert "Linux on aarch64" in lab.real_kernels().summary


def test_a_ctrl_c_does_not_wait_behind_what_is_piped_in(fetched: str) -> None:
    """A megabyte that the command never reads is on its way when it is interrupted; it ends with 130."""
    command = ["in", fetched, "--", "connect", "33333", "--range", "33300-33399", "--max-tries", "999999999"]
    running = subprocess.Popen(
        [sys.executable, "-m", "tcploop_lab", *command], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdin is not None and running.stderr is not None
    typing = threading.Thread(target=_type, args=(running.stdin,), daemon=True)
    typing.start()
    assert b"33300-33399" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    running.stderr.close()
    typing.join()


def test_a_command_inside_answers_a_ctrl_c_as_it_does_outside() -> None:
    """Its process has the command's own answer; with Python's a Ctrl-C was lost while a worker was started."""
    program = "import signal; from tcploop_lab.cli.machine import _run; _run(['port']); print(signal.getsignal(2))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert "task.Interrupts" in done.stdout.splitlines()[-1], done


def _type(pipe: IO[bytes]) -> None:
    with contextlib.suppress(OSError), pipe:
        pipe.write(b"x" * (1 << 20))
