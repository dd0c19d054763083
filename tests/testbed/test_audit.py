"""Audits of small programs on the real kernel: each way in which a program can misbehave, and an audit can end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

import tcploop_lab as lab
from tcploop_lab.audits import audit as auditing
from tcploop_lab.audits import supervisor
from tcploop_lab.audits.run import Output
from tcploop_lab.audits.sandbox.wanted import Sandbox
from tcploop_lab.cli import main

from ..waiting import PATIENCE, wait_until
from . import inside, inside_audits

PY = sys.executable
CONNECT = "import socket, sys, time\ns = socket.create_connection(('{host}', {port}))\n"
NOTICE = CONNECT + "if s.getsockname() == s.getpeername(): sys.exit(3)\n"
DEAF = (
    "import signal, time\nfor n in range(1, 32):\n    n in (9, 19) or signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)"
)
DAEMON = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.fork() or time.sleep(60)\n    time.sleep(60)"
CLOSING = "import os, time\nfor n in range(64): n in (3, 4) or os.closerange(n, n + 1)\ntime.sleep(60)"
OWN_PORT = "import socket\nsocket.create_connection(('{host}', {port}), source_address=('{host}', 4001))"
MARK = "audit-left-behind"


def python(code: str) -> list[str]:
    """The command that runs this code."""
    return [PY, "-c", code]


def alive(mark: str = MARK) -> list[str]:
    """The processes of this machine whose command line has the mark, whatever their namespace."""
    found = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    return [line for line in found if mark in line and "pytest" not in line]


# What a program does instead of dialling, and how it ends.
WILD = {
    "never ends": ("import time; time.sleep(60)", "timeout"),
    "closes its descriptors": (CLOSING, "timeout"),
    "floods": ("while True: print('flood ' * 2000)", "timeout"),
    "ignores signals": (DEAF, "timeout"),
    "forks and stays": (DAEMON, "timeout"),
    "needs a terminal": ("open('/dev/tty')", "exited"),
    "reads stdin": ("import sys; sys.exit(len(sys.stdin.read()))", "exited"),
    "kills all": ("import os; os.kill(-1, 9)", "exited"),
    "kills its parent": ("import os; os.kill(os.getppid(), 9)", "exited"),
    "crashes": ("import os; os.kill(os.getpid(), 11)", "exited"),
    "asks for no such name": ("import socket; socket.create_connection(('no-such-name.invalid', {port}))", "exited"),
    "dials another host": ("import socket; socket.create_connection(('192.0.2.1', {port}), 1)", "exited"),
}


def mark_of(name: str) -> str:
    """What the command line of a wild program says, so that its processes can be found."""
    return f"{MARK}-{os.getpid()}-{name}"


@pytest.fixture(scope="module")
def audits() -> dict[str, lab.AuditResult]:
    """The audits of all of them, some at a time."""
    jobs = {name: python(f"{mark_of(name)!r}\n{code}") for name, (code, _) in WILD.items()}
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(jobs, pool.map(lambda job: lab.audit(job, timeout=1.0), jobs.values()), strict=True))


@pytest.mark.parametrize("name", WILD)
def test_whatever_a_program_does_nothing_is_left(audits: dict[str, lab.AuditResult], name: str) -> None:
    """It ends within its time, with a verdict and all of its processes; nothing of it goes on."""
    result = audits[name]
    assert (result.verdict, result.stopped) == ("never-tried", WILD[name][1])
    assert result.seconds < 5
    assert alive(mark_of(name)) == []


def test_a_self_connection_comes_with_its_witnesses() -> None:
    """Segments, socket table and output tell the same story; the port is certain at the first try, odd or not."""
    stays = CONNECT + "s.send(b'hi')\nprint(s.recv(9), flush=True)\ns.recv(9)"  # so that the table is looked at in time
    result = lab.audit(python(stays), port=40001, timeout=3)
    assert [one.flags for one in result.segments[:4]] == ["S", "SA", "A", "PA"]
    assert {one.to_itself for one in result.segments} == {True}
    assert ("127.0.0.1:40001", "127.0.0.1:40001") in {(row.local, row.peer) for row in result.sockets}
    assert result.output == "b'hi'\n"
    assert not result.ok


def test_who_stays_behind_is_waited_for_and_counted() -> None:
    """A program in the background has not ended: at the time limit it is, and the evidence says how many there were."""
    result = lab.audit(["sh", "-c", "sleep 60 & sleep 60 & exit 4"], timeout=1.0)
    assert (result.exit_status, result.left, result.stopped, result.verdict) == (4, 2, "timeout", "never-tried")
    assert "2 processes went on in the background, and had to be ended by the time limit of 1 s" in result.evidence


def test_who_dials_from_the_background_is_judged() -> None:
    """The command ends at once; what it started dials later, and is judged."""
    result = lab.audit(["sh", "-c", '(sleep 0.3; exec "$@") & exit 0', "sh", *python(CONNECT + "s.send(b'hi')")])
    assert (result.verdict, result.exit_status, result.left, result.stopped) == ("self-connected", 0, 0, "exited")


def test_a_flood_is_kept_in_part() -> None:
    """The first and the last of the output are kept, and the rest is counted."""
    output = Output()
    for number in range(20_000):
        output.add(b"line %d\n" % number)
    assert output.kept.startswith(b"line 0\n")
    assert output.kept.endswith(b"line 19999\n")
    assert b"bytes are left out" in output.kept
    assert len(output.kept) < 70_000 < output.printed


def test_listening_on_the_port_is_no_self_connection() -> None:
    """A program that dials its own listener, from a port that it binds, is no case for an audit: unclear."""
    code = (
        "import socket\nl = socket.create_server(('127.0.0.1', {port}))\n"
        "socket.create_connection(('127.0.0.1', {port}), source_address=('127.0.0.1', 4001))"
    )
    result = lab.audit(python(code))
    assert result.verdict == "unclear"
    assert "somebody listens on port 33334" in repr(result)


def test_the_folder_is_the_callers_and_variables_come_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program starts where the caller is, has the variables that were named, and is found on the caller's PATH."""
    (tmp_path / "mine").write_text("#!/bin/sh\necho $PWD $WORD\n")
    (tmp_path / "mine").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("WORD", "hello")
    monkeypatch.chdir(tmp_path)
    assert lab.audit("mine").output == f"{tmp_path}\n"
    assert lab.audit("mine", sandbox=Sandbox(environment=["WORD"])).output == f"{tmp_path} hello\n"


