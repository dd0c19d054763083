"""What is recorded of audits: shown where no private network can be made, to who asks for it."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.audits import audit as auditing
from tcploop_lab.results import stored

COMMAND = "curl -sS --noproxy * http://127.0.0.1:{port}/"

REFUSED = r"^an audit needs a private network.* \(no private namespace: no\)"


@pytest.fixture
def refused(monkeypatch):
    """A machine that gives no private network."""
    testbed = lab.open_testbed(kind="simulated")
    testbed.why = "no private namespace: no"
    monkeypatch.setattr(auditing, "open_testbed", lambda **_: testbed)


def test_a_lessons_command_has_a_result_with_its_label(refused):
    """Its verdict is the recorded one, and text, HTML and label say that it is recorded, when and where."""
    result = lab.audit(COMMAND, or_recorded=True)
    assert (result.verdict, result.label.startswith("recorded on 20")) == ("self-connected", True)
    assert result.label in repr(result) and result.label in result._repr_html_()
    assert [segment.flags for segment in result.segments][:3] == ["S", "SA", "A"]


def test_who_asks_for_a_simulated_kernel_gets_what_is_recorded(monkeypatch):
    """With TCPLOOP_TESTBED no program is run, though one could be: an audit and the table of programs are recorded."""
    monkeypatch.setenv("TCPLOOP_TESTBED", "simulated")
    monkeypatch.setattr(auditing, "_audit", lambda *_: pytest.fail("a program was run"))
    assert lab.audit(COMMAND, or_recorded=True).label.startswith("recorded on 20")
    assert lab.audit_programs(["curl"], or_recorded=True).recorded
    said = r"^an audit needs .*, not the simulated testbed: unset TCPLOOP_TESTBED; and .*lessons"
    with pytest.raises(lab.NotOnThisTestbed, match=said):
        lab.audit(["true"], or_recorded=True)


def test_another_command_gets_the_reason(refused):
    """What no lesson runs is not recorded: the refusal says so in one line."""
    with pytest.raises(lab.NotOnThisTestbed, match=rf"{REFUSED}; and .* the lessons'$"):
        lab.audit(["true"], or_recorded=True)


def test_nothing_recorded_stands_for_a_measurement(refused):
    """Who does not ask for what is recorded gets the reason, whatever was recorded; a machine with rights or not."""
    for measure in (lambda: lab.audit(COMMAND), lambda: lab.audit_programs(["curl"])):
        with pytest.raises(lab.NotOnThisTestbed, match=f"{REFUSED}$"):
            measure()


def test_every_audit_of_the_lesson_is_recorded():
    """The record has the lesson's audits, each with a verdict and a label."""
    results = stored.load(auditing.RECORD, list[auditing.AuditResult])
    assert len(results) >= 4 and all(one.label and one.verdict for one in results)
