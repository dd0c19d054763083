"""tcploop as a program of its own: Ctrl-C, pipes, terminals, and the article's program."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from tcploop_lab.cli import looking, main
from tcploop_lab.cli.loops import Dots

from .waiting import PATIENCE, wait_until

pytestmark = pytest.mark.anyuser

COMMAND = [sys.executable, "-m", "tcploop_lab"]
ONE = ["40500", "--range", "40500-40500"]
ENDLESS = ["40501", "--range", "40000-40999", "--max-tries", "1000000000"]
PIPES = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def run(*args: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run tcploop to its end."""
    return subprocess.run([*COMMAND, *args], timeout=PATIENCE, **{**PIPES, **settings})  # type: ignore[call-overload]


@contextlib.contextmanager
def running(*args: str, **settings: object) -> Iterator[subprocess.Popen[str]]:
    """Start tcploop with Ctrl-C as in a terminal, and end it with the block if it has not ended."""

    def hear_ctrl_c() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background ignores it

    options = {**PIPES, "preexec_fn": hear_ctrl_c, **settings}
    with subprocess.Popen([*COMMAND, *args], **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def wait_until_dialling(process: subprocess.Popen[str]) -> None:
    """Return when the worker has dialled for some tenths of a second."""
    workers = psutil.Process(process.pid).children
    wait_until(lambda: any(worker.cpu_times().system > 0.3 for worker in workers()))


def read_until(descriptor: int, mark: str) -> str:
    """Return what comes on a descriptor until `mark` is in it."""
    text, deadline = "", time.monotonic() + PATIENCE
    while mark not in text:
        assert select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0], text
        text += os.read(descriptor, 4096).decode()
    return text


@pytest.mark.private_network
@pytest.mark.parametrize(("command", "times"), [("connect", 5), ("capture", 1)])
def test_ctrl_c_keeps_what_was_measured(command: str, times: int) -> None:
    """Interrupted, once or again and again, it prints the same keys with the tries so far, once, and ends with 130."""
    with running(command, *ENDLESS, "--json") as process:
        wait_until_dialling(process)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        out, err = process.communicate(timeout=PATIENCE)
    answer = json.loads(out)
    whole = json.loads(run(command, *ONE, "--json").stdout)
    assert (process.returncode, err, answer["stopped"]) == (130, "", "interrupted")
    assert set(answer) == set(whole)
    assert answer["tries"] == answer["errors"]["ECONNREFUSED"] > 1000


PRESSED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from tcploop_lab.cli import main, output
deliver = output.deliver
def pressed(*what, **beside):
    for _ in range(5): os.kill(os.getpid(), signal.SIGINT)
    deliver(*what, **beside)
    for _ in range(5): os.kill(os.getpid(), signal.SIGINT)
output.deliver = pressed
class Late:
    def __del__(self, kill=os.kill, me=os.getpid(), number=signal.SIGINT): kill(me, number)
late = Late()  # it goes when Python ends, which has given up its handlers by then
sys.exit(main())
"""
ANSWERED = [
    ["connect", *ONE],
    ["capture", *ONE, "--kernel", "6.18"],
    ["cross", "--kernel", "6.18"],
    ["study", "--ports", "40500", "--ranges", "40500-40500", "--samples", "2", "--kernel", "6.18", "--out", "{out}"],
    pytest.param(["audit", "--", "true"], marks=pytest.mark.private_network),
]


@pytest.mark.parametrize("command", ANSWERED, ids=lambda command: command[0])
def test_ctrl_c_takes_no_answer_away(command: list[str], tmp_path) -> None:
    """Pressed five times between the answer and its printing, after that, and at the very end, it answers."""
    words = [word.replace("{out}", str(tmp_path / "s")) for word in command]
    place = words.index("--") if "--" in words else len(words)
    done = subprocess.run(
        [sys.executable, "-c", PRESSED, *words[:place], "--json", *words[place:]], timeout=PATIENCE, **PIPES
    )
    assert (done.returncode, done.stderr) == (int(command[0] == "audit"), "")
    assert json.loads(done.stdout)["stack"] in ("live", "simulated")


def test_ctrl_c_for_people() -> None:
    """Interrupted, it says how far it was, and shows no traceback."""
    with running("connect", *ENDLESS) as process:
        wait_until_dialling(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "stopped by an interrupt" in out
    assert "Traceback" not in err


@pytest.mark.private_network
def test_ctrl_c_ends_a_study(tmp_path) -> None:
    """An interrupted study says so, ends with 130, and its file goes on from there."""
    args = ["--ports", "40501", "--ranges", "40000-40999", "--samples", "100000", "--out", str(tmp_path / "s")]
    with running("study", *args, "--max-tries", "2000", "--workers", "1", "--json") as process:
        wait_until_dialling(process)
        process.send_signal(signal.SIGINT)
        answer = json.loads(process.communicate(timeout=PATIENCE)[0])
    assert (process.returncode, answer["stopped"]) == (130, "interrupted")
    assert answer["tries"] == 2000 * answer["samples"]
    assert 0 < answer["samples"] < 100_000


LOADING = """
import os, signal, sys, weakref
module = sys.argv[1]
class Press:
    def find_spec(self, name, *_):
        if name == module:
            weakref.finalize(Press(), os.kill, os.getpid(), signal.SIGINT)  # no exception leaves it
