"""The pytest plugin: refused dials meet themselves, and a test that uses such a connection fails."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tcploop_lab.audits import dials
from tcploop_lab.stacks import notified
from tcploop_lab.stacks.linux import LivePacketSocket

FLAKES = Path(__file__).with_name("flakes")
pytestmark = pytest.mark.private_network

# What else is installed takes seconds to load; in CI pytest says each reason twice.
ALONE = {name: value for name, value in os.environ.items() if name != "CI"} | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
HEAD = "import os, socket, subprocess, sys, threading, time\nimport pytest\n"
PORT = """
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]

def dial():
    return socket.create_connection(("127.0.0.1", port()))
"""


def run(*words: str) -> tuple[dict[str, str], str]:
    """Run pytest with the plugin; return the outcome of each test by its name, and all that was printed."""
    plain = ("-c", os.devnull, "--noconftest", "-p", "no:cacheprovider", "-p", "tcploop_lab.pytest_plugin", "-rA")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plain, *words], env=ALONE, capture_output=True, text=True, timeout=120
    )
    told = [line.split() for line in done.stdout.splitlines() if "::" in line and line.split()[0].isupper()]
    return {words[1].split("::")[1]: words[0] for words in told}, done.stdout + done.stderr


def outcomes(tmp_path: Path, code: str, *words: str) -> tuple[dict[str, str], str]:
    """The same for a file that holds this code."""
    file = tmp_path / "test_it.py"
    file.write_text(HEAD + PORT + code)
    return run(*words, "--rootdir", str(tmp_path), str(file))


@pytest.mark.parametrize("name", [path.stem for path in sorted(FLAKES.glob("*.py"))])
def test_a_public_flake_fails_before_its_repair_and_passes_after(name: str) -> None:
    """What failed once in thousands of runs fails at once, for the reason that its report gives; repaired it passes."""
    assert len(list(FLAKES.glob("*.py"))) == 3
    told, printed = run("--rootdir", str(FLAKES), str(FLAKES / f"{name}.py"))
    assert told == {"test_before": "FAILED", "test_after": "PASSED"}, printed
    reason = {"opendj_728": "could not bind to the listen port", "coop_435": "in b'GET / HTTP/1.1'"}
    assert reason.get(name, "in b'GET / HTTP/1.1'") in printed


PROGRAM = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).send(b'hi')"
WROTE_TWO = "wrote 2 bytes to itself"
USES = {
    "test_writes": ("sock = dial(); sock.send(b'hello'); sock.close()", "wrote 5 bytes to itself"),
    "test_keeps": ("globals()['kept'] = dial()", "kept the connection until the end"),
    "test_probes": ("dial().close()", "closed it without a look at its own name"),
    "test_forgets": ("dial()", "closed it without a look at its own name"),
    "test_thread": ("one = threading.Thread(target=lambda: dial().send(b'hi')); one.start(); one.join()", WROTE_TWO),
    "test_program": (f"subprocess.run([sys.executable, '-c', {PROGRAM!r}, str(port())], check=True)", WROTE_TWO),
    "test_ipv6": ("socket.create_connection(('::1', port())).send(b'hi')", WROTE_TWO),
    "test_prints": ("print(sock := dial()); sock.close()", "closed it without a look at its own name"),
}


LOOKS = """
@pytest.mark.self_connect
def test_looks():
    with dial() as sock:
        assert sock.getsockname() == sock.getpeername()
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        with socket.create_connection(listener.getsockname()[:2]) as sock:
            sock.sendall(b"hello")
            assert listener.accept()[0].recv(9) == b"hello"
"""


def test_using_a_connection_with_itself_is_a_failure(tmp_path: Path) -> None:
    """Who writes, keeps it, or closes it as if it had met a server has used it; the failure says which.

    So do a thread, a program that the test starts, and IPv6. Who asks for its own name and closes without a byte
    passes, and so do the sockets of servers.
    """
    code = "".join(f"@pytest.mark.self_connect\ndef {name}(): {how}\n" for name, (how, _) in USES.items())
    told, printed = outcomes(tmp_path, code + LOOKS)
    assert told == dict.fromkeys(USES, "FAILED") | {"test_looks": "PASSED"}, printed
    counts = Counter(words for _, words in USES.values())
    assert {words: count for words, count in counts.items() if printed.count(words) < count} == {}
    assert printed.count("it used a connection with itself:") >= len(USES) and "[::1]:" in printed


def test_a_dial_that_leaves_from_another_address_does_not_meet_itself(tmp_path: Path) -> None:
    """127.0.1.1 is dialled from 127.0.0.1: refused, whether the caller waits or not; 0.0.0.0 and :: do meet."""
    code = """
@pytest.mark.self_connect
def test_refused():
    with socket.socket() as sock, socket.socket() as waits:
        sock.setblocking(False)
        sock.connect_ex(("127.0.1.1", 40000))
        with pytest.raises(ConnectionRefusedError):
            waits.connect(("127.0.1.1", 40001))

@pytest.mark.self_connect
def test_any():
    for port, host in enumerate(("0.0.0.0", "::", "::ffff:0.0.0.0", "::ffff:127.0.0.1"), 40000):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
            sock.connect((host, port))
            sock.send(b"hello")

@pytest.mark.self_connect
def test_first_refused():
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.1.1", 40000))
    with socket.create_connection(("127.0.0.1", 40000)) as looks:
        looks.getsockname()
    socket.create_connection(("127.0.0.1", 40000)).send(b"hello")
