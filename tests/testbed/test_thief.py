"""The port thief: who is refused, for how long, and what the socket table says meanwhile."""

from __future__ import annotations

import socket

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks.linux import linux_stack
from tcploop_lab.stacks.stack import SocketRow
from tcploop_lab.testbed.loop import LoopSpec
from tcploop_lab.testbed.testbed import Testbed
from tcploop_lab.thief.play import Scene, answers
from tcploop_lab.thief.thief import COMBINATIONS, Ending, ThiefTable

from ..stories import CASES as FINISHED
from ..stories import STORY

HOLDS_PORT = (Ending.STAYS, Ending.CLOSES)
CASES = [(ending, *pair) for ending in Ending for pair in COMBINATIONS]


@pytest.fixture(scope="module")
def table() -> ThiefTable:
    """Every case, each with a short patience."""
    return lab.port_thief_table(patience=0.05)


@pytest.mark.parametrize(("ending", "client", "server"), CASES)
def test_both_sides_need_the_option(table: ThiefTable, ending: Ending, client: bool, server: bool) -> None:
    """While a socket of the client is left, the server starts only if both have SO_REUSEADDR; after a reset always."""
    seen = table.cell(ending, client, server)
    refused = ending in HOLDS_PORT and not (client and server)
    assert (seen.error, seen.started is None) == (("bind: EADDRINUSE", True) if refused else ("", False))
    assert seen.answered is not refused


@pytest.mark.parametrize(
    ("ending", "states"), [("stays", ["ESTABLISHED"]), ("closes", ["TIME-WAIT"]), ("closes-unread", []), ("resets", [])]
)
def test_the_socket_table_is_the_witness(table: ThiefTable, ending: str, states: list[str]) -> None:
    """The table shows one socket with the same name twice, in the state that the ending leaves; or none."""
    seen = table.cell(ending)
    name = f"127.0.0.1:{seen.port}"
    assert seen.witness == tuple(SocketRow(name, name, state) for state in states)
    assert list(seen.states) == states


def test_the_story_is_told_in_order(testbed: Testbed) -> None:
    """From the first server to the second: crash, refusals, the theft, EADDRINUSE, the reset, the start."""
    seen = lab.port_thief(testbed=testbed, ending="resets", hold=0.5)
    who = [event.who[0] for event in seen.events]
    assert "".join(who) == "scscccscs"  # server, client, server, ...
    times = [event.at for event in seen.events]
    assert times == sorted(times) and times[1] < 0.0 <= times[2]
    assert seen.looped < seen.first_attempt < seen.looped + 0.5 <= seen.let_go <= seen.started
    assert seen.restart_seconds == seen.started - seen.first_attempt < seen.started
    assert seen.events[-1].what == f"starts, at attempt {seen.attempts}"
    assert "reads its own question" in seen.events[5].what


def test_a_server_with_the_option_starts_beside_the_thief(testbed: Testbed) -> None:
    """With the option on both sides the self-connection goes on and the new server answers all the same."""
    seen = lab.port_thief(True, True, testbed, ending="stays")
    assert (seen.attempts, seen.answered, seen.let_go) == (1, True, None)
    assert seen.restart == "at once"


def test_only_the_server_itself_can_answer() -> None:
    """A server that is asked nothing, because the clients reach another one, does not count as back."""
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_server(("127.0.0.1", 0)) as elsewhere:
        for server in (here, elsewhere):
            server.settimeout(0.2)
        spec = LoopSpec("127.0.0.1", here.getsockname()[1], lab.ClientKind.NEW_SOCKET, 1, 1.0)
        scene = Scene(spec, False, Ending.STAYS, 0.0, 0.0)
        assert (answers(linux_stack(), here, scene), answers(linux_stack(), elsewhere, scene)) == (True, False)


def test_each_play_takes_a_port_of_its_own(testbed: Testbed) -> None:
    """The TIME-WAIT of one play does not decide the next."""
    first, second = (lab.port_thief(testbed=testbed, hold=0.0, patience=0.0) for _ in range(2))
    assert (first.port, second.port) == (40500, 40502)
    assert first.states == second.states == ("TIME-WAIT",)


def test_waited_for_to_the_end(table: ThiefTable) -> None:
    """A simulated kernel refuses the cases that the live one does; TIME-WAIT takes its 60 s, who stays stays."""
    assert [cell.error for cell in FINISHED.cells] == [cell.error for cell in table.cells]
    closed = [FINISHED.cell("closes", *pair).restart_seconds for pair in COMBINATIONS]
    assert all(60.0 <= seconds <= 60.1 for seconds in closed[:3]) and closed[3] < 0.1
    assert all(FINISHED.cell("stays", *pair).waited > 69.0 for pair in COMBINATIONS[:3])


def test_a_simulated_result_says_so(table: ThiefTable) -> None:
    """What is simulated carries the kernel's name wherever it is shown, and what is live does not."""
    assert STORY.label.startswith("simulated Linux") and STORY.label in repr(STORY) and STORY.label in repr(FINISHED)
    assert STORY.label in STORY._repr_html_() and STORY.label in FINISHED._repr_html_()
    assert table.cells[0].label == "" and "simulated" not in repr(table)


def test_on_the_host_it_plays_as_well() -> None:
    """Without a namespace the story is the same, on a port of the host's own range."""
    with lab.open_testbed((40000, 40999), kind="host") as host:
        seen = lab.port_thief(testbed=host, ending="resets", hold=0.05)
    assert (seen.error, seen.answered) == ("bind: EADDRINUSE", True)


def test_a_port_that_cannot_loop_has_no_thief(testbed: Testbed) -> None:
    """An odd port in an even range: the client never meets itself, and one line says so."""
    with pytest.raises(lab.NotOnThisTestbed, match="port 40501: the client did not meet itself"):
        lab.port_thief(testbed=testbed, port=40501)


def test_a_taken_port_is_refused(testbed: Testbed) -> None:
    """Where somebody holds the port before the play, it does not begin."""
    with testbed.hold(40500), pytest.raises(lab.NotOnThisTestbed, match="port 40500: it is taken before the play"):
        lab.port_thief(testbed=testbed, port=40500)


@pytest.mark.parametrize(
    "bad",
    [{"ending": "explodes"}, {"hold": -1}, {"patience": float("nan")}, {"patience": "long"}, {"port": 70000}],
    ids=str,
)
def test_bad_input_is_one_line(testbed: Testbed, bad: dict[str, object]) -> None:
    """What is not allowed raises ValueError with the value and what is allowed."""
    with pytest.raises(ValueError, match=str(next(iter(bad.values())))) as caught:
        lab.port_thief(testbed=testbed, **bad)
    assert "\n" not in str(caught.value)
