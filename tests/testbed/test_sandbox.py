"""The sandbox of an audit: every attempt to get out fails, every layer is named, and what is asked for comes in."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import tcploop_lab as lab
from tcploop_lab.audits import audit as auditing
from tcploop_lab.audits.audit import ALWAYS
from tcploop_lab.audits.sandbox import landlock
from tcploop_lab.audits.sandbox.layers import LAYERS
from tcploop_lab.audits.sandbox.wanted import Sandbox
from tcploop_lab.cli import main

from . import escapes, inside_audits
from .test_audit import alive, python

pytestmark = pytest.mark.private_network
FILE = Path(escapes.__file__)
STRICT = Sandbox(strict=True)
ROOT = os.geteuid() == 0
# What Landlock has no rule for, and the host's /proc, which is seen where no other can be mounted.
BEYOND_LANDLOCK = {"change the mode of a file", "change the times of a file", "see processes of the host"}
SOCKETS = {name for name in escapes.ATTEMPTS if "path socket" in name}  # a rule for these has Linux 7.1
SHARING = Sandbox(shares=[str(FILE)], strict=True)  # the checkout may be in a home


WAIT = "import time; time.sleep(600)"
# What an attempt does that would harm whoever runs these tests, beside what test_audit.py has.
WILD = {
    "stop the parent": "import os, time; os.kill(os.getppid(), 19); time.sleep(60)",
    "a fork bomb": "import os, time\nwhile True:\n try: os.fork()\n except OSError: time.sleep(9)",
}


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[escapes.Victim]:
    """What there is to reach, among it a process with a secret in its environment and in its command line.

    An audit that is asked for now is asked for in the victim's folder, with the victim's HOME.
    """
    environment = os.environ | {"SECRET": escapes.SECRET}
    with (
        subprocess.Popen([sys.executable, "-c", WAIT, escapes.SECRET], env=environment) as process,
        contextlib.ExitStack() as last,
        pytest.MonkeyPatch.context() as patch,
    ):
        last.callback(process.kill)  # whatever happens here: to leave a Popen is to wait for it
        found = last.enter_context(escapes.victim(tmp_path_factory.mktemp("host"), process.pid))
        patch.chdir(found.work)
        patch.setenv("HOME", found.home)
        patch.setenv("SECRET", escapes.SECRET)
        yield found


@pytest.fixture(scope="module")
def inside(victim: escapes.Victim) -> dict[str, str]:
    """What came of each attempt in the sandbox."""
    result = lab.audit([sys.executable, str(FILE), json.dumps(asdict(victim))], timeout=60, sandbox=SHARING)
    return json.loads(result.output)


@pytest.fixture(scope="module")
def outside(victim: escapes.Victim) -> dict[str, str]:
    """What comes of those attempts without a sandbox that harm nobody."""
    who = {escapes.ANYBODY} | ({escapes.ROOT} if ROOT else set())
    names = [name for name, (_, whose) in escapes.ATTEMPTS.items() if whose in who]
    return {name: escapes.outcome(name, victim) for name in names}


@pytest.mark.parametrize("name", escapes.ATTEMPTS)
def test_no_attempt_gets_out(inside: dict[str, str], name: str) -> None:
    """It is stopped."""
    assert inside[name] != "escaped"


def test_the_attempts_would_get_out_of_nothing(outside: dict[str, str]) -> None:
    """Without the sandbox they succeed: it is the sandbox that stops them."""
    assert len(outside) > 30
    assert {name: came for name, came in outside.items() if came != "escaped"} == {}


@pytest.mark.parametrize("name", WILD)
def test_a_wild_program_harms_nobody(victim: escapes.Victim, name: str) -> None:
    """It ends in time, with all its processes, and nobody else does."""
    mark = f"wild-{os.getpid()}-{len(name)}"
    result = lab.audit([sys.executable, "-c", WILD[name], mark], timeout=2, sandbox=STRICT)
    assert (result.stopped, result.seconds < 10) == ("timeout", True)
    assert alive(mark) == []
    os.kill(victim.process, 0)


def test_a_fork_bomb_stays_small(victim: escapes.Victim) -> None:
    """There are at most as many processes as the limit says, or as few as the kernel lets root bound."""
    count = "import os\nn = 0\ntry:\n while os.fork(): n += 1\n os.read(0, 1); import time; time.sleep(9)\n"
    count += "except OSError: print(n); os.kill(-1, 9)"
    result = lab.audit(python(count), timeout=20, sandbox=Sandbox(limits={"processes": 40}, strict=True))
    assert 10 < int(result.output) < (302 if ROOT else 40)


def test_a_limit_that_is_there_already_is_not_raised() -> None:
    """Where the user may have less memory or fewer processes than the sandbox gives, an audit runs with these."""

    def fewer() -> None:
        for limit, most in ((resource.RLIMIT_DATA, 1 << 30), (resource.RLIMIT_NPROC, 900)):
            resource.setrlimit(limit, (most, most))

    show = "import resource as r; print(*r.getrlimit(r.RLIMIT_DATA), *r.getrlimit(r.RLIMIT_NPROC))"
    command = [sys.executable, "-m", "tcploop_lab", "audit", "--json", "--", *python(show)]
    done = subprocess.run(command, preexec_fn=fewer, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "" and json.loads(done.stdout)["output"].split() == [str(1 << 30)] * 2 + ["900"] * 2


def test_output_is_limited() -> None:
    """Whoever prints without end is ended long before the time limit, and it is said why."""
    result = lab.audit(python("while True: print('x' * 9999)"), timeout=60, sandbox=Sandbox(limits={"output": 1 << 20}))
    assert (result.stopped, result.seconds < 30) == ("timeout", True)
    assert "it was ended by the limit of 1,048,576 bytes of output" in result.evidence


def test_the_layers_are_named() -> None:
    """Where nothing is missing, all of them are in the result."""
    assert lab.audit("true", sandbox=STRICT).sandbox == (*(layer.name for layer in LAYERS), *ALWAYS)


def test_without_bubblewrap_the_other_layers_hold(victim: escapes.Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Landlock cannot refuse gets through, and nothing else; the layers that are missing are not named."""
    monkeypatch.setenv("PATH", victim.work)
    sharing = Sandbox(shares=[str(FILE)])
    result = lab.audit([sys.executable, str(FILE), json.dumps(asdict(victim))], timeout=60, sandbox=sharing)
    escaped = {name for name, came in json.loads(result.output).items() if came == "escaped"}
    reached = set() if landlock.version() >= landlock.KNOWS_SOCKETS else SOCKETS
    assert escaped == BEYOND_LANDLOCK | reached | {"use io_uring"}
    gone = (
        {"read-only file system"}
        | ({"no Unix sockets of the host"} if reached else set())
        | ({"limit of processes"} if ROOT else set())
    )
    assert set(result.sandbox) == {layer.name for layer in LAYERS} - gone | set(ALWAYS)