"""
    told, printed = outcomes(tmp_path, code)
    assert told == {"test_refused": "PASSED", "test_any": "FAILED", "test_first_refused": "FAILED"}, printed
    assert printed.count("no dial met itself") == 1
    assert printed.count("wrote 5 bytes to itself") == 5 and "as if it had met" not in printed


def test_outcomes_of_the_function_are_pytests_own(tmp_path: Path) -> None:
    """A skip, an expected and a real failure, and a function that hangs are told as ever, with what it printed.

    Of a process that dies it is told how, and what met itself till then. A child that the function leaves keeps nobody.
    """
    code = """
@pytest.mark.self_connect
def test_skips(): pytest.skip("not today")

@pytest.mark.self_connect
def test_skips_by_unittest():
    import unittest
    raise unittest.SkipTest("nor tomorrow")

@pytest.mark.self_connect
def test_expects(): pytest.xfail("known")

@pytest.mark.self_connect
def test_asserts():
    print("words of the test")
    assert 1 + 1 == 3

@pytest.mark.self_connect(timeout=0.5)
def test_hangs(): time.sleep(60)

@pytest.mark.self_connect
def test_dials_nobody(): pass

def test_unmarked(): assert os.getppid() != 1
@pytest.mark.self_connect
def test_exits():
    dial().send(b"hi")
    if os.fork() == 0:
        time.sleep(60)
    os._exit(3)
@pytest.mark.self_connect
def test_crashes(): os.kill(os.getpid(), 11)
@pytest.mark.self_connect(timeout=30)
def test_leaves_a_child():
    if os.fork() == 0:
        time.sleep(60)
"""
    began = time.monotonic()
    told, printed = outcomes(tmp_path, code, "-p", "no:faulthandler")
    passed = dict.fromkeys(("test_dials_nobody", "test_unmarked", "test_leaves_a_child"), "PASSED")
    failed = dict.fromkeys(("test_asserts", "test_hangs", "test_exits", "test_crashes"), "FAILED")
    assert told == passed | failed | {"test_expects": "XFAIL"}
    assert time.monotonic() - began < 60  # the time that a child would sleep, and that a function may take
    assert "the test's process ended (exit status 3)\n127.0.0.1:" in printed and " met itself" in printed
    assert "the test's process ended (signal 11, Segmentation fault)" in printed
    said = ("not today", "nor tomorrow", "known", "words of the test", "assert (1 + 1) == 3")
    assert all(words in printed for words in said)
    assert "it did not end within 0.5 s" in printed and "no dial met itself" in printed


def test_where_calls_cannot_be_made_to_wait_it_is_skipped(tmp_path: Path) -> None:
    """The kernel refuses a second listener over one process, as gVisor refuses every one; the reason is told."""
    inner = tmp_path / "test_inner.py"
    inner.write_text("import pytest\n@pytest.mark.self_connect(timeout=20)\ndef test_it(): pass\n")
    words = ["-p", "tcploop_lab.pytest_plugin", "-c", os.devnull, "-rs", "--rootdir", str(tmp_path), str(inner)]
    code = f"""
@pytest.mark.self_connect(timeout=10)
def test_outer():
    subprocess.run([sys.executable, "-m", "pytest", *{words}], check=True)
"""
    told, printed = outcomes(tmp_path, code, "-s")
    assert told == {"test_outer": "PASSED"}, printed
    assert "dials cannot be made to wait here: seccomp() said Device or resource busy" in printed


def test_nobody_waits_for_calls_once_nobody_is_left_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that only hangs up is not read: from Linux 6.3 to 6.10 that would never end."""
    monkeypatch.setattr(notified, "next_call", lambda _: pytest.fail("read a listener without a call"))
    (listener, writer), (ended, ends) = os.pipe(), os.pipe()
    os.close(writer)
    told, tells = socket.socketpair()
    with told, tells, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        watcher = dials._Watcher(LivePacketSocket(packets))
        said = watcher._answer_until_told(listener, told, ended, time.monotonic() + 0.2)
    for one in (listener, ended, ends):
        os.close(one)
    assert said is None


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    """A program that the test leaves behind, in a session of its own, ends with the test."""
    marker = f"import time; time.sleep(600)  # {tmp_path.name}"
    code = f"""
@pytest.mark.self_connect
def test_it(): subprocess.Popen(["setsid", "-f", sys.executable, "-c", {marker!r}])
"""
    assert outcomes(tmp_path, code)[0] == {"test_it": "PASSED"}
    assert [one for one in psutil.process_iter(["cmdline"]) if marker in (one.info["cmdline"] or [])] == []


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("@pytest.mark.self_connect(timeout=0)\ndef test_it(): pass", "self_connect: timeout 0: give seconds above 0"),
        ("@pytest.mark.self_connect(seconds=1)\ndef test_it(): pass", "unexpected keyword argument 'seconds'"),
        ("import unittest\n@pytest.mark.self_connect\nclass TestIt(unittest.TestCase):\n    def test_it(self): pass",
         "self_connect is for test functions, not for TestCaseFunction"),
    ],
)  # fmt: skip
def test_a_mark_that_cannot_be_kept_is_refused(code: str, complaint: str, tmp_path: Path) -> None:
    """Before anything runs, in one line."""
    told, printed = outcomes(tmp_path, code)
    assert told == {}
    assert complaint in printed


def test_without_the_option_there_is_no_such_plugin() -> None:
    """The plugin is off unless it is asked for."""
    words = [sys.executable, "-m", "pytest", "-c", os.devnull, "--markers"]
    assert "self_connect" not in subprocess.check_output(words, text=True)  # with all plugins that are installed
    told = subprocess.check_output([*words, "-p", "tcploop_lab.pytest_plugin"], env=ALONE, text=True)
    assert "self_connect(timeout=60)" in told
