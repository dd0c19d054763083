"""The port thief and the defences as HTML."""

from __future__ import annotations

from typing import Any

from .html import writes
from .tables import Mark, facts, line, table


@writes("ThiefResult")
def _thief(result: Any) -> str:
    pairs = {
        "the server starts": result.restart,
        "it was told": result.error or "nothing: no attempt failed",
        "attempts": result.attempts,
        "in the socket table": "; ".join(f"{row.local} {row.peer} {row.state}" for row in result.witness) or "nothing",
        "states of the port": ", ".join(result.states) or "none",
        "tries of the client": result.tries,
        "range": result.port_range,
        "kernel": result.kernel,
    }
    story = [(f"{event.at:.4f} s", event.who, event.what) for event in result.events]
    return facts(pairs, result.summary) + table(("since the crash", "who", "what"), story)


@writes("ThiefTable")
def _thief_table(result: Any) -> str:
    return table(("the client", *result.heads), result.rows, result.caption)


@writes("DefenceResult")
def _defence(result: Any) -> str:
    rows = [
        (s.what, s.trials, s.failures, Mark(not s.failures), "" if s.failures else s.worth) for s in result.situations
    ]
    head = ("situation", "trials", "failures", "holds there", "what that is worth")
    caption = f"{result.name} ({result.title}): {result.verdict}; {result.seconds:.1f} s, {result.kernel}"
    return table(head, rows, caption) + "".join(map(line, result.notes))


@writes("DefenceTable")
def _defence_table(result: Any) -> str:
    rows = [(each.name, each.title, each.verdict, each.number) for each in result.results]
    return table(("defence", "what it does", "verdict", "the number behind it"), rows, result.summary)
