"""Audits of small programs on the real kernel: each verdict, whoever runs them (tests/testbed/test_audit.py)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.audits import audit as auditing
from tcploop_lab.audits.comparison import PAIRS
from tcploop_lab.audits.sandbox.wanted import Sandbox

from ..testbed import inside, inside_audits
from ..testbed.test_audit import CONNECT, NOTICE, OWN_PORT, PY, python

RETRY = CONNECT + (
    "while s.getsockname() == s.getpeername():\n    s.close()\n    s = socket.create_connection(('{host}', {port}))\n"
)


TWICE = (
    "import socket\nfor n in range(3):\n    s = socket.create_connection(('{host}', {port}))\n"
    "    if n == 2 or s.getsockname() != s.getpeername(): break\n    s.close()\ns.send(b'hello')\n"
)


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


@pytest.fixture(scope="module")
def audits() -> dict[str, lab.AuditResult]:
    """The audits of all of them, some at a time."""
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(lambda program: lab.audit(python(program[0]), timeout=10.0), HONEST.values())
        return dict(zip(HONEST, done, strict=True))


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


@pytest.mark.parametrize(("code", "verdict"), [("s.send(b'hi')", "self-connected"), ("", "detected")])
def test_ipv6_is_the_same(code: str, verdict: str) -> None:
    """Over ::1 a program is judged as over 127.0.0.1."""
    result = lab.audit(python((CONNECT if code else NOTICE) + code), host="::1")
    assert result.verdict == verdict
    assert {(one.src, one.dst) for one in result.segments} == {("::1", "::1")}


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


def test_a_syn_with_ecn_and_data_is_a_syn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the network has ECN (RFC 3168), and data goes with the SYN (RFC 7413), a call is seen all the same."""
    monkeypatch.setattr(auditing, "run_programs", inside_audits.run_with_ecn)
    result = lab.audit(python(FAST_OPEN))
    assert (result.verdict, result.exit_status) == ("self-connected", 0)
    assert any({"S", "E", "C"} <= set(segment.flags) for segment in result.segments)


BULK = (
    CONNECT
    + "for _ in range(400):\n    s.sendall(bytes(60000))\n    left = 60000\n    while left: left -= len(s.recv(left))"
)


def test_all_that_is_written_is_counted() -> None:
    """24 MB, ten times what is kept, are told to the byte."""
    result = lab.audit(python(BULK))
    assert "it went on and wrote 24,000,000 bytes to itself" in result.evidence
    assert sum(len(one.payload) for one in result.segments) < 3 << 20
