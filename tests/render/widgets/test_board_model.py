"""The precondition board: each switch acts on the real testbed, and everything can be undone."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.render.widgets.board_model import PreconditionBoard

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def board(testbed):
    """A board for port 40100 that is closed at the end."""
    model = PreconditionBoard(testbed, "40100")
    yield model
    model.close()


def broken(board: PreconditionBoard) -> list[str]:
    """The names of the rules that do not hold."""
    return [rule.name for rule in board.verdict.broken]


@pytest.mark.parametrize(
    ("switch", "rules", "picked"),
    [
        ("listen", ["nobody listens", "not held"], "a listener answered"),
        ("hold", ["not held"], "was never picked"),
        ("reserve", ["not reserved"], "was never picked"),
        ("address", ["same address"], "times."),
    ],
)
def test_a_switch_breaks_its_own_rule_for_real(board, switch, rules, picked):
    """The kernel sees what the switch did, a loop feels it, and switched off all holds again."""
    assert board.verdict.can_loop
    assert board.switch(switch, True)
    assert broken(board) == rules
    assert board.dial() and board.work.wait(60)
    assert picked in board.words
    assert board.switch(switch, False) and board.verdict.can_loop


@pytest.mark.parametrize(("kind", "rule"), [("elsewhere", "in range"), ("parity", "parity")])
def test_another_range_breaks_one_rule(board, testbed, kind, rule):
    """Each other range breaks one rule alone, and the first one comes back."""
    assert board.choose_range(kind)
    assert broken(board) == [rule]
    assert board.choose_range("as opened")
    assert testbed.port_range == lab.PortRange(40000, 40199)


def test_dialled_it_shows_what_another_board_of_the_testbed_has_changed(board, testbed):
    """The rules beside a loop are those of the loop, whoever switched."""
    other = PreconditionBoard(testbed, 40100)
    assert other.switch("reserve", True) and board.verdict.can_loop
    assert board.dial() and board.work.wait(60)
    assert "was never picked" in board.words and broken(board) == ["not reserved"]
    other.close()


def test_contradictory_switches_are_answered_in_words(board):
    """A socket cannot hold the port on which another one listens: the switch stays off, and the board says so."""
    board.switch("listen", True)
    assert not board.switch("hold", True)
    assert board.on == ("listen",)
    assert "That cannot be: Address already in use" in board.words


def test_closing_gives_everything_back(board, testbed):
    """Closed, the board leaves neither listener nor reservation nor another range."""
    assert board.switch("listen", True) and board.switch("reserve", True) and board.choose_range("elsewhere")
    board.close()
    assert testbed.check(40100).can_loop
    assert testbed.port_range == lab.PortRange(40000, 40199)


def test_a_bad_port_is_answered_in_words(board):
    """The board names what is allowed, and no switch does anything until there is a good port."""
    for port in ("", "abc", "70000", None, float("nan"), 10**40):
        board.begin(port)
        assert "a TCP port is 1 to 65535" in board.words
        assert not (board.switch("listen", True) or board.choose_range("parity") or board.dial())
        assert board.on == ()
    board.begin("40100")
    assert board.verdict.can_loop


def test_what_a_testbed_cannot_do_is_said_in_words():
    """On the host ports are not reserved: the switch stays off, with the way out."""
    with lab.open_testbed(port_range=(40000, 40199), kind="host") as host:
        board = PreconditionBoard(host, 40100)
        assert not board.switch("reserve", True)
        assert "use the namespace testbed" in board.words
        board.close()


def test_a_closed_testbed_and_none_at_all_are_answered_in_words(testbed):
    """The board says that the testbed is closed, or how to give it one, and can be closed itself."""
    board = PreconditionBoard(testbed, 40100)
    board.switch("listen", True)
    testbed.close()
    assert not board.switch("hold", True)
    assert "this testbed is closed" in board.words
    board.close()
    assert "lab.open_testbed()" in PreconditionBoard(None, 40100).words
    for widget in (lab.precondition_board, lab.loop_console, lab.crossing_by_hand):
        assert "40100. Write: lab." in widget(40100).model.words  # the port in its place


def test_the_table_tries_each_switch_alone_and_elsewhere(board):
    """The figure's table breaks each rule in turn in a network of its own; the learner's switches stay as they are."""
    board.switch("listen", True)
    table = board.table()
    assert [len(verdict.broken) for verdict in table.values()] == [0, 2, 1, 1, 1, 1, 1]
    assert board.on == ("listen",)
