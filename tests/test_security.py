"""docs/security.md, line by line: every line has a test, and here are those that no other file has."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_core.paths import jupyter_runtime_dir

import tcploop_lab as lab
from tcploop_lab.cli import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
WATCH = """
import os, socket, sys
told, seen = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT), set()
def watch(event, args):
    if event == "socket.getaddrinfo" or event == "socket.connect" and args[0].type == socket.SOCK_STREAM:
        name = args[0] if event == "socket.getaddrinfo" else args[1][0] if isinstance(args[1], tuple) else "unix"
        if name not in seen:
            seen.add(name)
            os.write(told, f"{name}\\n".encode())
sys.addaudithook(watch)
"""
FOREIGN = ["192.0.2.1", "8.8.8.8", "2001:db8::1", "224.0.0.1", "255.255.255.255"]


def python(code: str, folder: Path, **more: str) -> str:
    """Run code in a process of its own, with this folder as its home, and return what it prints."""
    environment = os.environ | {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)} | more
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def watched(code: str, folder: Path, **more: str) -> tuple[str, set[str]]:
    """Run code, and return what it prints and which names it and the workers that it starts looked up or dialled."""
    in_workers = "from tcploop_lab.stacks import worker_process as started\n"
    in_workers += f"started._BOOT = {WATCH.replace('{', '{{').replace('}', '}}')!r} + started._BOOT"
    printed = python("\n".join([WATCH, in_workers, code]), folder, SEEN=str(folder / "seen"), **more)
    return printed, set((folder / "seen").read_text().split())


def test_every_line_of_the_page_has_its_test() -> None:
    """Each item names a test, and each test that is named exists."""
    items = re.split(r"^- ", PAGE, flags=re.MULTILINE)[1:]
    assert len(items) > 15
    assert [item[:60] for item in items if "::test_" not in item] == []
    assert [name for path, name in NAMED if f"def {name}(" not in (ROOT / path).read_text()] == []


@pytest.mark.private_network
def test_it_writes_only_what_is_named(tmp_path: Path) -> None:
    """A loop, a capture and a study leave the files that were named, and caches of libraries."""
    code = (
        "import tcploop_lab as lab\n"
        "with lab.open_testbed((40500, 40500)) as t, t.capture(40500) as seen:\n    t.connect_loop(40500).close()\n"
        "seen.pcap('named.pcap'); lab.doctor()\n"
        "lab.Study([40500], [(40500, 40500)], samples=3).run(out='named.sqlite', progress=False)"
    )
    python(code, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"named.pcap", "named.sqlite"} <= names <= {"named.pcap", "named.sqlite", ".cache", ".config"}


@pytest.mark.private_network
def test_an_audited_program_cannot_leave(tmp_path: Path) -> None:
    """A program under audit that dials another address gets "network is unreachable"."""
    dial = "import socket; print(socket.socket().connect_ex(('192.0.2.1', 80)))"
    command = [sys.executable, "-m", "tcploop_lab", "audit", "--json", "--", sys.executable, "-c", dial]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=100)
    assert json.loads(done.stdout)["output"] == f"{errno.ENETUNREACH}\n"


def test_it_never_asks_for_root(tmp_path: Path) -> None:
    """As an ordinary user who can gain no rights, all works, and sudo, su and pkexec are never called."""
    for name in ("sudo", "su", "pkexec"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/called\n")
        (tmp_path / name).chmod(0o755)
    # This situation comes with PR_SET_NO_NEW_PRIVS: a set-user-id program would gain nothing.
    words = [
        sys.executable,
        "-m",
        "tests.matrix.enter",
        "no IPv6",
        sys.executable,
        "-m",
        "tests.matrix.smoke",
        "no IPv6",
    ]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["self_connected"], done.stderr
    assert not (tmp_path / "called").exists()


@pytest.mark.private_network
def test_only_own_addresses_are_dialled(tmp_path: Path) -> None:
    """Foreign addresses are refused as host and as source on every testbed, and are neither dialled nor looked up."""
    code = (
        "import tcploop_lab as lab\n"
        f"refused = 0\nfor kind in ('namespace', 'host', 'simulated'):\n  for address in {FOREIGN}:\n"
        "    for name in ('host', 'source'):\n"
        "      try: lab.open_testbed(kind=kind).connect_loop(40000, **{name: address})\n"
        "      except ValueError: refused += 1\n"
        "lab.open_testbed().connect_loop(40000, max_tries=1, progress=False)\n"
        "print(refused)"
    )
    printed, seen = watched(code, tmp_path)
    assert int(printed) == 3 * 2 * len(FOREIGN)
    assert seen == {"127.0.0.1"}


@pytest.mark.private_network
def test_a_lesson_dials_nothing_outside(tmp_path: Path) -> None:
    """The code of lesson 00, with every call of it and of its workers watched, dials names of this machine only."""
    cells = json.loads((ROOT / "notebooks" / "00_start_here.ipynb").read_text())["cells"]
    lesson = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    _, seen = watched(lesson, tmp_path, MPLBACKEND="Agg")
    assert "127.0.0.1" in seen
    assert seen <= {"127.0.0.1", "::1", "localhost", "unix", "0.0.0.0"}


def started(monkeypatch: pytest.MonkeyPatch, *more: str) -> list[str]:
    """What tcploop lab gives to JupyterLab, which is not started."""
    calls: list[list[str]] = []
    monkeypatch.setattr("jupyterlab.labapp.main", calls.append)
    assert main(["lab", *more]) == 0
    return calls[0]


def test_jupyterlab_is_for_this_machine_and_has_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """make lab is tcploop lab, which binds 127.0.0.1, keeps the token on, and encrypts what kernels say."""
    monkeypatch.chdir(tmp_path)
    given = started(monkeypatch, "--port=0", "--", "--no-browser")
    assert {"--ServerApp.ip=127.0.0.1", "--KernelManager.transport_encryption=auto", "--ServerApp.port=0"} < set(given)
    assert given[-1] == "--no-browser" and f"--ServerApp.root_dir={tmp_path}" in given
    assert "--LabApp.default_url=/lab/tree/course/00_start_here.ipynb" in given
    assert not re.search(r"token|password|0\.0\.0\.0|allow_origin", " ".join(given))
    assert "for this machine only" in capsys.readouterr().out
    public = started(monkeypatch, "course", "--no-browser", "--", "--ServerApp.ip=0.0.0.0")
    assert "for this machine only" not in capsys.readouterr().out
    assert [one for one in public if one.startswith("--ServerApp.ip=")] == ["--ServerApp.ip=0.0.0.0"]
    assert "--LabApp.default_url=/lab/tree/mein%20Kurs/00_start_here.ipynb" in started(monkeypatch, "mein Kurs")
    assert "-m tcploop_lab lab course " in subprocess.check_output(["make", "-n", "lab"], cwd=ROOT, text=True)


def test_where_the_home_is_read_only_jupyterlab_gets_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It cannot start without a folder for its run: it gets one that goes with the run, and one line says so."""
    places: list[Path] = []
    monkeypatch.setattr("jupyterlab.labapp.main", lambda _: places.append(Path(jupyter_runtime_dir()).resolve(True)))
    (tmp_path / "home").touch()  # also root cannot make a folder in a file
    for name in ("DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / "home" / "runtime"))
    assert main(["lab", str(tmp_path / "course")]) == 0
    assert "home/runtime cannot be written (Not a directory): what you set" in capsys.readouterr().out
    assert [place.exists() for place in places] == [False]


@pytest.mark.parametrize(("user", "said"), [(0, True), (1000, False), (None, False)])
def test_root_is_told_what_is_added_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], user: int | None, said: bool
) -> None:
    """One line says that --allow-root is added, and why; nobody else hears of it, nor Windows, which has no root."""
    if user is None:
        monkeypatch.delattr(os, "geteuid")
    else:
        monkeypatch.setattr(os, "geteuid", lambda: user)
    given = started(monkeypatch, str(tmp_path / "course"))
    printed = capsys.readouterr().out
    assert ("You are root, so --allow-root is added: " in printed) == said == ("--allow-root" in given)


