"""Results as HTML: complete, escaped, readable without colours."""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import tcploop_lab as lab
from tcploop_lab.audits.table import AuditTable, ProgramAudit
from tcploop_lab.audits.verdicts import AuditVerdict
from tcploop_lab.defence.results import DefenceResult, DefenceTable, Situation
from tcploop_lab.ports.identify import classify
from tcploop_lab.ports.preconditions import Rule, Verdict
from tcploop_lab.render.html import line, table
from tcploop_lab.render.plain import text
from tcploop_lab.results.description import Table
from tcploop_lab.results.shown import Shown
from tcploop_lab.stacks.stack import SocketRow
from tcploop_lab.study.store import Store
from tcploop_lab.tcp.endpoint import Endpoint
from tcploop_lab.tcp.segments import Segment
from tcploop_lab.testbed.doctor import Capability, Doctor
from tcploop_lab.testbed.sampling import Samples
from tcploop_lab.thief.thief import ThiefTable
from tcploop_lab.tries.theory import distribution

from ..stories import CASES, STORY

RANGE = lab.PortRange(40000, 40999)
EVIL = '<script>alert("x")</script>&'
SAFE = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;"
KERNEL = "simulated Linux 6.18"
DEAD, BINDS = Situation("same-socket client", 5000, 0, 1 / 50), Situation("the client binds port 0", 13, 1, 1 / 50)
HELD = DefenceResult("held-port", "somebody holds it", (DEAD,), (), 1.0, KERNEL, "simulated")
ODD = DefenceResult("other-parity", "the port is odd", (DEAD, BINDS), (), 1.0, KERNEL, "simulated")
TABLE = DefenceTable((HELD, ODD))
ME = Endpoint("127.0.0.1", 40500)
NO_END = {"br", "img"}


class Checker(HTMLParser):
    """Counts tags and notes those that are closed by another one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note an opened tag."""
        self.seen[tag] += 1
        if tag not in NO_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the newest tag, which must be this one."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def run(**changes: object) -> lab.Run:
    """A run that connected, with some fields changed."""
    fields = {
        "port": 40500, "host": "127.0.0.1", "client": lab.ClientKind.SAME_SOCKET, "port_range": RANGE, "tries": 12345,
        "seconds": 0.5, "stopped": "connected", "errors": {"ECONNREFUSED": 12344}, "local": ME,
        "peer": ME, "max_tries": 99999, "kernel": "Linux 6.18",
    }  # fmt: skip
    return lab.Run(**(fields | changes))  # type: ignore[arg-type]


def result(kernel: str = "Linux 6.18") -> lab.StudyResult:
    """A study of two cells, one of which has no hit."""
    study = lab.Study([40500, 40501], RANGE, samples=2)
    with Store.create(None, study) as store:
        store.set_facts({"kernel": kernel, "testbed": "namespace"}, [("random-walk", 6000), ("random-walk", 1000)])
        store.add(0, range(2), Samples("h", kernel, array("Q", [5, 7]), array("B", [1, 1]), array("d", [0.1, 0.2])))
        store.add(1, range(1), Samples("h", kernel, array("Q", [1000]), array("B", [0]), array("d", [0.1])))
        return lab.StudyResult.of(store.read())


def verdict(evidence: str) -> Verdict:
    """A verdict with one rule that holds and one that does not."""
    rules = (Rule("same address", True, "127.0.0.1"), Rule("parity", False, evidence))
    return Verdict(40501, "127.0.0.1", lab.ClientKind.SAME_SOCKET, RANGE, rules, 500)


def doctor(detail: str) -> Doctor:
    """What a machine without a namespace says."""
    missing = Capability("private namespace", False, detail, "use kind='host'", True)
    return Doctor("Linux 6.18", "host", detail, (Capability("python", True, "3.12"), missing))


def audit(verdict: str = "self-connected", output: str = EVIL, attempts: int = 2) -> lab.AuditResult:
    """An audit of a program that connected so often and printed much."""
    segments = [
        Segment(began + place, *ME, *ME, flags, began, began)
        for began in range(0, 10 * attempts, 10)
        for place, flags in enumerate(("S", "SA", "A", "FA", "A"))
    ]
    return lab.AuditResult(
        ("me", EVIL), AuditVerdict(verdict), (f"it printed {output}",), ME.port, ME.address, 1, None, 1.5, "timeout",
        KERNEL, "\n".join([output, *map(str, range(500))]), tuple(segments), (SocketRow(f"{ME}", f"{ME}", "LISTEN"),),
    )  # fmt: skip


