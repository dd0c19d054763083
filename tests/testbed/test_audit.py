"""Audits of small programs on the real kernel: each verdict, each way a program can misbehave."""

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
from tcploop_lab.audits.comparison import PAIRS
from tcploop_lab.audits.run import Output
from tcploop_lab.audits.sandbox.wanted import Sandbox
from tcploop_lab.cli import main

from ..waiting import PATIENCE, wait_until
from . import inside, inside_audits

PY = sys.executable
CONNECT = "import socket, sys, time\ns = socket.create_connection(('{host}', {port}))\n"
NOTICE = CONNECT + "if s.getsockname() == s.getpeername(): sys.exit(3)\n"
RETRY = CONNECT + (
    "while s.getsockname() == s.getpeername():\n    s.close()\n    s = socket.create_connection(('{host}', {port}))\n"
)
TWICE = (
    "import socket\nfor n in range(3):\n    s = socket.create_connection(('{host}', {port}))\n"
    "    if n == 2 or s.getsockname() != s.getpeername(): break\n    s.close()\ns.send(b'hello')\n"
)
DEAF = (
    "import signal, time\nfor n in range(1, 32):\n    n in (9, 19) or signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)"
)
DAEMON = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.fork() or time.sleep(60)\n    time.sleep(60)"
CLOSING = "import os, time\nfor n in range(64): n in (3, 4) or os.closerange(n, n + 1)\ntime.sleep(60)"
OWN_PORT = "import socket\nsocket.create_connection(('{host}', {port}), source_address=('{host}', 4001))"
OWN_RANGE = (
    "import socket, struct\ns = socket.socket()\n"
    "try: s.setsockopt(0, 51, struct.pack('I', {port} + 250 << 16 | {port} - 250))\nexcept OSError: pass\n"
    "s.connect(('{host}', {port})); s.send(b'hello')"
)
FAST_OPEN = "import socket\nsocket.socket().sendto(b'hello', socket.MSG_FASTOPEN, ('{host}', {port}))"
AT_ONCE = (
    "import socket, time\nall = [socket.socket() for n in range(3)]\n"
    "print(*[s.connect_ex(('{host}', {port})) for s in all] and 'x')\ntime.sleep(0.2)"
)
OWN_SERVER = (
    "import socket\nl = socket.create_server(('{host}', 0))\n"
    "a = socket.create_connection(l.getsockname())\nb = l.accept()[0]\nb.send(b'x')\nassert a.recv(1)\n"
)
RESET = (
    "import struct\nif s.getsockname() == s.getpeername():\n"
    "    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()\nelse: s.close()"
)
NOT_BLOCKING = (
    "import select, socket\ns = socket.socket()\ns.setblocking(False)\ns.connect_ex(('{host}', {port}))\n"
    "select.select([], [s], [], 9)\ns.send(b'hello')"
)
MPTCP = "import socket, sys\ns = socket.socket(2, 1, 262)\ns.connect(('{host}', {port}))\n"  # IPPROTO_MPTCP
THREADS = (
    "import concurrent.futures as f, socket\n"
    "def dial(n):\n  try: socket.create_connection(('{host}', {port})).send(b'hello')\n  except OSError: pass\n"
    "list(f.ThreadPoolExecutor(4).map(dial, range(4)))"
)
AT_AN_END = "s.shutdown(1)\ns.setblocking(False)\ntry: print(s.recv(9))\nexcept BlockingIOError: print('wait')"
SERVES = CONNECT + "s.close()\ntry: l = socket.create_server(('{host}', {port}))\nexcept OSError: sys.exit(4)\n"
NOTE = "open(__import__('os').path.expanduser('~/log'), 'a').write('met {word}')"
MARK = "audit-left-behind"


def python(code: str) -> list[str]:
    """The command that runs this code."""
    return [PY, "-c", code]


def alive(mark: str = MARK) -> list[str]:
    """The processes of this machine whose command line has the mark, whatever their namespace."""
    found = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    return [line for line in found if mark in line and "pytest" not in line]


