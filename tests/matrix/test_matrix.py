"""The course in every kind of machine that can be made real here. docs/matrix.md is what this finds.

In CI the main steps of the first lessons run in each, and the lessons where nothing live is possible
(tests/test_notebooks_simulated.py); `make matrix` runs every lesson in each, and writes the table.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from . import inside, pythons, users
from .situations import BY_NAME, NEWEST, SITUATIONS, Situation
from .table import DOCUMENT, README, in_readme, row_start, short_table

MEASURED: dict[str, dict[str, Any]] = {}


@pytest.fixture
def found(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What the smoke steps found in the situation of this test, measured once."""
    situation: Situation = request.param
    if situation.name not in MEASURED:
        try:
            MEASURED[situation.name] = inside.smoke(situation, tmp_path)
        except (pythons.NoSuchPython, users.NoAccount) as reason:
            pytest.skip(str(reason))
    return MEASURED[situation.name] | {"situation": situation}


@pytest.fixture
def ordinary() -> Situation:
    """The situation of an ordinary user."""
    try:
        users.account()
    except users.NoAccount as reason:
        pytest.skip(str(reason))
    return BY_NAME["ordinary user"]


def each() -> pytest.MarkDecorator:
    """Every situation, by its name."""
    may_skip = pytest.mark.may_skip("only where there is a Python from 3.12 on, and its packages can be had")
    marks = {NEWEST: [may_skip]}
    each = [pytest.param(one, id=one.name, marks=marks.get(one.python, [])) for one in SITUATIONS]
    return pytest.mark.parametrize("found", each, indirect=True)


@each()
def test_the_first_steps_work(found: dict[str, Any]) -> None:
    """A socket meets itself on the best testbed there is, live or simulated and said so; stderr stays empty."""
    situation = found["situation"]
    assert found["testbed"] == situation.testbed, found["why"]
    if situation.port_range:
        assert found["range"] == "{}-{}".format(*situation.port_range)
    assert found["self_connected"] and found["last"]
    assert (found["loop"] == "simulated") == (situation.testbed == "simulated")
    assert found["stderr"] == ""


@each()
def test_the_doctor_names_each_lack_and_a_way_out(found: dict[str, Any]) -> None:
    """The doctor misses what the situation lacks, and says for everything it misses what to do."""
    programs = {"ss", "lsof", "nsenter", "tshark", "chromium"}
    assert set(found["lacks"]) - programs == found["situation"].lacks
    assert found["without_fix"] == []


@each()
def test_the_wire_is_shown_or_the_reason_why_not(found: dict[str, Any]) -> None:
    """A capture is live, or simulated and said so, or refused in one line."""
    assert found["flags"][:3] == ["S", "SA", "A"] or "\n" not in found["capture"]
    assert found["flags"] or len(found["capture"]) > 20
    live = "capture" not in found["situation"].lacks and found["situation"].testbed == "namespace"
    assert (found["capture"] == "live") == live


@each()
def test_audits_and_defences_are_live_or_say_why_not(found: dict[str, Any]) -> None:
    """Audits are live, or recorded where none is possible; defences live or simulated; else the reason is one line."""
    situation = found["situation"]
    whole = situation.testbed == "namespace" and "own port range" not in situation.lacks
    assert (found["defence"] == "live", found["defence"] == "simulated") == (whole, situation.testbed == "simulated")
    assert found["audit"] == ("live" if whole and "capture" not in situation.lacks else "recorded")
    assert found["defence"] in ("live", "simulated") or (len(found["defence"]) > 20 and "\n" not in found["defence"])


def test_the_situations_are_real(tmp_path: Path, ordinary: Situation) -> None:
    """Each filter refuses just its own call: without it the call works, with it it gives the error of the real case."""
    tries = {
        "no IPv6": "import socket; socket.socket(socket.AF_INET6)",
        "before Linux 6.3": "import socket; socket.socket().setsockopt(0, 51, bytes(4))",
        "unshare forbidden": "import os, ctypes; c = ctypes.CDLL(None, use_errno=True);"
        "r = c.unshare(0x10000000); assert r == 0, os.strerror(ctypes.get_errno())",
        "Windows": "exec('import fcntl', {'__name__': 'tcploop_lab.anything'})",
        "macOS": "exec('from socket import AF_PACKET', {'__name__': 'tcploop_lab.anything'})",
        "a namespace without rights": "from tcploop_lab.stacks import namespace as n; n.enter_private_network()",
    }
    for name, code in tries.items():
        command = [sys.executable, "-c", code]
        refused = inside.run(BY_NAME[name], command, tmp_path, tmp_path, 20)
        allowed = inside.run(ordinary, command, tmp_path, tmp_path, 20)
        assert (refused.returncode, allowed.returncode) == (1, 0), (name, refused.stderr, allowed.stderr)