RESULTS = {
    "run": lambda text: run(kernel=text),
    "verdict": verdict,
    "study": lambda text: lab.Study(40500, RANGE),
    "study result": result,
    "distribution": lambda text: distribution("random-walk", RANGE, 40500),
    "never": lambda text: distribution("random-walk", RANGE, 40501),
    "probe": lambda text: classify(range(40000, 40200, 4), RANGE),
    "doctor": doctor,
    "thief": lambda text: replace(STORY, error=text),
    "thieves": lambda text: ThiefTable(tuple(replace(cell, label=text) for cell in CASES.cells)),
    "defence": lambda text: replace(HELD, notes=(text,)),
    "defences": lambda text: DefenceTable((replace(HELD, title=text), ODD)),
    "audit": lambda text: audit(output=text),
    "audits": lambda text: AuditTable("2026-11-22", text, (ProgramAudit("nc", "netcat"),)),
    "exchange": lambda text: lab.recorded("self-connection"),
}
FOREIGN = sorted(set(RESULTS) - {"study", "distribution", "never", "probe", "exchange"})


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_sound_html_and_escaped(name: str) -> None:
    """Tags are closed in order, and no text of a result can become a tag: it stays, with its characters escaped."""
    checker = Checker()
    text = RESULTS[name](EVIL)._repr_html_()
    checker.feed(text)
    assert (checker.wrong, checker.open, checker.seen["script"]) == ([], [], 0)
    assert (SAFE in text) == (name in FOREIGN)
    assert checker.seen["table"] >= 1
    assert checker.seen["tr"] >= 2


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_plain_in_json(name: str) -> None:
    """What a program reads is strict JSON with keys, and foreign text in it is what it was."""
    record = json.loads(json.dumps(RESULTS[name](EVIL).describe().record(), allow_nan=False))
    assert record and all(key.isidentifier() for key in record)


@pytest.mark.parametrize("name", FOREIGN)
def test_no_result_can_steer_a_terminal(name: str) -> None:
    """Text from outside is shown with its control characters spelled out, and the table beside it is whole."""
    lines = text(RESULTS[name]("red \x1b[31m\x9b1m").describe(), terminal=False).splitlines()
    shown = [line for line in lines if "red \\x1b[31m\\x9b1m" in line]
    assert shown and not any("\x1b" in line or "\x9b" in line for line in lines)


def test_in_a_notebook_text_is_returned_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich knows a notebook, where it would put the text of a result below the cell, beside the result's own HTML."""
    result = RESULTS["audits"]("Linux")
    outside = repr(result)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert repr(result) == outside
    assert "in 0 of 0 audits" in outside


def test_a_summary_is_the_html_of_what_has_no_table() -> None:
    """A result that says no more than its summary shows it, escaped, with where it comes from."""

    class Other(Shown):
        summary, label = EVIL, "simulated"

    assert re.findall(r">([^<>]+)</p>", Other()._repr_html_()) == ["simulated, not live", SAFE]


def test_yes_and_no_differ_without_colour() -> None:
    """Each rule says ok or NO, with a sign."""
    text = re.sub("<[^>]+>", "|", verdict("odd")._repr_html_())
    assert "same address||✓ ok|" in text.replace("|||", "||").replace("|||", "||")
    assert text.count("✗ NO") == 1
    assert "cannot loop" in text


def test_a_run_says_what_happened() -> None:
    """Tries with separators, both names, and no self-connection where a listener answered."""
    text = run()._repr_html_()
    assert "12,345" in text
    assert text.count(">127.0.0.1:40500<") == 2
    assert "✓ ok" in text
    assert "✗ NO" in run(peer=Endpoint("127.0.0.1", 80))._repr_html_()


def test_a_study_shows_measured_beside_theory() -> None:
    """The mean, its error, the theory; a dash and never where there was no hit."""
    text = result()._repr_html_()
    assert re.search(r">6\.0<.*>1\.0<.*>444\.8<", text)
    assert ">—<" in text
    assert ">never<" in text
    assert "3 of 4 samples in 2 cells" in text
    assert ">h<" not in text  # the name of the machine is nobody's business