def test_strict_names_the_layer_that_is_missing(
    victim: escapes.Victim, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Exit code 3, nothing is run, and the way out is said."""
    monkeypatch.setenv("PATH", victim.work)
    assert main(["audit", "--strict", "--", sys.executable, "-c", ""]) == 3
    said = capsys.readouterr().err
    assert "the layer 'read-only file system' is missing: bubblewrap is not installed" in said
    assert said.count("\n") == 1


def test_a_share_is_open(tmp_path: Path) -> None:
    """What was shared can be written, with its neighbours out of sight."""
    (tmp_path / "out").mkdir()
    (tmp_path / "secret").write_text("secret")
    code = f"import os; open({str(tmp_path / 'out' / 'made')!r}, 'w').write('x'); print(os.listdir({str(tmp_path)!r}))"
    result = lab.audit(python(code), sandbox=Sandbox(shares=[str(tmp_path / "out")], strict=True))
    assert result.output == "['out']\n"
    assert (tmp_path / "out" / "made").read_text() == "x"


def test_a_program_and_a_share_may_lie_behind_links(victim: escapes.Victim) -> None:
    """As those of version managers do: each link on the way is there, and what it leads to."""
    home = Path(victim.home)
    (home / "v1" / "bin").mkdir(parents=True)
    (home / "v1" / "words").write_text("hello")
    (home / "v1" / "bin" / "say").write_text('#!/bin/sh\ncat "$(dirname "$0")/../words" && echo x > "$1/made"\n')
    (home / "v1" / "bin" / "say").chmod(0o755)
    for link, target in {"now": "v1", "out": "real", "mine": "now/bin/say"}.items():
        (home / link).symlink_to(target)
    (home / "real").mkdir()
    command = [str(home / "now" / "bin" / "say"), str(home / "out")]
    assert lab.audit(command, sandbox=Sandbox(shares=[str(home / "out")], strict=True)).output == "hello"
    assert (home / "real" / "made").exists()
    assert "No such file" in lab.audit([str(home / "mine"), "/"], sandbox=STRICT).output  # started, as outside


def test_a_shim_finds_its_version_manager(victim: escapes.Victim) -> None:
    """As pyenv's python3: a script in a folder `shims` that starts what lies beside that folder."""
    manager = Path(victim.home, "manager")
    for name, text in {"shims/run": f"exec {manager}/libexec/real", "libexec/real": "echo found"}.items():
        (manager / name).parent.mkdir(parents=True)
        (manager / name).write_text(f"#!/bin/sh\n{text}\n")
        (manager / name).chmod(0o755)
    assert lab.audit([str(manager / "shims" / "run")], sandbox=STRICT).output == "found\n"


def test_what_the_sandbox_keeps_back_is_told(victim: escapes.Victim) -> None:
    """Whoever misses a file of its user's has tried nothing, and the way to let it in is said."""
    result = lab.audit(["cat", f"{victim.home}/.ssh/id_ed25519"], sandbox=STRICT)
    assert result.verdict == "never-tried"
    assert "--share PATH" in repr(result)


def test_sockets_of_its_own_work(victim: escapes.Victim) -> None:
    """A program may listen on a path in HOME and on an abstract name, and reach itself there."""
    code = "import os, socket\nfor name in (os.path.expanduser('~/own'), '\\0own'):\n"
    code += " s = socket.socket(1); s.bind(name); s.listen(); socket.socket(1).connect(name); print('reached')"
    assert lab.audit(python(code), sandbox=STRICT).output == "reached\nreached\n"


def test_what_it_can_read_is_what_the_page_says(victim: escapes.Victim) -> None:
    """The system's files and the folder that it starts in, none of its user's others."""
    Path(victim.work, "page").write_text("words")
    code = f"import os\nprint(os.path.exists('/etc/passwd'), open('page').read(), os.path.exists({victim.home!r}))"
    assert lab.audit(python(code), sandbox=STRICT).output == "True words False\n"


@pytest.mark.parametrize("run", [inside_audits.run_while_a_file_goes, inside_audits.run_while_a_secret_goes])
def test_a_file_that_goes_away_meanwhile_is_no_reason(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody installs a package beside the audit, say: the sandbox is built anew, from what there is now."""
    monkeypatch.setattr(auditing, "run_programs", run)
    assert lab.audit(["echo", "ran"], sandbox=STRICT).output == "ran\n"


def test_it_is_the_first_to_end_where_memory_runs_out() -> None:
    """Its processes have the highest number that the kernel goes by, and cannot lower it."""
    code = "print(open('/proc/self/oom_score_adj').read())\nopen('/proc/self/oom_score_adj', 'w').write('0')"
    printed = lab.audit(python(code), sandbox=STRICT).output
    assert "1000\n" in printed
    assert "PermissionError" in printed


def test_root_keeps_two_rights() -> None:
    """CAP_NET_BIND_SERVICE and CAP_NET_RAW, and an ordinary user none (capabilities(7))."""
    code = "print(*(line.split()[1] for line in open('/proc/self/status') if line[:6] in ('CapEff', 'CapPrm')))"
    kept = f"{1 << 10 | 1 << 13 if ROOT else 0:016x}"
    assert lab.audit(python(code), sandbox=STRICT).output.split() == [kept, kept]


def test_what_it_leaves_at_home_vanishes(victim: escapes.Victim) -> None:
    """HOME and TMPDIR are empty for each run, and nothing of them is left on the host."""
    left = f"left-{os.getpid()}"
    code = f"import os\nfor name in ('HOME', 'TMPDIR'):\n open(os.environ[name] + '/{left}', 'x')\nprint('wrote')"
    assert [lab.audit(python(code), sandbox=STRICT).output for _ in range(2)] == ["wrote\n"] * 2
    assert [at for place in (victim.home, "/dev/shm") for at, _, files in os.walk(place) if left in files] == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--env", "NO_SUCH_ONE"], "env 'NO_SUCH_ONE': there is no such variable"),
        (["--share", "/no/such/place"], "share '/no/such/place': there is no such file or folder"),
        (["--share", "/"], "share '/': the program has a HOME and a TMPDIR of its own there"),
        (["--share", "/proc"], "share '/proc': this shows the machine"),
        (["--limit", "memory=much"], "limit 'memory=much': give NAME=NUMBER"),
        (["--limit", "colour=3"], "limit 'colour': the limits are processes, memory, file-size, output"),
        (["--limit", "processes=1"], "limit processes=1: give a whole number of at least 8"),
        (["--limit", "memory"], "limit 'memory': give NAME=NUMBER"),
        (["--limit", "output=99999999G"], "limit output=107374181326258176: give a whole number"),
    ],
)
def test_bad_wishes_are_one_line(words: list[str], complaint: str, capsys) -> None:
    """Exit code 2 and one line that names the value, before anything runs."""
    assert main(["audit", *words, "--", "true"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert complaint in err
