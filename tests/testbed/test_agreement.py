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


def difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """The counters that moved, and by how much."""
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


@pytest.mark.parametrize("client", ["same-socket", "new-socket", "bind-no-port"])
def test_the_kernel_counts_what_the_loop_counts(testbed: Testbed, client: str) -> None:
    """n tries: n active opens, n - 1 failed attempts and resets, no passive open, one connection established."""
    before = testbed.counters()
    run = testbed.connect_loop(40500, client=client)
    moved = difference(testbed.counters(), before)
    assert run.self_connected
    assert moved["ActiveOpens"] == run.tries
    assert moved.get("AttemptFails", 0) == moved.get("OutRsts", 0) == run.tries - 1
    assert "PassiveOpens" not in moved
    assert moved["CurrEstab"] == 1


WITNESSES = ("the loop", "the capture", "/proc/net/snmp", "/proc/net/tcp")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("client", ["same-socket", "bind-self"])
def test_all_witnesses_of_one_run_agree(testbed: Testbed, host: str, client: str) -> None:
    """Loop, capture, counters and socket tables, asked about one run, never differ, and each question has several."""
    seen = lab.witnesses(testbed, 40500, host, client)
    assert seen.agree and seen.disagreements == ()
    assert set(WITNESSES) <= set(seen.accounts)
    assert set(seen.absent) <= {"ss", "lsof"}
    assert min(len(seen.answers(question)) for question in QUESTIONS) >= 2
    assert set(seen.answers(CALLS).values()) == {seen.run.tries}
    assert set(seen.answers(SEGMENTS).values()) == {2 * (seen.run.tries - 1) + 3}
    assert set(seen.answers(TO_ITSELF).values()) == {1}


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


def test_the_table_has_a_column_for_each_witness(testbed: Testbed) -> None:
    """Side by side: a row for each question, a column for each witness."""
    text = lab.witnesses(testbed, 40500)._repr_html_()
    assert [name for name in (*WITNESSES, *QUESTIONS) if html.escape(name) not in text] == []
    assert text.count("✓ ok") == len(QUESTIONS)


@pytest.mark.private_network
def test_a_new_namespace_begins_at_zero() -> None:
    """The counters of a testbed are its own: a new one has opened nothing."""
    with lab.open_testbed((40000, 40999)) as testbed:
        assert testbed.counters()["ActiveOpens"] == 0
