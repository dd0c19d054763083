"""Recorded audits: what the lessons run comes labelled where no private network can be made, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import tcploop_lab as lab
from tcploop_lab.cli import main
from tcploop_lab.testbed.replaying import _Label
from tcploop_lab.testbed.testbed import Testbed

from .figures import words_of

CURL = "curl -sS --noproxy * http://127.0.0.1:{port}/"
TALK = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/{port}; echo hello >&3; head -n 1 <&3"]
CAREFUL = """
import socket, sys
s = socket.create_connection(("127.0.0.1", {port}))
if s.getsockname() == s.getpeername():
    sys.exit("that is me")
s.sendall(b"hello")
"""


@pytest.fixture
def host(no_namespace: None) -> Iterator[Testbed]:
    """The testbed that such a machine gets."""
    with lab.open_testbed((40000, 40999)) as testbed:
        assert testbed.kind == "host"
        yield testbed


@pytest.mark.parametrize(
    ("command", "verdict", "compared"),
    [(CURL, "self-connected", False), (TALK, "self-connected", False), (["python3", "-c", CAREFUL], "detected", True)],
)
def test_a_command_of_a_lesson_is_judged_as_it_was(command: object, verdict: str, compared: bool) -> None:
    """The recorded report is judged by the code that judges live ones, the comparison too."""
    result = lab.audit(command, kind="recorded")  # type: ignore[arg-type]
    assert (result.verdict, result.compared) == (verdict, compared)
    assert [one.flags for one in result.segments[:3]] == ["S", "SA", "A"]
    assert {(row.local, row.peer) for row in result.sockets} == {("127.0.0.1:33334", "127.0.0.1:33334")}


def test_it_says_that_it_is_recorded_wherever_it_is_shown() -> None:
    """Text, page and figure tell the program's version, the kernel and the date."""
    result = lab.audit(CURL, kind="recorded")
    for shown in (repr(result), result._repr_html_(), words_of(result.plot().figure)):
        assert "curl 7." in shown or "curl 8." in shown
        assert ", recorded on 20" in shown
    assert "(recorded, not live: curl " in result.summary


def test_a_live_audit_has_no_label() -> None:
    """What ran here is not called recorded."""
    result = lab.audit(TALK, kind="namespace")
    assert (result.label, "recorded" in repr(result)) == ("", False)


def test_without_a_private_network_the_lessons_audits_are_shown(no_namespace: None) -> None:
    """The same call that is live elsewhere gives the recorded result here."""
    result = lab.audit(TALK)
    assert (result.verdict, result.output, result.label[:5]) == ("self-connected", "hello\n", "bash ")


@pytest.mark.parametrize("more", [{"port": 40001}, {"attempts": 3}, {"command": "true"}])
def test_anything_else_is_refused_with_the_reason(no_namespace: None, more: dict[str, object]) -> None:
    """Another port, number of attempts or command was not recorded: one line with the reason and the way out."""
    with pytest.raises(lab.NotOnThisTestbed, match=r"private network namespace is refused here.*recorded") as refusal:
        lab.audit(**{"command": TALK} | more)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


def test_the_command_line_says_both(no_namespace: None, capsys: pytest.CaptureFixture[str]) -> None:
    """A lesson's command gives its verdict and the word recorded; any other one is exit code 3."""
    assert main(["audit", "--json", "--", *TALK]) == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["verdict"], record["testbed"]) == ("self-connected", "recorded")
    assert "recorded on 20" in record["kernel"]
    assert main(["audit", "--", "true"]) == 3
    assert "is refused here" in capsys.readouterr().err


def test_real_programs_have_their_stored_rows(no_namespace: None) -> None:
    """The rows that are asked for, with the day on which they were recorded."""
    table = lab.audit_programs(["curl", "Python socket"])
    assert [row.name for row in table.rows] == ["curl", "Python socket"]
    assert (table.recorded, table.date) == (True, lab.stored_audits().date)
    assert f"recorded on {table.date}, Linux " in table.summary


def test_defences_and_thieves_are_shown_in_the_same_way(host: Testbed) -> None:
    """What a host cannot measure comes labelled; the port thief can be played there, and is live."""
    assert lab.measure_defence("detect-reset", host).label.startswith("recorded on 20")
    assert lab.port_thief(testbed=host, hold=0.0, patience=0.1, client_reuse=True, server_reuse=True).label == ""


def test_the_label_of_a_cell_names_what_is_recorded() -> None:
    """Each thing with its own date; where everything is recorded, that alone."""
    label = _Label()
    label.sources |= {"captures": "Linux 6.1, recorded on 2026-01-02", "audits": "Linux 6.2, recorded on 2026-01-03"}
    assert repr(label).startswith("recorded, not live: audits (Linux 6.2, recorded on 2026-01-03), captures (")
    label.sources[""] = "Linux 6.1, recorded on 2026-01-02"
    assert repr(label) == "recorded, not live: Linux 6.1, recorded on 2026-01-02"
