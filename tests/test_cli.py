"""How tcploop reads its command line: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tcploop_lab as lab
from tcploop_lab.cli import main
from tcploop_lab.errors import NotOnThisTestbed, WorkerDied
from tcploop_lab.ports.clients import ClientKind
from tcploop_lab.tries.theory import ERAS

COMMANDS = ("doctor", "check", "connect", "capture", "probe", "model", "study", "cross", "audit", "find", "port",
            "kernels", "in", "lab", "notebooks", "handout", "grade")  # fmt: skip
LIGHT = ("--help", "connect 40000 --range 40000-40000 --max-tries 9 --json")
HEAVY = ("scapy", "matplotlib", "pandas", "IPython", "ipywidgets", "scipy", "numpy", "rich")
STUDY = "study --ports 40500 --ranges 40000-40999 --out /dev/null"
MODEL = "model --era rover --range 40000-40999 --port 40500"
PORT, RANGE = "a TCP port is 1 to 65535", "LOW-HIGH with 1 <= LOW <= HIGH <= 65535"
WHOLE = "give a whole number of at least 1"

# What is typed, the value that the answer must name, and what it must say is allowed.
BAD = [
    *((f"{command} {port}", f"port {shown}", PORT)
      for command in ("check", "connect", "capture", "")
      for port, shown in (("0", "0"), ("-1", "-1"), ("65536", "65536"), ("70000", "70000"))),
    *((f"{command} abc", "port 'abc'", PORT) for command in ("check", "connect", "capture")),
    *((f"{command} ''", "port ''", PORT) for command in ("check", "connect", "capture")),
    ("check -1 --json", "port -1", PORT),
    ("check --range 40000-40999 -1", "port -1", PORT),
    ("check 3.5", "port '3.5'", PORT),
    ("check 0x8235", "port '0x8235'", PORT),
    ("check 1_000", "port '1_000'", PORT),
    *((f"{command} 33334 --range {text}", f"range {shown}", RANGE)
      for command in ("check", "connect", "capture", "")
      for text, shown in (("60999-32768", "60999-32768"), ("''", "''"), ("40000-65536", "40000-65536"),
                          ("0-40000", "0-40000"), ("40000", "'40000'"), ("-", "'-'"), ("a-b", "'a-b'"))),
    ("connect 33334 --range -5", "range '-5'", RANGE),
    ("connect 33334 --host 192.0.2.1", "host '192.0.2.1'", "is not an address of this machine"),
    ("check 33334 --host 192.0.2.1", "host '192.0.2.1'", "use 127.0.0.1"),
    ("33334 --host 192.0.2.1", "host '192.0.2.1'", "use 127.0.0.1"),
    ("connect 33334 --host no-such-name.invalid", "host 'no-such-name.invalid'", "use 127.0.0.1"),
    ("connect 33334 --host ''", "host ''", "such as 127.0.0.1"),
    ("connect 33334 --client telnet", "client 'telnet'", ", ".join(ClientKind)),
    ("connect 33334 --max-tries 0", "max tries 0", WHOLE),
    ("connect 33334 --max-tries -1", "max tries -1", WHOLE),
    ("connect 33334 --max-tries many", "max tries 'many'", WHOLE),
    ("connect 33334 --timeout 0", "timeout 0.0", "seconds above 0"),
    ("connect 33334 --timeout nan", "timeout nan", "seconds above 0"),
    ("connect 33334 --timeout soon", "timeout 'soon'", "seconds above 0"),
    ("connect 33334 --testbed moon", "testbed 'moon'", "namespace, host, simulated"),
    ("doctor --testbed moon", "testbed 'moon'", "namespace, host, simulated"),
    ("capture 33334 --pcap /no/such/folder/x.pcap", "/no/such/folder/x.pcap", "a path that can be written"),
    ("capture 33334 --pcap /", "file '/'", "a path that can be written"),
    ("capture 33334 --pcap ''", "file ''", "a path that can be written"),
    ("in 4.1 -- probe", "kernel '4.1'", "5.10.46"),
    ("kernels --fetch 5.1", "kernel '5.1'", "5.10.46"),
    ("probe --tries 0", "max tries 0", WHOLE),
    (f"{MODEL} --era ext4", "era 'ext4'", ", ".join(ERAS)),
    (f"{MODEL} --start late", "start 'late'", "random, return"),
    (f"{MODEL} --pace 0", "tries per second 0.0", "a number above 0, up to 100000"),
    (f"{MODEL} --pace fast", "tries per second 'fast'", "a number above 0, up to 100000"),
    (f"{MODEL} --port 0", "port 0", PORT),
    (f"{MODEL} --range 5-4", "range 5-4", RANGE),
    (f"{MODEL} --client telnet", "client 'telnet'", ", ".join(ClientKind)),
    (f"{STUDY} --samples 0", "samples 0", WHOLE),
    (f"{STUDY} --ports 40500,x", "port 'x'", PORT),
    (f"{STUDY} --ranges 5-4", "range 5-4", RANGE),
    (f"{STUDY} --client telnet", "client 'telnet'", ", ".join(ClientKind)),
    (f"{STUDY} --max-tries 0", "max tries 0", WHOLE),
    (f"{STUDY} --out /no/such/folder/s", "/no/such/folder/s", "a path that can be written"),
    ("dial 33334", "command 'dial'", ", ".join(COMMANDS)),
    ("''", "command ''", "give a port, or one of"),
    ("check 33334 --speed 3", "'--speed'", "see tcploop check --help"),
    ("--speed", "'--speed'", "see tcploop --help"),
    ("check", "'PORT'", "see tcploop check --help"),
    ("check 33334 33335", "(33335)", "see tcploop check --help"),
    ("check 33334 --range", "'--range'", "see tcploop --help"),
    ("model", "'--era'", "see tcploop model --help"),
]  # fmt: skip


def words(line: str) -> list[str]:
    """The words of a command line; '' stands for an empty one."""
    return ["" if word == "''" else word for word in line.split()]


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it an error to open a testbed."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a testbed was opened")

    monkeypatch.setattr(lab, "open_testbed", refuse)


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(("line", "named", "allowed"), BAD, ids=[line for line, *_ in BAD])
def test_a_bad_argument_is_one_line(line: str, named: str, allowed: str, capsys) -> None:
    """It ends with 2 before anything runs: one line that names the value and says what is allowed."""
    assert main(words(line)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tcploop: ") and err.endswith("\n") and err.count("\n") == 1
    assert named in err
    assert allowed in err


def test_a_newline_in_a_value_stays_one_line(capsys) -> None:
    """What is typed cannot break the message, or the terminal."""
    assert main(["check", "33334", "too\nmuch\x1b[2J"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_a_file_is_not_left_behind(tmp_path, capsys) -> None:
    """Trying whether a file can be written makes none, and does not touch one that is there."""
    kept = tmp_path / "kept"
    kept.write_bytes(b"precious")
    for path in (kept, tmp_path / "new"):
        assert main(["capture", "0", "--pcap", str(path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.read_bytes() == b"precious"


def test_help_lists_every_command(capsys) -> None:
    """Alone, or asked for help, tcploop lists its commands in the order of the course and ends with 0."""
    assert main([]) == 0
    alone = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert alone == capsys.readouterr().out
    listed = [line.split()[0] for line in alone.partition("Commands:")[2].splitlines() if line.strip()]
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "33334"])
def test_every_command_has_help_and_json(command: str, capsys) -> None:
    """The help of each command has a usage line and names --json, but for lab, and --testbed where tries are made."""
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: tcploop ")
    assert ("--json" in text) == (command != "lab")
    elsewhere = ("model", "find", "port", "kernels", "in", "lab", "notebooks", "handout", "grade")
    assert ("--testbed" in text) == (command not in elsewhere)


def test_version(capsys) -> None:
    """The version is that of the package."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tcploop {lab.__version__}\n"


@pytest.mark.parametrize("kind", [NotOnThisTestbed, WorkerDied])
def test_what_the_machine_cannot_do_is_exit_code_3(monkeypatch, capsys, kind: type[Exception]) -> None:
    """The reason and the way out are one line on stderr."""

    def refuse(*_: object, **__: object) -> None:
        raise kind("no room; build a house")

    monkeypatch.setattr(lab, "open_testbed", refuse)
    assert main(["check", "33334", "--json"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tcploop: no room; build a house") and err.count("\n") == 1


@pytest.mark.parametrize("line", LIGHT)
def test_it_starts_without_heavy_packages(line: str) -> None:
    """Help, and a loop that is told its bound, load none of the packages that take long."""
    code = f"from tcploop_lab.cli import main; import sys; print(main({line.split()}), *sys.modules)"
    last = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).splitlines()[-1]
    status, *modules = last.split()
    assert status == "0"
    assert "tcploop_lab.cli.loops" in modules
    assert {module.partition(".")[0] for module in modules} & set(HEAVY) == set()


def test_python_m_is_the_same_command() -> None:
    """`python -m tcploop_lab` is tcploop, with its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "tcploop_lab", "check", "-1"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"tcploop: port -1: {PORT}\n")