def test_templates_and_variables_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """{port} is replaced in the environment and in a copy of the file; the file itself stays."""
    (tmp_path / "made.conf").write_text("listen {port} {host}\n")
    monkeypatch.setenv("URL", "http://{host}:{port}/")
    name = str(tmp_path / "made.conf")
    result = lab.audit(["sh", "-c", f"echo $URL; cat {name}"], templates=[name], sandbox=Sandbox(["URL"]))
    assert result.output == "http://127.0.0.1:33334/\nlisten 33334 127.0.0.1\n"
    assert (tmp_path / "made.conf").read_text() == "listen {port} {host}\n"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/no/such", "cannot be read \\(No such file"),
        ("/", "cannot be read \\(it is a folder"),
        ("/dev/zero", "cannot be read \\(it is a device"),
        ("a\0b", "cannot be read"),
        (sys.executable, "cannot be read \\(it is no text in UTF-8"),
        ("/etc/hostname", "does not name it"),
    ],
)
def test_a_bad_template_is_one_line(name: str, complaint: str) -> None:
    """One that cannot be read, or that the command does not name, is said before anything runs."""
    with pytest.raises(ValueError, match=f"^template {re.escape(repr(name))}: .*{complaint}"):
        lab.audit("true", templates=[name])


def test_words_are_replaced() -> None:
    """{port} and {host} are replaced, other braces stay; text is split as a shell does."""
    assert lab.audit("echo {port} '{host} {x}' {{port}}", port=40001).output == "40001 127.0.0.1 {x} {40001}\n"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ((), "there is no program in it; for example: tcploop audit --"),
        ("", "there is no program in it"),
        ("'unclosed", "No closing quotation"),
        (["no-such-program-anywhere"], "there is no such program"),
        (["/no/such/file"], "there is no such program"),
        (["/etc/passwd"], "it is not executable; chmod"),
        (["/"], "it is a folder"),
        (["echo", "a\0b"], "cannot hold a zero byte"),
        ([1, 2], "give a list of words"),
        (5, "give a list of words"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_run_is_one_line(command: object, complaint: str) -> None:
    """It is named, with what is wrong, before anything runs."""
    with pytest.raises(ValueError, match=r"^command ") as caught:
        lab.audit(command)  # type: ignore[arg-type]
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_program_is_one_line(tmp_path: Path) -> None:
    """What the kernel refuses to execute is said as such."""
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    (tmp_path / "noise").chmod(0o755)
    with pytest.raises(ValueError, match=r"noise': it cannot be started \(Exec format error\)"):
        lab.audit([str(tmp_path / "noise")])


@pytest.mark.parametrize(
    "value", [{"port": 0}, {"port": 70000}, {"attempts": 0}, {"timeout": -1}, {"host": "192.0.2.1"}]
)
def test_bad_values_are_one_line(value: dict[str, Any]) -> None:
    """A value out of bounds is named; test_cli_audit.py has what is allowed, which the command says before."""
    ((name, given),) = value.items()
    with pytest.raises(ValueError, match=f"^{name} {given!r}: "):
        lab.audit("true", **value)


def test_an_audit_needs_a_private_network() -> None:
    """On the host's own loopback nothing would be certain, and a simulated kernel runs no program: both refused."""
    for kind in ("host", "simulated"):
        with pytest.raises(lab.NotOnThisTestbed, match=f"needs the private network, not the {kind} testbed"):
            lab.audit("true", kind=kind)


@pytest.mark.private_network
def test_without_the_right_to_a_process_namespace_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where children cannot be kept together, nothing is run, and the reason is given."""
    monkeypatch.setattr(auditing, "run_programs", inside_audits.run_without_rights)
    with pytest.raises(lab.NotOnThisTestbed, match="a private process namespace is refused here"):
        lab.audit("true")


@pytest.mark.private_network
def test_without_a_process_there_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the limit of processes is reached the program did not run: the reason is given, and no verdict."""
    monkeypatch.setattr(auditing, "run_programs", inside_audits.run_without_processes)
    with pytest.raises(lab.NotOnThisTestbed, match="no process can be made for the program: Resource temporarily"):
        lab.audit("true")


PIDS = next(
    (path for path in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")) if (path / "cgroup.procs").exists()), None
)


@pytest.fixture
def five_processes() -> Iterator[Callable[[], None]]:
    """What a process does to be in a control group that has room for five."""
    try:
        group = Path(tempfile.mkdtemp(prefix="tcploop-", dir=PIDS))
        (group / "pids.max").write_text("5")
    except OSError as error:
        pytest.skip(f"control groups cannot be written here: {error.strerror}")
    yield lambda: (group / "cgroup.procs").write_text(str(os.getpid())) and None
    wait_until(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


@pytest.mark.root
@pytest.mark.may_skip("needs root, and the controller pids (cgroups(7))")
def test_a_full_control_group_is_no_verdict(five_processes: Callable[[], None]) -> None:
    """Where no further process may be made the program did not run: exit code 3 and one line with the reason."""
    command = [PY, "-m", "tcploop_lab", "audit", "--", "true"]
    done = subprocess.run(command, preexec_fn=five_processes, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "no process can be made for the program: Resource temporarily unavailable" in done.stderr


def test_a_supervisor_whose_lab_is_gone_starts_nothing(tmp_path: Path) -> None:
    """Who is killed before the system knows whom to end with it leaves a closed pipe behind."""
    reads, writes = os.pipe()
    os.close(reads)
    command = [PY, "-I", "-S", supervisor.__file__, str(writes), "touch", str(tmp_path / "started")]
    done = subprocess.run(
        command, pass_fds=[writes], preexec_fn=lambda: supervisor.enter_process_namespace(2), timeout=PATIENCE
    )
    os.close(writes)
    assert done.returncode == 0 and not (tmp_path / "started").exists()


@pytest.mark.parametrize(("before", "says"), [(None, "refused 1\n"), (inside.no_processes, "unforked 11\n")])
def test_outside_a_namespace_or_without_a_fork_the_supervisor_does_nothing(before: Any, says: str) -> None:
    """Started by hand it runs nothing: to end everybody would mean everybody on this host. It tells the lab alone."""
    told, status = os.pipe()
    command = [PY, "-I", "-S", supervisor.__file__, str(status), "echo", "ran"]
    done = subprocess.run(command, pass_fds=[status], capture_output=True, preexec_fn=before, timeout=30)
    os.close(status)
    with open(told) as lines:
        assert lines.read() == says
    assert (done.stdout, done.stderr) == (b"", b"")


def interrupt_once_it_runs(mark: str) -> None:
    """Send Ctrl-C to these tests when the audited program is there."""
    wait_until(lambda: alive(mark))
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C: exit code 130, and what was seen so far is printed all the same; the program is gone."""
    mark = f"{MARK}-interrupt-{os.getpid()}"
    threading.Thread(target=interrupt_once_it_runs, args=(mark,)).start()
    program = python(f"'{mark}'\nimport time; time.sleep(600)")
    assert main(["audit", "--json", "--timeout", str(2 * PATIENCE), "--", *program]) == 130
    record = json.loads(capsys.readouterr().out)
    assert (record["stopped"], record["exit_status"], alive(mark)) == ("interrupted", None, [])


def test_an_interrupt_of_a_later_run_clears_nothing(tmp_path: Path) -> None:
    """Who was refused once is not cleared by that; the runs that were to follow end, and the result says so."""
    mark = f"{MARK}-later-{os.getpid()}"
    stays = f"os.execv({PY!r}, [{PY!r}, '-c', 'import time; time.sleep(600)', {mark[::-1]!r}[::-1]])"
    code = f"import os\ntry: open('{tmp_path}/ran', 'x')\nexcept OSError: {stays}\n{OWN_PORT}"
    threading.Thread(target=interrupt_once_it_runs, args=(mark,)).start()
    result = lab.audit(python(code), timeout=2 * PATIENCE, sandbox=Sandbox(shares=[str(tmp_path)]))
    assert (result.stopped, result.verdict, alive(mark)) == ("interrupted", "unclear", [])


@pytest.mark.private_network
def test_a_killed_lab_leaves_nothing(tmp_path: Path) -> None:
    """When the process that audits is killed, the audited program ends with it, and no file is left."""
    mark = f"{MARK}-killed-{os.getpid()}"
    code = f"import tcploop_lab as lab; lab.audit([{PY!r}, '-c', 'import time; time.sleep(60)', {mark!r}], timeout=50)"
    with subprocess.Popen([PY, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}) as lab_process:
        wait_until(lambda: sum("sleep(60)" in line and "lab.audit" not in line for line in alive(mark)) > 1)
        lab_process.kill()
    wait_until(lambda: not alive(mark))
    assert list(tmp_path.iterdir()) == []


STOPPING = "import time\nprint('{mark}', flush=True)\ntime.sleep(60)"
OVERWRITING = """
import glob, os, time
for folder in glob.glob('/proc/[0-9]*'):
    try:
        line = open(folder + '/cmdline').read()
        if 'supervisor.py' in line and '{mark}' in line and not folder.endswith('/' + os.readlink('/proc/self')):
            place = int(open(folder + '/syscall').read().split()[-1], 16)
            with open(folder + '/mem', 'r+b', buffering=0) as memory:
                memory.seek(place)
                memory.write(b'\\xeb\\xfe')  # jump to here, on x86
            print('wrote', flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def to_the_supervisor(mark: str, number: signal.Signals) -> Iterator[None]:
    """Send the first supervisor of a program with this mark a signal, as soon as it is there."""

    def send() -> None:
        wait_until(lambda: supervisors(mark))
        os.kill(min(supervisors(mark)), number)

    sender = threading.Thread(target=send)
    sender.start()
    yield
    sender.join()


def test_a_stopped_supervisor_does_not_hold_the_audit_up() -> None:
    """Whoever stops the process that keeps the program together: the audit ends soon after its limit."""
    mark = mark_of("stopped")
    with to_the_supervisor(mark, signal.SIGSTOP):
        result = lab.audit(python(STOPPING.replace("{mark}", mark)), timeout=2.0)
    assert (result.stopped, alive(mark)) == ("timeout", [])
    assert result.seconds < 15


def test_a_killed_supervisor_is_no_verdict() -> None:
    """Somebody kills the process that keeps the program together: nothing is known then, and that is said."""
    mark = mark_of("orphaned")
    ended = pytest.raises(lab.NotOnThisTestbed, match=r"was ended from outside \(signal 9\)")
    with to_the_supervisor(mark, signal.SIGKILL), ended:
        lab.audit(python(STOPPING.replace("{mark}", mark)), timeout=20.0)
    wait_until(lambda: not alive(mark))


def test_a_program_that_overwrites_its_supervisor_does_not_outlast_its_limit() -> None:
    """Not even root can write into the supervisor's memory; the audit ends soon after its limit all the same."""
    mark = mark_of("overwritten")
    result = lab.audit(python(OVERWRITING.replace("{mark}", mark)), timeout=2.0)
    assert (result.stopped, alive(mark)) == ("timeout", [])
    assert result.seconds < 15
    assert set(result.output.split()) == {"PermissionError"}


def supervisors(mark: str) -> list[int]:
    """The processes that keep the marked program together."""
    found = {one.pid: " ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])}
    return [pid for pid, line in found.items() if mark in line and "supervisor.py" in line]


def test_a_deleted_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no folder to run the program in."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ValueError, match=r"^folder '\.': the current folder was deleted"):
        lab.audit("true")