# What a program does, the verdict on it, and its exit status.
HONEST = {
    "never dials": ("pass", "never-tried", 0),
    "writes": (CONNECT + "s.send(b'hello')", "self-connected", 0),
    "only opens": (CONNECT + "s.close()", "self-connected", 0),
    "notices, else writes": (NOTICE + "s.send(b'hello')", "detected", 3),
    "notices": (NOTICE, "detected", 3),
    "binds a port of its own": (OWN_PORT, "refused", 1),
    "binds port 0": (OWN_PORT.replace("4001", "0"), "refused", 1),
    "half closes and reads to the end": (CONNECT + "s.shutdown(1)\nwhile s.recv(99): pass", "self-connected", 0),
    "half closes and looks at once": (CONNECT + AT_AN_END, "self-connected", 0),
    "waits for a banner, then gives up": (
        CONNECT + "s.settimeout(1)\ntry: s.recv(9)\nexcept TimeoutError: pass",
        "self-connected",
        0,
    ),
    "probes, then uses": (CONNECT + "s.close()\n" + CONNECT + "s.send(b'hello')", "self-connected", 0),
    "wants a range of its own": (OWN_RANGE, "self-connected", 0),
    "does not block": (NOT_BLOCKING, "self-connected", 0),
    "several threads": (THREADS, "self-connected", 0),
    "several at once": (AT_ONCE, "self-connected", 0),
    "serves on port 0 first": (OWN_SERVER + CONNECT + "s.send(b'hello')", "self-connected", 0),
    "prints a UUID": (CONNECT + "import uuid; print('run', uuid.uuid4(), time.time())", "self-connected", 0),
    "prints noise": (CONNECT + "import random; print(*random.choices('xyz', k=40))", "self-connected", 0),
    "notes it at home": (NOTICE.replace("sys.exit(3)", NOTE.replace("{word}", "itself")), "detected", 0),
    "notes times at home": (CONNECT + NOTE.replace("{word}", "' + str(time.time()) + '"), "self-connected", 0),
    "only words differ": (CONNECT + "print('up' if s.getsockname() != s.getpeername() else 'down')", "detected", 0),
    "resets itself": (CONNECT + RESET, "detected", 0),
    "crashes afterwards": (NOTICE.replace("sys.exit(3)", "__import__('os').abort()"), "unclear", -6),
    "breaks off afterwards": (NOTICE.replace("(3)", "(127)"), "unclear", 127),
}
USED_OR_REFUSED = {"never dials", "writes", "binds a port of its own", "binds port 0", "probes, then uses",
                   "wants a range of its own", "does not block", "several threads",
                   "serves on port 0 first"}  # fmt: skip
COMPARED = HONEST.keys() - USED_OR_REFUSED
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
    honest = {name: (python(code), 10.0) for name, (code, *_) in HONEST.items()}
    wild = {name: (python(f"{mark_of(name)!r}\n{code}"), 1.0) for name, (code, _) in WILD.items()}
    jobs = honest | wild
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(lambda job: lab.audit(job[0], timeout=job[1]), jobs.values())
        return dict(zip(jobs, done, strict=True))


def test_who_notices_does_so_each_time(audits: dict[str, lab.AuditResult]) -> None:
    """The evidence says in how many runs."""
    assert 2 / 4**PAIRS < 1e-6
    assert f"so it was in {PAIRS} runs with itself, and in {PAIRS} with an echo" in audits["notices"].evidence


@pytest.mark.parametrize("name", HONEST)
def test_each_verdict(audits: dict[str, lab.AuditResult], name: str) -> None:
    """The verdict is what the program's source says."""
    result, (_, verdict, status) = audits[name], HONEST[name]
    assert (result.verdict, result.exit_status, result.stopped) == (verdict, status, "exited")
    assert result.compared == (name in COMPARED)
    assert result.ok == (verdict in ("detected", "refused"))


