"""The defences: what each is worth, and that the measurement finds out when one does not work."""

from __future__ import annotations

import contextlib
import inspect
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import tcploop_lab as lab
from tcploop_lab.defence import clients as defences
from tcploop_lab.defence import table as defence_table
from tcploop_lab.defence.results import DefenceResult, DefenceTable, Situation
from tcploop_lab.stacks.executor import NamespaceExecutor
from tcploop_lab.stacks.namespace import NamespaceRefused
from tcploop_lab.testbed import opening
from tcploop_lab.testbed.testbed import Testbed

VERDICTS = {
    "nothing": "none",
    "detect-reset": "holds",
    "detect-close": "weak",
    "identity-check": "holds",
    "ping-check": "none",
    "outside-range": "holds",
    "reserved-port": "holds",
    "held-port": "holds",
    "server-reuse": "none",
    "both-reuse": "weak",
    "other-parity": "weak",
    "back-off": "none",
}


@pytest.fixture(scope="module", params=["namespace", "simulated"])
def place(request: pytest.FixtureRequest) -> Any:
    """One private network for all measurements of this file, and one simulated kernel."""
    with lab.open_testbed((40000, 40999), kind=request.param) as testbed:
        yield testbed


@pytest.fixture(scope="module")
def table(place: Testbed) -> DefenceTable:
    """Every defence, measured."""
    return lab.defences(place)


def test_each_verdict(table: DefenceTable, place: Testbed) -> None:
    """What holds, what is weak, what is none. A false alarm needs luck of 1 in 7e+43, see `missed`."""
    assert table.verdicts == VERDICTS
    assert {(result.stack, result.kernel) for result in table.results} == {(place.stack, place.kernel)}
    holding = [result for result in table.results if result.verdict == "holds"]
    assert max(situation.missed for result in holding for situation in result.situations) < 1e-6


def test_each_has_its_number(table: DefenceTable) -> None:
    """Trials and failures of some situations, as measured."""
    assert str(table["nothing"].main) == "uses its own connection: 300 of 300"
    assert table["held-port"].main == Situation("same-socket client", 5000, 0, 1 / 50)
    assert [situation.failures for situation in table["other-parity"].situations] == [0, 1, 1, 1]
    assert [situation.failures for situation in table["detect-close"].situations] == [0, 300, 300, 0]
    assert table["back-off"].notes[1].endswith("the mean is 3.9 hours")


def test_back_off_takes_as_many_tries(table: DefenceTable) -> None:
    """The mean tries lie around the 10 candidates with and without waiting, each with its standard error.

    False alarm below 1e-6: of 100 loops, each geometric with mean 10 at worst, a mean outside 5.5 to 16.
    """
    assert table["back-off"].main == Situation("connects to itself in the end", 100, 100)
    numbers = list(map(float, re.findall(r"[\d.]+(?= ±)|(?<=± )[\d.]+", table["back-off"].notes[0])))
    assert all(5.5 < mean < 16.0 and 0.0 < error < 3.0 for mean, error in (numbers[:2], numbers[2:]))


def test_equal_names_are_no_proof_behind_a_redirect(table: DefenceTable) -> None:
    """Where a redirect leads to a real server, the check of the names refuses it each time that the port is its own.

    From 100 ports one dial in 50 has equal names: 2,000 of them 5 to 90 times, else in one of 10^7 runs. No NAT is
    simulated, which the note says instead.
    """
    (note,) = table["detect-reset"].notes
    if table["detect-reset"].stack == "simulated":
        assert "not measured" in note and "no NAT is simulated" in note
        return
    certain, rare = re.findall(r"in (\d+) of", note)
    assert certain == "20" and 5 <= int(rare) <= 90


# Each defence, broken on purpose: what is replaced, by what, and the verdict that must be found.
BROKEN: list[tuple[str, Any, str, Callable[..., Any], str]] = [
    ("detect-reset", defences, "dial_and_compare", defences.dial, "none"),
    ("detect-reset", defences, "dial_and_compare", defences.dial_and_close, "weak"),
    ("detect-close", defences, "dial_and_close", defences.dial, "none"),
    ("identity-check", defences, "dial_and_greet", defences.dial_and_ping, "none"),
    ("ping-check", defences, "dial_and_ping", defences.dial_and_greet, "holds"),
    ("reserved-port", Testbed, "reserve", lambda *_: contextlib.nullcontext(), "none"),
    ("held-port", defences, "hold", lambda _, new_socket: new_socket(), "none"),
    ("server-reuse", defence_table.Ground, "can_start", lambda *_, **__: True, "holds"),
    ("both-reuse", defence_table, "_dial_reusing", defences.dial, "none"),
]


@pytest.mark.parametrize(("name", "where", "what", "instead", "found"), BROKEN)
def test_a_broken_defence_is_found_out(
    place: Testbed, monkeypatch: pytest.MonkeyPatch, name: str, where: Any, what: str, instead: Any, found: str
) -> None:
    """Where the defence's own line is taken away, the measurement says so."""
    monkeypatch.setattr(where, what, instead)
    assert str(lab.measure_defence(name, place, tries=1000 if "port" in name else 20).verdict) == found