def test_colours_follow_the_theme() -> None:
    """JupyterLab's variables with a fallback, and no background of its own."""
    text = verdict("odd")._repr_html_()
    assert "var(--jp-ui-font-color1, inherit)" in text
    assert set(re.findall(r"background: ([^;\"]+)", text)) == {"transparent"}
    assert not re.search(r"(?<!var\(--jp-success-color1, )(?<!color1, )(?<!color2, )#[0-9a-f]{6}", text)


def test_a_long_table_is_cut_and_says_so() -> None:
    """The first thirty rows and the last ten are shown, the rest is counted."""
    text = table(Table("", (("", "n"),), [(n,) for n in range(100)]))
    assert text.count("<tr>") == 1 + 40 + 1
    assert "and 60 more between" in text and ">90<" in text and ">89<" not in text


def test_a_table_wider_than_its_place_is_reached_by_keyboard() -> None:
    """It scrolls in a frame of its own, which Tab stops at and a screen reader names by the heads."""
    frame = '<div role="group" aria-label="&lt;p&gt;, q" tabindex="0" style="overflow-x: auto"><table '
    assert frame in table(Table("t", (("p", "<p>"), ("q", "q")), [[1, 2]]))


@pytest.mark.parametrize(("columns", "closer", "whole"), [(8, False, True), (9, True, True), (10, True, False)])
def test_many_columns_stand_closer(columns: int, closer: bool, whole: bool) -> None:
    """The nine of an exchange have room beside JupyterLab's list of files, with sequence numbers of ten digits."""
    text = table(Table("", [("", f"c{n}") for n in range(columns)], [["SYN-RECEIVED"] * columns]))
    assert ("padding: 3px 5px" in text) is closer
    assert ("white-space: nowrap" in text) is whole


def test_a_long_version_may_go_on_in_the_next_line() -> None:
    """podman's kept the table of audits wider than a notebook in a window of 1,280 pixels."""
    versions = [("1.35.0-4+deb12u1+b1",), ("4.3.1+ds1-8+deb12u1+b3",)]
    cells = table(Table("", (("version", "version"),), versions)).split("</td>")
    assert ["nowrap" in cell for cell in cells[:2]] == [True, False]


def test_a_program_of_several_lines_keeps_them() -> None:
    """In one line it would be another program."""
    assert ">python3 -c &#x27;<br>import socket<br>&#x27;</p>" in line("python3 -c '\nimport socket\n'")


def test_numbers_stand_right_and_words_left() -> None:
    """A column with numbers stands right in every row, head included."""
    text = table(Table("", (("", "port"), ("", "tries")), [("a", None), ("b", 5)]))
    assert re.findall(r"text-align: (\w+)", text) == ["left", "right"] * 3


def test_a_testbed_shows_itself_open_and_closed() -> None:
    """Kind, kernel and range; once closed, how to go on."""
    with lab.open_testbed(RANGE) as testbed:
        text = testbed._repr_html_()
    assert "40000-40999" in text
    assert testbed.kernel in text
    assert "open another one" in testbed._repr_html_()


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (STORY, [STORY.error, STORY.restart, f":{STORY.port}", "ESTABLISHED, TIME-WAIT", "reads its own question"]),
        (CASES, ["server only", "still refused after 70.0 s", "closes and has not read", CASES.cells[0].label]),
        (TABLE["other-parity"], ["the client binds port 0", "weak;", "✗ NO", "✓", "none by luck: 1 in 7e+43", KERNEL]),
        (TABLE, ["2 defences: 1 hold, 1 are weak", "try 13 connects", KERNEL]),
        (audit(), ["self-connected", "none, the lab ended it", "LISTEN", "SYN-ACK", "... 489 lines are left out ..."]),
        (RESULTS["audits"]("Linux"), ["not installed", "in 0 of 0 audits"]),
    ],
    ids=["thief", "thieves", "defence", "defences", "audit", "audits"],
)  # fmt: skip
def test_html_has_what_matters(result: Shown, words: list[str]) -> None:
    """The verdict, the numbers behind it, and when it was recorded."""
    text = result._repr_html_()
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(("verdict", "good"), [("detected", True), ("refused", True), ("unclear", False)])
def test_the_mark_beside_the_verdict_says_if_it_is_good(verdict: str, good: bool) -> None:
    """A verdict is marked as a success unless the program was fooled, or that is unclear."""
    html = audit(verdict)._repr_html_()
    assert ("--jp-success-color1" in html) == good
    assert ("--jp-error-color1" in html) == (not good)
