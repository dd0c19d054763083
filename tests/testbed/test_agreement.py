"""Four views of one run that must agree: the loop's count, the capture, the kernel's counters, the socket table."""

from __future__ import annotations

import html
from dataclasses import replace

import pytest

import tcploop_lab as lab
from tcploop_lab.testbed.testbed import Testbed
from tcploop_lab.testbed.witnesses import CALLS, LISTENED, QUESTIONS, SEGMENTS, TO_ITSELF

from . import inside

pytestmark = pytest.mark.anyuser


WITNESSES = ("the loop", "the capture", "/proc/net/snmp", "/proc/net/tcp")


@pytest.mark.parametrize(
    ("host", "client"),
    [("127.0.0.1", "same-socket"), ("127.0.0.1", "new-socket"), ("::1", "bind-no-port"), ("::1", "bind-self")],
)
def test_all_witnesses_of_one_run_agree(testbed: Testbed, host: str, client: str) -> None:
    """Loop, capture, counters and socket tables never differ on one run: a column each, a row for each question."""
    seen = lab.witnesses(testbed, 40500, host, client)
    assert seen.agree and seen.disagreements == ()
    assert set(WITNESSES) <= set(seen.accounts)
    assert set(seen.absent) <= {"ss", "lsof"}
    assert min(len(seen.answers(question)) for question in QUESTIONS) >= 2
    assert set(seen.answers(CALLS).values()) == {seen.run.tries}
    assert set(seen.answers(SEGMENTS).values()) == {2 * (seen.run.tries - 1) + 3}
    assert set(seen.answers(TO_ITSELF).values()) == {1}
    text = seen._repr_html_()
    assert [name for name in (*WITNESSES, *QUESTIONS) if html.escape(name) not in text] == []
    assert text.count("✓ ok") == len(QUESTIONS)


def test_a_listener_that_answers_is_told_by_all(testbed: Testbed) -> None:
    """Where somebody listens there is no self-connection, and every witness says so."""
    with testbed.listen(40500):
        seen = lab.witnesses(testbed, 40500)
    assert (seen.run.self_connected, seen.agree) == (False, True)
    assert set(seen.answers(TO_ITSELF).values()) == {0}
    assert set(seen.answers(LISTENED).values()) == {1}


def test_a_witness_that_differs_is_found(testbed: Testbed) -> None:
    """One false count is a disagreement, named in the summary and marked in the table."""
    seen = lab.witnesses(testbed, 40500, client="bind-self")
    false = {**seen.accounts, "the capture": {**seen.accounts["the capture"], SEGMENTS: 6}}
    found = replace(seen, accounts=false)
    assert (found.agree, found.disagreements) == (False, (SEGMENTS,))
    assert f"they differ on: {SEGMENTS}" in repr(found)
    assert found._repr_html_().count("✗ NO") == 1


def test_a_witness_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the host nobody asks the common counters; without rights the capture is missing; the others are heard."""
    port = 40510  # of the host, where a test of another process may hold 40500
    with lab.open_testbed((port, port), kind="host") as host:
        host.executor.submit(inside.drop_capabilities).result()
        seen = lab.witnesses(host, port)
    assert "all programs count together" in seen.absent["/proc/net/snmp"]
    assert "CAP_NET_RAW" in seen.absent["the capture"]
    assert seen.agree and {"the loop", "/proc/net/tcp"} <= set(seen.accounts)
