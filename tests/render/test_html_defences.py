"""The port thief and the defences as HTML: sound, escaped, and with what matters in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import tcploop_lab as lab
from tcploop_lab.defence.results import DefenceResult, DefenceTable, Situation
from tcploop_lab.thief.thief import ThiefTable

from .test_html import EVIL, SAFE, Checker

STORY, CASES = lab.recorded_thief(), lab.recorded_thief_table()
KERNEL = "simulated Linux 6.18"
DEAD, BINDS = Situation("same-socket client", 5000, 0, 1 / 50), Situation("the client binds port 0", 13, 1, 1 / 50)
HELD = DefenceResult("held-port", "somebody holds it", (DEAD,), (EVIL,), 1.0, KERNEL, "simulated")
ODD = DefenceResult("other-parity", "the port is odd", (DEAD, BINDS), (), 1.0, KERNEL, "simulated")
TABLE = DefenceTable((HELD, ODD))
RESULTS = {
    "thief": replace(STORY, error=EVIL),
    "cases": ThiefTable(tuple(replace(cell, label=EVIL) for cell in CASES.cells)),
    "defence": HELD,
    "table": DefenceTable((replace(HELD, title=EVIL),)),
}


@pytest.mark.parametrize("name", RESULTS)
def test_html_is_sound_and_escaped(name: str) -> None:
    """Tags are closed in order, and text from outside is shown as it is."""
    checker, text = Checker(), RESULTS[name]._repr_html_()
    checker.feed(text)
    assert (checker.wrong, checker.open, checker.seen["script"]) == ([], [], 0)
    assert SAFE in text and checker.seen["tr"] >= 2


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (STORY, [STORY.error, STORY.restart, f":{STORY.port}", "ESTABLISHED, TIME-WAIT", "reads its own question"]),
        (CASES, ["server only", "still refused after 70.0 s", "closes and has not read", CASES.cells[0].label]),
        (TABLE["other-parity"], ["the client binds port 0", "weak;", "✗ NO", "✓", "none by luck: 1 in 7e+43", KERNEL]),
        (TABLE, ["2 defences: 1 hold, 1 are weak", "try 13 connects", KERNEL]),
    ],
    ids=["thief", "cases", "defence", "table"],
)  # fmt: skip
def test_html_has_what_matters(result: Any, words: list[str]) -> None:
    """The verdict, the numbers behind it, and when it was recorded."""
    text = result._repr_html_()
    assert [word for word in words if word not in text] == []