@pytest.mark.parametrize("name", ["macOS", "Windows"])
def test_every_module_is_imported_elsewhere(tmp_path: Path, name: str) -> None:
    """Each module of the lab loads with what Python has there; only nbgrader's part needs nbgrader, which does not."""
    code = """if True:
        import importlib, pkgutil, tcploop_lab
        for found in pkgutil.walk_packages(tcploop_lab.__path__, "tcploop_lab."):
            if found.name not in ("tcploop_lab.__main__", "tcploop_lab.exercises.autograde"):
                importlib.import_module(found.name)
                print(found.name)
    """
    done = inside.run(BY_NAME[name], [sys.executable, "-c", code], tmp_path, tmp_path, 60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 200


SERVED = """if True:
    import os, threading, time, urllib.error, urllib.request
    from jupyter_server.serverapp import ServerApp, list_running_servers
    from tcploop_lab.cli import main
    def answer():
        while True:  # it says where it serves before it listens there
            for one in list_running_servers():
                page = f"{one['url']}api/contents/course/00_start_here.ipynb?token={one['token']}"
                try:
                    return urllib.request.urlopen(page, timeout=40).status
                except urllib.error.HTTPError as error:
                    return error.code
                except urllib.error.URLError:
                    pass
            time.sleep(0.05)
    def visit():
        try:
            print("answered", answer(), flush=True)
        finally:
            ServerApp.instance().io_loop.add_callback(ServerApp.instance().stop)
    threading.Thread(target=visit, daemon=True).start()
    main(["lab", "--no-browser", "--port=0"])
"""


@pytest.mark.parametrize("name", ["macOS", "Windows"])
def test_the_course_opens_without_make(tmp_path: Path, name: str) -> None:
    """`tcploop lab` makes the copy and serves its first lesson with what Python has there."""
    done = inside.run(BY_NAME[name], [sys.executable, "-c", SERVED], tmp_path, tmp_path, 90)
    assert done.returncode == 0 and "answered 200" in done.stdout, done.stdout + done.stderr


def test_an_ordinary_user_has_no_capability(tmp_path: Path, ordinary: Situation) -> None:
    """The ordinary user of the matrix is an account of this machine, in its first user namespace, without any right."""
    code = "import getpass, os; print(getpass.getuser(), os.geteuid(), os.readlink('/proc/self/ns/user'));"
    code += " print(open('/proc/self/status').read())"
    done = inside.run(ordinary, [sys.executable, "-c", code], tmp_path, tmp_path, 20)
    one = users.account()
    words = f"{one.pw_name} {one.pw_uid} {os.readlink('/proc/self/ns/user')}"
    assert (done.stdout.splitlines()[0], one.pw_uid != 0) == (words, True)
    assert "CapEff:\t0000000000000000" in done.stdout and "CapPrm:\t0000000000000000" in done.stdout


def test_a_study_is_simulated_where_no_range_can_be_set(tmp_path: Path) -> None:
    """A study opens a testbed of its own; where neither network nor socket takes a range, it is the simulated one."""
    code = (
        "import tcploop_lab as lab; clients = ['same-socket', 'new-socket'];"
        "study = lab.Study(ports=[40100], ranges=[(40000, 40199)], clients=clients, samples=500);"
        "print(study.run(progress=False).provenance['testbed'])"
    )
    done = inside.run(BY_NAME["old container"], [sys.executable, "-c", code], tmp_path, tmp_path, 60)
    assert done.stdout == "simulated\n", done.stderr


def test_the_readme_has_the_table_in_short() -> None:
    """The README's table is what docs/matrix.md says: every situation once, in no more than 16 lines."""
    short = short_table(DOCUMENT.read_text())
    assert in_readme(README.read_text()) == short
    names = [name for line in short.splitlines()[2:] for name in line.split("|")[1].strip().split(", ")]
    assert sorted(names) == sorted(one.name for one in SITUATIONS)
    assert len(short.splitlines()) <= 16


@each()
def test_the_table_says_what_was_measured(found: dict[str, Any]) -> None:
    """Each line of docs/matrix.md begins with what these tests measured; its lessons are from make matrix."""
    if os.environ.get("MATRIX_TABLE") == "new":
        pytest.skip("make matrix writes the table now")
    assert row_start(found["situation"], found) in DOCUMENT.read_text()