def test_what_is_read_is_not_run() -> None:
    """Nothing unpickles or evaluates but the channels between the lab and processes of its own."""
    dangerous = {"pickle", "marshal", "shelve", "dill", "yaml"}
    found, files = set(), sorted((ROOT / "tcploop_lab").rglob("*.py"))
    assert len(files) > 50
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if dangerous & set(names) or called in ("eval", "exec"):
                found.add(str(path.relative_to(ROOT / "tcploop_lab")))
    assert found == {"stacks/kernels/console.py", "stacks/networks.py", "stacks/wire.py"}


def test_the_channel_to_a_worker_is_private() -> None:
    """It is a pair of Unix sockets without a name that a third process could open, and no child inherits it."""
    with lab.open_testbed() as testbed:
        channel = testbed.executor._crew.workers[0].channel
        assert channel.family == socket.AF_UNIX
        assert (channel.getsockname(), channel.getpeername()) == ("", "")
        assert not channel.get_inheritable()


def test_a_run_holds_its_port_until_it_is_closed() -> None:
    """A server cannot bind the port of an open run, and can at once after run.close()."""
    with lab.open_testbed((40500, 40500)) as testbed:
        run = testbed.connect_loop(40500, progress=False)
        with pytest.raises(OSError) as taken:
            testbed.hold(40500)
        assert taken.value.errno == errno.EADDRINUSE
        run.close()
        testbed.hold(40500).close()