@pytest.mark.parametrize(("name", "what"), [("outside-range", "_OUTSIDE"), ("other-parity", "_ODD")])
def test_a_port_that_can_loop_is_found_out(
    place: Testbed, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    """A port inside the range, of its parity, is no defence; 1000 tries miss it once in 6e+8."""
    monkeypatch.setattr(defence_table, what, 47060)
    assert str(lab.measure_defence(name, place, tries=1000).verdict) == "none"


def test_too_few_trials_prove_nothing(place: Testbed) -> None:
    """Ten tries without a failure are luck in four of five cases, so the verdict is unproven."""
    measured = lab.measure_defence("outside-range", place, tries=10)
    assert str(measured.verdict) == "unproven"
    assert measured.main.missed == pytest.approx(0.98**10)


def test_a_client_of_one_own_is_measured(place: Testbed) -> None:
    """A function that no module holds: one that compares passes, and one that refuses everybody does not."""

    def refuse_all(address: Any, new_socket: Any) -> socket.socket:
        defences.close_with_reset(defences.dial(address, new_socket))
        raise ConnectionRefusedError

    good = lab.measure_client(lambda *given: defences.dial_and_compare(*given), place, 20)
    bad = lab.measure_client(refuse_all, place, 20)
    assert (str(good.verdict), good.failing) == ("holds", ())
    assert [str(situation) for situation in bad.failing] == ["refuses a real server: 100 of 100"]


def test_a_client_that_keeps_its_socket_blocks_the_server(place: Testbed) -> None:
    """To detect without closing is no defence of the server."""
    kept = []

    def keep(address: Any, new_socket: Any) -> socket.socket:
        kept.append(defences.dial(address, new_socket))
        raise ConnectionRefusedError

    measured = lab.measure_client(keep, place, 5)
    assert [str(situation) for situation in measured.situations[:2]] == [
        "uses its own connection: 0 of 5",
        "the server cannot start afterwards: 5 of 5",
    ]


def test_the_range_is_as_before(place: Testbed) -> None:
    """A measurement leaves the testbed with the range it had, whatever it tried, even where it raised."""
    lab.measure_defence("other-parity", place, tries=5)
    with pytest.raises(ValueError, match="it must dial"):
        lab.measure_client(lambda address, new_socket: new_socket(), place, 5)
    assert place.port_range == lab.PortRange(40000, 40999)


def test_a_table_shows_itself(table: DefenceTable) -> None:
    """One line per defence in text, a row in HTML; one defence shows each situation and what it is worth."""
    label = table["nothing"].label
    lines = repr(table).splitlines()
    assert [sum(line.split()[:1] == [name] for line in lines) for name in VERDICTS] == [1] * len(VERDICTS)
    assert label in lines[0]
    found = Counter(verdict for name, verdict in VERDICTS.items() if name != "nothing")
    told = f"{found.total()} defences: {found['holds']} hold, {found['weak']} are weak, {found['none']} are none; "
    assert table.summary.startswith(told)
    assert table._repr_html_().count("<tr>") == 1 + len(VERDICTS)
    assert "none by luck: 1 in 7e+43" in table["held-port"]._repr_html_()
    label = f" ({label})" if label else ""
    shown = f"<DefenceResult: server-reuse: none. the server cannot start: 20 of 20{label}>"
    assert repr(table["server-reuse"]) == shown


@pytest.mark.parametrize("name", ["hold", *(name for name in dir(defences) if name.startswith("dial"))])
def test_the_code_is_short_enough_to_be_shown(name: str) -> None:
    """Each is a few lines that can be read in a notebook, beside the list of files: a longer one breaks in a word."""
    lines = inspect.getsource(getattr(defences, name)).splitlines()
    assert 5 < len(lines) <= 14
    assert max(map(len, lines)) <= 103


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lab.measure_defence("prayer"), "defence 'prayer': a defence is one of nothing, detect-reset"),
        (lambda: lab.measure_defence("back-off", tries=0), "max tries 0: give a whole number"),
        (lambda: lab.measure_client(None), "client None: give a function"),
        (lambda: lab.measure_client(lambda address, new_socket: None), "client: it returned None; return the"),
    ],
)
def test_bad_input_is_one_line(call: Callable[[], DefenceResult], words: str) -> None:
    """What is not allowed raises ValueError with the value and what is allowed."""
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)


def test_back_off_waits_by_the_clock_of_the_kernel() -> None:
    """On a simulated kernel the seconds of back-off, 1, 2, 4 up to 64, pass at once, and by its clock."""
    with lab.open_testbed((47050, 47059), kind="simulated", seed=1) as simulated:
        began, clock = time.monotonic(), simulated.executor.here.monotonic
        waited = []
        for _ in range(100):
            start = clock()
            sock = defences.dial_with_back_off(("127.0.0.1", 47050), simulated.tcp_socket, 1000, wait=simulated.wait)
            defences.close_with_reset(sock)
            waited.append(round(clock() - start))
        assert {0, 1, 3, 7, 15, 31, 63, 127, 191} <= set(waited) <= {0, 1, 3, 7, 15, 31, 63, *range(127, 10_000, 64)}
        assert time.monotonic() - began < sum(waited) / 10


def test_the_host_is_left_alone() -> None:
    """On the host nothing is measured, because its range is not the lab's to change; the way out is named."""
    with lab.open_testbed(kind="host") as host, pytest.raises(lab.NotOnThisTestbed, match="use the namespace testbed"):
        lab.measure_defence("detect-reset", host)


def test_where_no_range_can_be_set_a_client_is_measured_on_a_simulated_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercise 07.2 can be done where the system refuses a private network; the result says where it comes from."""

    def refused(*given: Any, private: bool = True) -> NamespaceExecutor:
        if private:
            raise NamespaceRefused(1, "unshare() said no")
        return NamespaceExecutor(*given, private=False)

    monkeypatch.setattr(opening, "NamespaceExecutor", refused)
    result = lab.measure_client(defences.dial_and_compare, tries=3)
    assert (result.label, result.verdict == "none") == ("simulated Linux 6.18", False)