sys.meta_path.insert(0, Press())
signal.signal(signal.SIGINT, signal.default_int_handler)
from tcploop_lab.cli import main
sys.argv[1:] = ["check", "40500", "--kernel", "6.18"]
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["tcploop_lab.cli.entry", "click", "tcploop_lab.cli.loops"])
def test_ctrl_c_while_it_loads(module: str) -> None:
    """Pressed while a module is looked for, it ends with 130 and one line."""
    done = subprocess.run([sys.executable, "-c", LOADING, module], timeout=PATIENCE, **PIPES)  # type: ignore
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "tcploop: interrupted\n")


def test_ctrl_c_before_anything_ran() -> None:
    """Ctrl-C while Enter is awaited ends with 130, in one line."""
    with running("connect", *ONE, "--hold", stdin=subprocess.PIPE) as process:
        assert process.stderr is not None
        read_until(process.stderr.fileno(), "Press Enter")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err.strip() == "tcploop: interrupted"


@pytest.mark.parametrize("args", [["doctor"], ["check", "33334"], ["check", "33334", "--json"]])
def test_a_reader_that_leaves_is_no_error(args: list[str]) -> None:
    """Whoever reads the output may stop at once, as head does: no traceback, and the code of the answer."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = run(*args, stdout=theirs)
    os.close(theirs)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "testbed (" not in line] == []


def test_a_full_disk_is_one_line() -> None:
    """An answer that cannot be written ends with 2 and the reason, not with a traceback."""
    with open("/dev/full", "w") as full:
        done = run("check", *ONE, "--json", stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize(("no_color", "colours"), [(None, True), ("1", False)])
def test_a_terminal_gets_colours_unless_it_says_no(no_color: str | None, colours: bool) -> None:
    """A terminal sees yes in green and NO in red; NO_COLOR takes the colours away, not the words."""
    ours, theirs = pty.openpty()
    unset = {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}
    plain = {name: value for name, value in os.environ.items() if name not in unset}
    extra = {"TERM": "xterm-256color"} | ({"NO_COLOR": no_color} if no_color else {})
    done = run("check", "33333", stdout=theirs, env=plain | extra)
    text = read_until(ours, "candidates")
    assert done.returncode == 1
    assert ("\x1b[32myes" in text, "NO" in text) == (colours, True)


def test_the_articles_program_waits_for_enter() -> None:
    """In a terminal it says what it does, shows how to look at the socket, and ends when Enter is pressed."""
    ours, theirs = pty.openpty()
    with running(*ONE, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        text = read_until(ours, "Press Enter to close it.")
        assert text.index("Trying to connect") < text.index("Connected after 1 try")
        looks = [line.strip() for line in text.splitlines() if line.startswith("    ")]
        seen = subprocess.run(shlex.split(looks[0]), capture_output=True, text=True, timeout=PATIENCE)
        assert process.poll() is None
        os.write(ours, b"\n")
        assert process.wait(PATIENCE) == 0
    assert seen.stdout.count("127.0.0.1:40500") == 2, seen.stderr
    assert "ESTAB" in seen.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user cannot see the owner: run the tests as root")
@pytest.mark.may_skip("as an ordinary user only: root runs it")
def test_root_sees_the_program_with_ss_and_lsof() -> None:
    """Both commands that are printed for root find the socket, and name the process that holds it."""
    with running("connect", *ONE, "--hold", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stderr is not None
        text = read_until(process.stderr.fileno(), "Press Enter")
        looks = [line.strip() for line in text.splitlines() if line.startswith("    ")]
        seen = [subprocess.check_output(shlex.split(look), text=True, timeout=PATIENCE) for look in looks]
        process.communicate("\n", timeout=PATIENCE)
    assert [look.split()[4] for look in looks] == ["ss", "lsof"]
    assert [str(process.pid) in text and text.count("127.0.0.1:40500") == 2 for text in seen] == [True, True]
    assert process.returncode == 0


def test_the_host_is_looked_at_directly() -> None:
    """On the host testbed plain ss shows the socket."""
    with running("connect", *ONE, "--hold", "--testbed", "host", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stderr is not None
        text = read_until(process.stderr.fileno(), "Press Enter")
        look = next(line.strip() for line in text.splitlines() if line.startswith("    ss "))
        seen = subprocess.check_output(shlex.split(look), text=True, timeout=PATIENCE)
        process.communicate("\n", timeout=PATIENCE)
    assert seen.count("127.0.0.1:40500") == 2
    assert str(process.pid) in seen


def test_the_articles_program_prints_a_dot_per_thousand_tries() -> None:
    """As many dots as whole thousands of tries; without anybody to press Enter it does not hang."""
    done = run("33334", "--range", "32768-60999")
    first, second = done.stdout.splitlines()
    tries = int(second.split()[2])
    assert done.returncode == 0
    assert second == f"Connected after {tries} tries"
    assert first == "Trying to connect" + "." * (tries // 1000)


def test_dots_are_printed_as_the_tries_come(capsys) -> None:
    """However the tries are told, there is one dot for each thousand, and none twice."""
    dots, seen = Dots(), []
    for tries in (0, 999, 1000, 1000, 3999, 10_000):
        dots(tries)
        seen.append(len(capsys.readouterr().out))
    assert seen == [0, 0, 1, 0, 2, 7]


@pytest.mark.private_network
def test_the_articles_program_says_at_once_that_a_port_never_loops() -> None:
    """Port 33333: it says why, does not try, names the port beside it, and ends with 1."""
    done = run("33333", "--range", "32768-60999")
    assert done.returncode == 1
    assert "33333 is odd" in done.stdout
    assert "tcploop 33334" in done.stdout
    assert "Trying" not in done.stdout


def test_the_articles_program_as_json() -> None:
    """With --json it prints what connect prints, and does not wait."""
    done = run(*ONE, "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, answer["self_connected"]) == (0, "", True)


def test_hold_keeps_the_socket_until_enter() -> None:
    """With --hold the answer is out at once, and the socket stays open until a line comes."""
    with running("connect", *ONE, "--hold", "--json", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        answer = json.loads(process.stdout.readline())
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.communicate("\n", timeout=PATIENCE)
    assert (process.returncode, answer["self_connected"]) == (0, True)


def test_an_idle_pipe_is_not_waited_for_without_end(monkeypatch, capsys) -> None:
    """Where no terminal is there to press Enter, the article's program ends by itself."""
    ours, theirs = os.pipe()
    with os.fdopen(ours) as idle, os.fdopen(theirs, "w"):
        monkeypatch.setattr(sys, "stdin", idle)
        monkeypatch.setattr(looking, "UNATTENDED", 0.2)
        assert main(ONE) == 0
    assert "Press Enter" in capsys.readouterr().err


def test_numpy_starts_no_threads_in_the_command() -> None:
    """OpenBLAS would raise SIGINT where it may start none (ulimit -u). An audited program's environment is left."""
    code = "import os, sys; from tcploop_lab.cli import main; main(sys.argv[1:])"
    code += "; print(len(os.listdir('/proc/self/task')))"
    plain = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    law = ["model", "--era", "random-walk", "--range", "40000-40999", "--port", "40500"]
    done = subprocess.run([sys.executable, "-c", code, *law], timeout=PATIENCE, env=plain, **PIPES)  # type: ignore
    assert done.stdout.splitlines()[-1] == "1", done.stderr
    assert "OPENBLAS" not in run("audit", "--", "env", env=plain).stdout
