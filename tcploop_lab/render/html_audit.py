"""Audits as HTML: the verdict on one program, and the table of real programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from ..audits.verdicts import AuditVerdict
from ..tcp.segments import Segment
from .html import writes
from .segment_words import flag_words
from .tables import Mark, facts, line, table

_MOST_SEGMENTS = 12
_MOST_LINES = 12
_SAFE = {AuditVerdict.DETECTED, AuditVerdict.REFUSED, AuditVerdict.NEVER_TRIED}


class _Verdict:
    """A verdict with the mark that says whether it is a good one."""

    def __init__(self, verdict: str) -> None:
        self.verdict = verdict

    def __html__(self) -> str:
        mark = Mark(self.verdict in _SAFE).__html__()
        named = re.sub(r">[^<]*<", f">{escape(self.verdict)}<", mark)
        return f'<span style="white-space: nowrap">{named}</span>'


class _Lines:
    """Some lines, one under the other, as they are; where there are many, the first and the last."""

    def __init__(self, lines: Sequence[str], fixed: bool = False) -> None:
        self.lines, self.fixed = lines, fixed

    def __html__(self) -> str:
        shown, half = list(self.lines), _MOST_LINES // 2
        if len(shown) > _MOST_LINES:
            shown[half:-half] = [f"... {len(shown) - 2 * half:,} lines ..."]
        written = "<br>".join(map(escape, shown))
        return f'<span style="font-family: monospace">{written}</span>' if self.fixed else written


@writes("AuditResult")
def _audit(result: Any) -> str:
    status = "none, the lab ended it" if result.exit_status is None else str(result.exit_status)
    pairs = {
        "verdict": _Verdict(result.verdict),
        "evidence": _Lines(result.evidence),
        "exit status": status,
        "it printed": _Lines(result.output.splitlines(), fixed=True),
        "in the socket table": _Lines([f"{row.local} {row.peer} {row.state}" for row in result.sockets], fixed=True),
        "seconds": f"{result.seconds:.2f}" + (", and once more with a listener" if result.compared else ""),
        "kernel": result.kernel,
    }
    return facts(pairs, result.summary) + _segments(result.segments)


def _segments(segments: Sequence[Segment]) -> str:
    if not segments:
        return line("no segment of this port was sent")
    rows = [
        (
            f"{(one.time - segments[0].time) * 1e3:,.2f} ms",
            f"{one.src}:{one.sport} → {one.dst}:{one.dport}",
            flag_words(one.flags),
            len(one.payload),
        )
        for one in segments[:_MOST_SEGMENTS]
    ]
    more = f"the first {_MOST_SEGMENTS} of {len(segments):,} segments" if len(segments) > len(rows) else ""
    return table(("sent at", "from → to", "flags", "bytes"), rows, more)


@writes("AuditTable")
def _audits(result: Any) -> str:
    rows = [
        (row.name, row.version or "—", _Verdict(row.verdict) if row.verdict else "not installed", row.did)
        for row in result.rows
    ]
    return table(("program", "version", "verdict", "what it did"), rows, result.summary)
