"""Audits as HTML and as a figure: complete, escaped, bounded."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

import tcploop_lab as lab
from tcploop_lab.audits.table import AuditTable, ProgramAudit
from tcploop_lab.audits.verdicts import AuditVerdict
from tcploop_lab.stacks.stack import SocketRow
from tcploop_lab.tcp.segments import Segment

ME = ("127.0.0.1", 33334)
EVIL = "<script>alert(1)</script>"


def attempt(seq: int) -> list[Segment]:
    """A self-connection that is closed at once."""
    return [Segment(seq + i / 1e3, *ME, *ME, flags, seq, seq) for i, flags in enumerate(("S", "SA", "A", "FA", "A"))]


def result(verdict: str = "self-connected", segments: tuple[Segment, ...] = tuple(attempt(7))) -> lab.AuditResult:
    """An audit, made by hand."""
    return lab.AuditResult(
        ("me", EVIL), AuditVerdict(verdict), (f"it printed {EVIL}",), 33334, "127.0.0.1", 1, None, 1.5, "timeout",
        "Linux 6.18", "\n".join([EVIL, *map(str, range(500))]), segments,
        (SocketRow("127.0.0.1:33334", "127.0.0.1:33334", "ESTABLISHED"),),
    )  # fmt: skip


def test_html_of_an_audit_is_whole_and_escaped() -> None:
    """Verdict, evidence, status, output, sockets and segments are there; what a program says is only text."""
    html = result()._repr_html_()
    for part in ("self-connected", "none, the lab ended it", "ESTABLISHED", "SYN-ACK", "Linux 6.18"):
        assert part in html
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "... 489 lines are left out ..." in html
    assert len(html) < 13_000


@pytest.mark.parametrize(("verdict", "good"), [("detected", True), ("refused", True), ("unclear", False)])
def test_the_mark_beside_the_verdict_says_if_it_is_good(verdict: str, good: bool) -> None:
    """A verdict is marked as a success unless the program was fooled, or that is unclear."""
    html = result(verdict)._repr_html_()
    assert ("--jp-success-color1" in html) == good
    assert ("--jp-error-color1" in html) == (not good)


def test_html_of_the_table_lists_what_is_not_installed() -> None:
    """Each program has a row; one that is not installed says so and has no verdict."""
    rows = (ProgramAudit("curl", "curl", "8.1", verdict="detected", did=EVIL), ProgramAudit("nc", "netcat"))
    html = AuditTable("2026-11-22", "Linux 6.18", rows)._repr_html_()
    assert html.count("<tr>") == 3
    assert "not installed" in html and "<script>" not in html
    assert "in 0 of 1 audits" in html


def test_the_figure_is_the_first_conversation() -> None:
    """Of several attempts the first is drawn, and all of it."""
    ax = result(segments=(*attempt(7), *attempt(20))).plot()
    texts = " ".join(text.get_text() for text in ax.texts)
    plt.close(ax.figure)
    assert "Self-connection: 5 segments" in ax.get_title(loc="left") + texts
    assert texts.count("SYN-ACK") == 1


def test_without_a_segment_there_is_no_figure() -> None:
    """A program that never tried has nothing to draw, and that is said."""
    with pytest.raises(ValueError, match="verdict never-tried: the program sent no segment of port 33334"):
        result("never-tried", ()).plot()
