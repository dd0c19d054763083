"""What is recorded of audits: shown where no private network can be made, and nowhere else."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.audits import audit as auditing
from tcploop_lab.results import stored

COMMAND = "curl -sS --noproxy * http://127.0.0.1:{port}/"


@pytest.fixture
def refused(monkeypatch):
    """A machine that gives no private network."""

    def refuse(**_):
        raise lab.NotOnThisTestbed("no private namespace: no")

    monkeypatch.setattr(auditing, "open_testbed", refuse)


def test_a_lessons_command_has_a_result_with_its_label(refused):
    """Its verdict is the recorded one, and text, HTML and label say that it is recorded, when and where."""
    result = lab.audit(COMMAND)
    assert (result.verdict, result.label.startswith("recorded on 20")) == ("self-connected", True)
    assert result.label in repr(result) and result.label in result._repr_html_()
    assert [segment.flags for segment in result.segments][:3] == ["S", "SA", "A"]


def test_who_asks_for_a_simulated_kernel_gets_what_is_recorded(monkeypatch):
    """With TCPLOOP_TESTBED no program is run, though one could be: an audit and the table of programs are recorded."""
    monkeypatch.setenv("TCPLOOP_TESTBED", "simulated")
    monkeypatch.setattr(auditing, "_audit", lambda *_: pytest.fail("a program was run"))
    assert lab.audit(COMMAND).label.startswith("recorded on 20")
    assert lab.audit_programs(["curl"]).recorded
    with pytest.raises(lab.NotOnThisTestbed, match=r"^an audit needs .*, not the simulated testbed: .*; and .*lessons"):
        lab.audit(["true"])


def test_another_command_gets_the_reason(refused):
    """What no lesson runs is not recorded: the refusal says so in one line."""
    with pytest.raises(lab.NotOnThisTestbed, match=r"no private namespace: no; and .* the lessons'$"):
        lab.audit(["true"])


def test_who_asks_for_the_private_network_gets_nothing_recorded(refused):
    """With `kind`, as the command line has it, the reason comes, whatever was recorded."""
    with pytest.raises(lab.NotOnThisTestbed, match=r"^no private namespace: no$"):
        lab.audit(COMMAND, kind="namespace")


def test_every_audit_of_the_lesson_is_recorded():
    """The record has the lesson's audits, each with a verdict and a label."""
    results = stored.load(auditing.RECORD, list[auditing.AuditResult])
    assert len(results) >= 4 and all(one.label and one.verdict for one in results)
