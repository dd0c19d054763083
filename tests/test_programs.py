"""Real programs, each with the verdict it is known for. In CI a program that is not installed is a failure.

`make audit` makes the table that is stored with the package; here the same audits run again.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

import tcploop_lab as lab
from tcploop_lab.audits.programs import PROGRAMS
from tcploop_lab.audits.table import AuditTable

# Go's net package closes a self-connection and dials again, twice; the third it returns (net/tcpsock_posix.go).
# nmap's connect scan compares the names, dials again, and resets that one.
DETECTS = {"Go net.Dial", "nmap -sT"}
# What each is expected to end with, and a part of what it says.
SAYS = {
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
pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def now() -> AuditTable:
    """The audits of all programs, made now."""
    return lab.audit_programs()


@pytest.mark.parametrize("name", NAMES)
def test_each_program_does_what_it_is_known_for(now: AuditTable, name: str) -> None:
    """Its verdict, its exit status and its words are pinned."""
    (row,) = [row for row in now.rows if row.name == name]
    if not row.verdict:
        pytest.skip(f"not installed: apt install {row.package}")
    status, words = SAYS[name]
    assert row.verdict == ("detected" if name in DETECTS else "self-connected")
    assert row.exit_status == status
    assert words in row.did
    assert row.version


def test_the_stored_table_is_whole_and_says_the_same() -> None:
    """The table in the package has every program, its version and a date, and the verdicts that are pinned here."""
    stored = lab.stored_audits()
    assert [row.name for row in stored.rows] == NAMES
    assert all(row.version and row.command and row.date >= "2026-11-25" for row in stored.rows)
    expected = {name: "detected" if name in DETECTS else "self-connected" for name in NAMES}
    assert stored.verdicts() == expected
    assert "/tmp" not in repr(stored)


def test_the_page_is_the_stored_table() -> None:
    """docs/programs.md holds the rows that the package holds."""
    from pathlib import Path

    page = (Path(__file__).parents[1] / "docs" / "programs.md").read_text()
    assert page.endswith(lab.stored_audits().markdown())
    assert page.count("\n| ") == len(NAMES) + 2


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
    with pytest.raises(ValueError, match="program 'telnet': there are curl, wget"):
        lab.audit_programs(["telnet"])
