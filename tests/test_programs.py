"""Real programs, each with the verdict it is known for. In CI a program that .ci/run installs must be there.

`make audit` makes the table that is stored with the package; here the audits of those that CI has run again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.audits import programs
from tcploop_lab.audits.programs import PROGRAMS, Program
from tcploop_lab.audits.table import AuditTable

ROOT = Path(__file__).parents[1]
# Go's net package closes a self-connection and dials again, twice; the third it returns (net/tcpsock_posix.go).
# nmap's connect scan compares the names, dials again, and resets that one.
DETECTS = {"Go net.Dial", "nmap -sT", "docker", "etcdctl", "podman --remote", "rclone", "restic"}
REFUSED = {"Tcl socket", "dig +tcp", "gawk /inet", "kdig +tcp", "ldap3", "nuttcp", "paho-mqtt", "plink"}  # they bind()
# What each is expected to end with, and a part of what it says.
SAYS = {
    "check_tcp": (0, "TCP OK"),
    "iperf": (0, "bits/sec"),
    "curl": (1, "Received HTTP/0.9 when not allowed"),
    "wget": (4, "Giving up"),
    "nc -z (OpenBSD)": (0, "succeeded!"),
    "nc -z (traditional)": (0, "open"),
    "ncat": (1, "Idle timeout expired"),
    "socat": (0, ""),
    "nmap -sT": (0, "Nmap done"),
    "nc -z, then curl": (1, "Received HTTP/0.9 when not allowed"),
    "bash /dev/tcp": (0, "the server says hello"),
    "psql": (2, "received invalid response to SSL negotiation"),
    "redis-cli": (0, "PING"),
    "mariadb": (1, "reading initial communication packet"),
    "ssh": (None, ""),
    "ssh-keyscan": (1, ""),
    "Python socket": (0, "the server says b'hello"),
    "Python asyncio": (0, "the server says b'hello"),
    "Python http.client": (1, "BadStatusLine: GET / HTTP/1.1"),
    "Python requests": (1, "BadStatusLine('GET / HTTP/1.1"),
    "Node.js net": (0, "the server says"),
    "Java Socket": (0, "the server says hello"),
    "Go net.Dial": (1, "connect: "),  # refused, or no port to dial from while the first one waits
    "Go net.Dial, 3 attempts": (0, "the server says"),
    "Rust TcpStream": (0, "the server says"),
    "Perl IO::Socket": (0, "the server says hello"),
}
NAMES = [program.name for program in PROGRAMS]
pytestmark = pytest.mark.slow  # its tries meet themselves at once: they move nobody's walk by more than a few ports


def expected(name: str) -> str:
    """The verdict that is pinned for a program."""
    return "detected" if name in DETECTS else "refused" if name in REFUSED else "self-connected"


def is_in_ci(program: Program) -> bool:
    """True for what .ci/run installs, and what comes with the environment of the tests."""
    listed = (ROOT / ".ci" / "run").read_text().split("<<'LIST'\n")[1].split("\nLIST")[0].splitlines()
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    return program.debian in {line.split()[0] for line in listed} | {"bash", "python3"} or any(
        pin.startswith(f"{program.pypi}==") for pin in pins
    )


IN_CI = [program.name for program in PROGRAMS if is_in_ci(program)]


@pytest.fixture(scope="module")
def now() -> AuditTable:
    """The audits of the programs that CI has, made now."""
    return lab.audit_programs(IN_CI)


@pytest.mark.parametrize("name", IN_CI)
def test_each_program_does_what_it_is_known_for(now: AuditTable, name: str) -> None:
    """Its verdict is pinned, for the best known also its exit status and its words."""
    (row,) = [row for row in now.rows if row.name == name]
    if not row.verdict:
        pytest.skip(f"not installed: {row.package}")
    status, words = SAYS.get(name, (row.exit_status, ""))
    assert row.verdict == expected(name)
    assert row.exit_status == status
    assert words in row.did
    assert row.version


def test_ci_has_the_best_known() -> None:
    """At least forty programs run in CI, and among them all of which more than the verdict is pinned."""
    assert len(IN_CI) >= 40
    assert set(SAYS) <= set(IN_CI)


def test_the_stored_table_is_whole_and_says_the_same() -> None:
    """The table in the package has every program, its version and a date, and the verdicts that are pinned here."""
    stored = lab.stored_audits()
    assert len(NAMES) >= 100 and len(set(NAMES)) == len(NAMES)
    assert [row.name for row in stored.rows] == NAMES
    assert all(row.version and row.command and row.date >= "2026-11-25" for row in stored.rows)
    assert stored.verdicts() == {name: expected(name) for name in NAMES}
    assert re.search(r"/tmp|/work|/home|/root", repr([row.did for row in stored.rows])) is None


def test_every_program_says_how_to_get_it() -> None:
    """Each comes from one of three registries, and dials the port."""
    assert {program.package.split()[0] for program in PROGRAMS} == {"apt", "pip", "npm"}
    assert [one.name for one in PROGRAMS if bool(one.debian) + bool(one.pypi) + bool(one.npm) != 1] == []
    assert [one.name for one in PROGRAMS if "{port}" not in " ".join(one.command)] == []


def test_the_page_is_the_stored_table() -> None:
    """docs/programs.md holds the rows that the package holds, by kind, and says who notices."""
    page = (ROOT / "docs" / "programs.md").read_text()
    assert page.endswith(lab.stored_audits().markdown())
    kinds = {program.kind for program in PROGRAMS}
    assert page.count("\n| ") == len(NAMES) + 2 * len(kinds) and page.count("\n## ") == len(kinds)
    assert [name for name in DETECTS if name not in page.partition("**Who notices:**")[2].partition("\n\n")[0]] == []


def test_what_is_not_installed_is_said_and_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program there is a row without a verdict, and no run."""
    monkeypatch.setenv("PATH", "/nowhere")
    table = lab.audit_programs(["curl", "Go net.Dial"])
    assert [row.verdict for row in table.rows] == ["", ""]
    assert table.verdicts() == {}
    assert repr(table).count("not installed") == 2
    assert "not installed" in table.markdown()


def test_a_row_of_what_is_not_installed_stays() -> None:
    """A new table replaces the rows that were measured, and no others."""
    stored = lab.stored_audits()
    new = AuditTable(
        "2027-01-01", "Linux 7", (replace(stored.rows[0], version="99"), replace(stored.rows[1], verdict=""))
    )
    assert new.over(stored).rows == (new.rows[0], stored.rows[1])


def test_an_unknown_program_is_named() -> None:
    """A name that is not in the list is an error that shows the list."""
    with pytest.raises(ValueError, match="program 'no-such': there are nc -z"):
        lab.audit_programs(["no-such"])


def test_a_program_that_does_not_say_its_version_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hangs, fails or is not there when it is asked holds nothing up."""
    monkeypatch.setattr(programs, "_TO_SAY", 0.2)
    asked = [Program("it", "it", ("true",), debian="it", version=how) for how in ("sleep 60", "false", "/no/such", "")]
    assert [one.version_here(tmp_path) for one in asked] == ["", "", "", ""]
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nsleep 60\n")
    sleeper.chmod(0o755)
    assert not Program("it", "it", ("it",), version="sleeper -v", build=(str(sleeper),)).installed