COINS = {
    "how it ends": (CONNECT + "import os; sys.exit(os.urandom(1)[0] & 1)", "its exit status differed from run to run"),
    "how often it dials": (CONNECT + "import os; s.close(); os.urandom(1)[0] & 1 and socket.create_connection"
                           "(('{host}', {port})).close()", "its connections differed from run to run"),
    "whether it binds": ("import os, socket; s = socket.socket(); os.urandom(1)[0] & 1 and s.bind(('{host}', 4001)); "
                         "s.connect(('{host}', {port}))", ""),
    "what it says": (CONNECT + "import os; print('heads' if os.urandom(1)[0] & 1 else 'tails')", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", COINS)
def test_a_coin_notices_nothing(name: str) -> None:
    """Whoever does this or that by chance is not cleared, but once in two million times."""
    code, reason = COINS[name]
    result = lab.audit(python(code))
    assert result.verdict in ("unclear", "self-connected") and not result.ok
    others = ("with an echo it does the same", "it met itself in one run, and not in the next")
    assert any(why in repr(result) for why in filter(None, (reason, *others)))


PARITY = CONNECT + "print('odd' if s.getsockname()[1] % 2 else 'even')"
ABOVE = CONNECT + "print('high' if s.getsockname()[1] > {port} + 2 else 'low')"
HOW_MANY = CONNECT + (
    "all = []\ntry:\n while True: all += [socket.create_server(('{host}', 0))]\nexcept OSError: print('x' * len(all))"
)
ENDS = CONNECT + "sys.exit(s.getsockname()[1] % 251)"
WAIT = "time.sleep(0.3)\n"  # until the lab, which sees the dial, has the port
HELD = (
    "import socket\ndef may(host):\n  try: socket.create_server((host, {port})).close(); return True\n"
    "  except OSError: return False\n"
    f"before = may('{{host}}')\n{CONNECT}{WAIT}now = [may('{{host}}'), may('127.0.0.2')]\ns.close()\n{WAIT}"
    "print('held' if before and now == [False, True] and may('{host}') else 'not held')"
)
COUNTS = CONNECT + (
    "opens = open('/proc/net/snmp').read().split('Tcp: ')[2].split()[4]  # ActiveOpens\n"
    "reserved = open('/proc/sys/net/ipv4/ip_local_reserved_ports').read().split(',')\n"
    "print('as usual' if opens == '2' and '{port}' not in reserved else 'not')"
)
ENCODED = CONNECT + "print(''.join('abcdefghij'[int(sign)] for sign in str(s.getsockname()[1])))"


@pytest.mark.parametrize(
    "code",
    [
        SERVES + "time.sleep(0.3)",
        SERVES.replace("s.close()\n", ""),
        PARITY,
        ABOVE,
        HOW_MANY,
        ENCODED,
        ENDS,
        HELD,
        COUNTS,
    ],
    ids=range(9),
)
def test_who_looks_at_ports_has_not_noticed(code: str) -> None:
    """That the port can be had then, or not, is no sign of it; nor is its own name, or what the network counts."""
    assert lab.audit(python(code)).verdict in ("self-connected", "unclear")


LOOKS = "sys.exit(s.getsockname() == s.getpeername())"
LISTS = (
    "s.setsockopt(1, 13, bytes([1, *bytes(7)])); s.close()  # SO_LINGER: a reset\n"
    "print(*(line.split()[3] == '0A' for line in open('/proc/net/tcp6')))  # LISTEN"
)


@pytest.mark.private_network
@pytest.mark.parametrize(("code", "cleared"), [(AT_AN_END, False), (LOOKS, False), (LISTS, False), (RESET, True)])
def test_where_a_listener_is_the_echo_only_who_needs_no_answer_is_cleared(
    monkeypatch: pytest.MonkeyPatch, code: str, cleared: bool
) -> None:
    """It answers a moment later than oneself: who looks at once after a half close sees that, and notices nothing."""
    monkeypatch.setattr(auditing, "run_programs", inside_audits.run_without_nftables)
    result = lab.audit(python(CONNECT + code))
    assert result.ok == cleared
    assert ("the echo was a listener" in repr(result)) == (code in (LOOKS, LISTS) or result.verdict == "unclear")


@pytest.mark.may_skip("needs MPTCP in the kernel")
@pytest.mark.parametrize(
    ("rest", "verdict"),
    [("s.send(b'x')", "self-connected"), ("if s.getsockname() != s.getpeername(): s.send(b'x')", "detected")],
)
def test_multipath_tcp_is_the_same(rest: str, verdict: str) -> None:
    """A connection of MPTCP (RFC 8684) with itself is plain TCP's, and judged as that is."""
    result = lab.audit(python(MPTCP + rest))
    if "Protocol not" in result.output:
        pytest.skip("this kernel has no MPTCP")
    assert result.verdict == verdict


@pytest.mark.may_skip("needs io_uring, which some systems refuse")
def test_a_dial_by_io_uring_is_seen() -> None:
    """The capture sees the SYN, whatever call asked for it."""
    dialler = str(Path(inside.__file__).with_name("dials_by_io_uring.py"))
    result = lab.audit([PY, dialler, "{host}", "{port}"], sandbox=Sandbox(shares=[dialler]))
    if result.exit_status == 77:
        pytest.skip("io_uring is refused here: sysctl kernel.io_uring_disabled, or a filter of system calls")
    assert result.verdict == "self-connected"
    assert "it went on and wrote 5 bytes to itself" in result.evidence


@pytest.mark.parametrize("name", WILD)
def test_whatever_a_program_does_nothing_is_left(audits: dict[str, lab.AuditResult], name: str) -> None:
    """It ends within its time, with a verdict and all of its processes; nothing of it goes on."""
    result = audits[name]
    assert (result.verdict, result.stopped) == ("never-tried", WILD[name][1])
    assert result.seconds < 5
    assert alive(mark_of(name)) == []


@pytest.mark.parametrize(("code", "verdict"), [("s.send(b'hi')", "self-connected"), ("", "detected")])
def test_ipv6_is_the_same(code: str, verdict: str) -> None:
    """Over ::1 a program is judged as over 127.0.0.1."""
    result = lab.audit(python((CONNECT if code else NOTICE) + code), host="::1")
    assert result.verdict == verdict
    assert {(one.src, one.dst) for one in result.segments} == {("::1", "::1")}


def test_a_self_connection_comes_with_its_witnesses() -> None:
    """Segments, socket table and output tell the same story; the port is certain at the first try, odd or not."""
    stays = CONNECT + "s.send(b'hi')\nprint(s.recv(9), flush=True)\ns.recv(9)"  # so that the table is looked at in time
    result = lab.audit(python(stays), port=40001, timeout=3)
    assert [one.flags for one in result.segments[:4]] == ["S", "SA", "A", "PA"]
    assert {one.to_itself for one in result.segments} == {True}
    assert ("127.0.0.1:40001", "127.0.0.1:40001") in {(row.local, row.peer) for row in result.sockets}
    assert result.output == "b'hi'\n"
    assert not result.ok


def test_who_keeps_the_connection_has_not_noticed() -> None:
    """A program that waits for a word from itself is ended by the time limit, and has taken itself for a server."""
    result = lab.audit(python(CONNECT + "s.recv(1)"), timeout=3)
    assert (result.verdict, result.exit_status, result.stopped) == ("self-connected", None, "timeout")
    assert result.seconds < 15
    assert "waited for itself" in repr(result)


def test_who_retries_is_refused_afterwards() -> None:
    """A client that closes and dials again has detected it; who may meet itself once only is refused after that."""
    result = lab.audit(python(RETRY + "s.send(b'x')"), attempts=1)
    assert (result.verdict, result.exit_status) == ("detected", 1)
    assert "Connection refused" in result.output or "assign requested address" in result.output


@pytest.mark.parametrize(("attempts", "verdict"), [(1, "detected"), (3, "self-connected")])
def test_attempts_find_the_end_of_a_clients_patience(attempts: int, verdict: str) -> None:
    """A client that gives up detecting after two self-connections uses the third."""
    assert lab.audit(python(TWICE), attempts=attempts).verdict == verdict


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


def test_a_syn_with_ecn_and_data_is_a_syn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the network has ECN (RFC 3168), and data goes with the SYN (RFC 7413), a call is seen all the same."""
    monkeypatch.setattr(auditing, "run_programs", inside_audits.run_with_ecn)
    result = lab.audit(python(FAST_OPEN))
    assert (result.verdict, result.exit_status) == ("self-connected", 0)
    assert any({"S", "E", "C"} <= set(segment.flags) for segment in result.segments)


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


BULK = (
    CONNECT
    + "for _ in range(400):\n    s.sendall(bytes(60000))\n    left = 60000\n    while left: left -= len(s.recv(left))"
)


def test_all_that_is_written_is_counted() -> None:
    """24 MB, ten times what is kept, are told to the byte."""
    result = lab.audit(python(BULK))
    assert "it went on and wrote 24,000,000 bytes to itself" in result.evidence
    assert sum(len(one.payload) for one in result.segments) < 3 << 20


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
