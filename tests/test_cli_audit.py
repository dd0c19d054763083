"""tcploop audit: what it prints, and the exit code that a pipeline looks at."""

from __future__ import annotations

import json
import sys

import pytest

from tcploop_lab.cli import main

pytestmark = pytest.mark.anyuser

CONNECT = "import socket, sys\ns = socket.create_connection(('127.0.0.1', {port}))\n"
CARELESS = (sys.executable, "-c", CONNECT + "s.send(b'hello'); s.recv(9)")
STAYING = (sys.executable, "-c", CONNECT + "s.send(b'hello'); s.recv(9); s.recv(9)")
CAREFUL = (sys.executable, "-c", CONNECT + "if s.getsockname() == s.getpeername(): sys.exit(3)\ns.send(b'hello')")


@pytest.mark.private_network
@pytest.mark.parametrize(
    ("command", "verdict", "status", "code"),
    [(CARELESS, "self-connected", 0, 1), (CAREFUL, "detected", 3, 0), (("true",), "never-tried", 0, 1)],
)
def test_json_and_exit_code(command: tuple[str, ...], verdict: str, status: int, code: int, capsys) -> None:
    """One JSON object with verdict, evidence, exit status and sandbox; 0 only for a program that is cleared."""
    assert main(["audit", "--json", "--", *command]) == code
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert (record["verdict"], record["exit_status"], err) == (verdict, status, "")
    assert "private network" in record["sandbox"]
    assert record["evidence"] and all(isinstance(line, str) for line in record["evidence"])
    assert len(record["segments"]) == {"self-connected": 7, "detected": 5, "never-tried": 0}[verdict]


@pytest.mark.private_network
def test_for_people(capsys) -> None:
    """The verdict first, then the evidence, the socket table, and what the program printed."""
    assert main(["audit", "--port", "40001", "--timeout", "1.5", "--", *STAYING]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("self-connected: ")
    assert "    it went on and wrote 5 bytes to itself" in lines
    assert any(line.split() == ["127.0.0.1:40001", "127.0.0.1:40001", "ESTABLISHED"] for line in lines)


@pytest.mark.private_network
def test_options_of_the_program_are_its_own(capsys) -> None:
    """What comes after the program's name is not read as an option of tcploop, with and without `--`."""
    for dashes in ((), ("--",)):
        assert main(["audit", "--json", *dashes, "echo", "--json", "-1", "{port}"]) == 1
        assert json.loads(capsys.readouterr().out)["output"] == "--json -1 33334\n"


@pytest.mark.private_network
def test_a_long_output_is_shortened_and_cannot_steer_the_terminal(capsys) -> None:
    """For people the first and the last lines are shown, with control characters spelled out."""
    assert main(["audit", "--", "sh", "-c", "seq 1000; printf 'red \\033[31m'"]) == 1
    out = capsys.readouterr().out
    assert "    1\n" in out and "    1000\n" in out and "    500\n" not in out
    assert "981 lines are left out" in out
    assert "red \\x1b[31m" in out and "\x1b" not in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--"], "there is no program in it; for example: tcploop audit -- curl"),
        ([], "there is no program in it"),
        (["--port", "0", "--", "true"], "port 0: a TCP port is 1 to 65535"),
        (["--port", "-1", "--", "true"], "port -1: a TCP port is 1 to 65535"),
        (["--attempts", "0", "--", "true"], "attempts 0: give a whole number of at least 1"),
        (["--timeout", "0", "--", "true"], "timeout 0.0: give seconds above 0"),
        (["--host", "192.0.2.1", "--", "true"], "192.0.2.1 is not an address of this machine"),
    ],
)
def test_bad_arguments_are_one_line(words: list[str], complaint: str, capsys) -> None:
    """Exit code 2 and one line that names the value."""
    assert main(["audit", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err and err.count("\n") == 1
