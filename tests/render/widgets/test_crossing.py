"""The crossing by hand: every ending can be found, every control does what it says, nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from ipywidgets import Button

import tcploop_lab as lab
from tcploop_lab.render.style import alt_of
from tcploop_lab.render.widgets.crossing import CrossingView
from tcploop_lab.render.widgets.crossing_model import CrossingByHand
from tcploop_lab.tcp.outcomes import SOUGHT, Ending
from tcploop_lab.testbed.testbed import Testbed

from ...waiting import wait_until

MOVES = {
    Ending.CROSSED: "both 0 0 0 0 0 0",
    Ending.REFUSED: "A 0 0",
    Ending.LOST_SYN: "both lose0 0 0 0",
    Ending.LATE_RST: "A 0 B 1 0 0 0",
}


@pytest.fixture(scope="module")
def testbed() -> Iterator[Testbed]:
    """One namespace for all: every call has two hosts of its own."""
    with lab.open_testbed(kind="namespace") as place:
        yield place


@pytest.fixture
def model(testbed: Testbed) -> Iterator[CrossingByHand]:
    """Two hosts that have not called yet."""
    made = CrossingByHand(testbed)
    yield made
    made.close()


@pytest.fixture
def view(testbed: Testbed) -> Iterator[CrossingView]:
    """The widget, without a page."""
    made = lab.crossing_by_hand(testbed)
    yield made
    made.close()


def play(model: CrossingByHand, moves: str) -> list[bool]:
    """Make moves: a host's name calls, a number delivers, lose0 loses; returns which could be made."""
    acts = {"both": model.call_both, "lose0": model.lose, "look": model.look}
    acts |= {host: lambda host=host: model.call(host) for host in "AB"}
    return [acts[move]() if move in acts else model.deliver(int(move)) for move in moves.split()]


def press(view: CrossingView, name: str) -> None:
    """Press the visible button of that name."""
    (found,) = [one for one in buttons(view) if one.description == name]
    assert not found.disabled
    found.click()


def buttons(view: CrossingView) -> list[Button]:
    """The buttons that can be seen."""
    rows = [row for row in view.box.children if getattr(row.layout, "display", None) != "none"]
    return [one for row in rows for one in getattr(row, "children", ()) if isinstance(one, Button)]


@pytest.mark.parametrize("ending", SOUGHT)
def test_every_ending_can_be_found(model: CrossingByHand, ending: Ending) -> None:
    """Each of the four has an order of moves that leads there, and the words tell it."""
    assert all(play(model, MOVES[ending]))
    assert (model.ending, model.found) == (ending, [ending])
    assert model.words.endswith(f"It is over: {ending}. {ending.words}")
    assert [one for one, there in model.sought.items() if there] == [ending]
    assert len(SOUGHT) == 4 and len({one.words for one in Ending}) == len(Ending)


def test_each_move_is_told_as_a_sentence(model: CrossingByHand) -> None:
    """The story says whose segment arrives, how the state moves, and what goes out."""
    play(model, "both 0 1 lose0")
    assert model.story == [
        "Both call: A goes from CLOSED to SYN-SENT and B goes from CLOSED to SYN-SENT.",
        "A's SYN arrives: B goes from SYN-SENT to SYN-RECEIVED, and sends SYN-ACK.",
        "B's SYN-ACK arrives: A goes from SYN-SENT to ESTABLISHED, and sends ACK.",
        "B's SYN is lost.",
    ]
    assert [model.name(one) for one in model.held] == ["A's ACK, seq x+1, ack y+1"]
    assert model.sent == ["A SYN", "B SYN", "B SYN-ACK", "A ACK"]


def test_slow_hands_find_the_lost_syn_too(model: CrossingByHand) -> None:
    """Who thinks for more than a second sees the lost SYN sent again, and still finds that ending."""
    play(model, "both lose0")
    wait_until(lambda: play(model, "look") == [True] and len(model.held) > 1)
    assert [model.name(one).partition(",")[0] for one in model.held] == ["B's SYN", "A's SYN"]
    while model.held:
        model.deliver()
    assert model.found == [Ending.LOST_SYN]


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ("both A", "host A has called already, it is in SYN-SENT; take new hosts"),
        ("A both", "host A has called already"),
        ("0", "segment 0: the cable holds none"),
        ("both 2", "segment 2: the cable holds 0 to 1"),
    ],
)
def test_a_move_that_cannot_be_made_is_answered_in_words(model: CrossingByHand, moves: str, reason: str) -> None:
    """Nothing raises, nothing moves, and the words say why."""
    done = play(model, moves)
    assert done == [*[True] * (len(done) - 1), False]
    assert model.words.startswith(f"That cannot be: {reason}")
    assert len(model.story) == len(done) - 1


def test_without_hosts_the_words_say_why() -> None:
    """No testbed, and one that can make no hosts: a reason, a way out, and controls that do nothing."""
    with lab.open_testbed(kind="host") as host:
        for place, reason in ((None, "Write: lab.crossing_by_hand"), (host, "two hosts cannot be made here")):
            view = lab.crossing_by_hand(place)
            possible = place is not None and view.model.crossing is not None  # root may, on the host too
            assert possible or reason in view.model.words
            assert possible or [one.description for one in buttons(view) if not one.disabled] == ["New hosts"]
            assert possible or reason in view.static_html()
            view.close()


def test_the_buttons_do_what_they_say(view: CrossingView) -> None:
    """Pressed one after the other, they bring the SYNs to cross, and the page shows each state."""
    press(view, "Both call")
    for name in ("A's SYN", "B's SYN", "B's SYN-ACK", "A's SYN-ACK", "A's ACK", "B's ACK"):
        press(view, f"Deliver {name}")
    assert view.model.found == [Ending.CROSSED]
    page = " ".join(getattr(one, "value", "") for one in view.box.children)
    assert 'role="status"' in page and page.count("ESTABLISHED</strong>") == 2
    assert "CLOSED → SYN-SENT → SYN-RECEIVED → ESTABLISHED" in page
    assert "Simultaneous open in 6 segments" in page  # the alternative text of the ladder
    press(view, "New hosts")
    assert view.model.states == {"A": "CLOSED", "B": "CLOSED"} and view.model.found == [Ending.CROSSED]


def test_the_page_follows_moves_that_were_made_in_code(view: CrossingView) -> None:
    """What code does to the hosts is on the page at once, so that the next button means what it says."""
    play(view.model, "both 0")
    assert [one.description for one in buttons(view)][5::2] == ["Deliver B's SYN", "Deliver B's SYN-ACK"]
    assert "SYN-RECEIVED</strong>" in " ".join(getattr(one, "value", "") for one in view.box.children)


def test_every_control_has_a_name_of_its_own(view: CrossingView) -> None:
    """At any time the buttons that can be seen have different names, and a hint each."""
    press(view, "Both call")
    press(view, "Deliver A's SYN")
    names = [one.description for one in buttons(view)]
    assert len(names) == len(set(names)) == 5 + 2 * len(view.model.held) == 9
    assert all(one.tooltip for one in buttons(view))


def test_the_keyboard_stays_where_there_is_something_to_press(view: CrossingView, monkeypatch) -> None:
    """When the last segment leaves the cable its button vanishes, and another one gets the focus."""
    focused: list[str] = []
    monkeypatch.setattr(Button, "focus", lambda self: focused.append(self.description))
    for name in ("A calls", "Deliver A's SYN", "Deliver B's RST-ACK"):
        press(view, name)
    assert focused == ["New hosts"]


def test_where_no_widget_runs_there_is_a_figure(view: CrossingView) -> None:
    """Before any call: two hosts half way. After: what happened. Both as a picture with its text."""
    assert view.static_html().count("it is still on the way") == 2
    play(view.model, "A 0 0")
    assert "Refused try in 2 segments between A and B" in alt_of(view.plot())


def test_the_hosts_do_not_need_the_testbed_any_more() -> None:
    """Run All closes the testbed at its end; the buttons work on, New hosts among them."""
    with lab.open_testbed(kind="namespace") as place:
        view = lab.crossing_by_hand(place)
    press(view, "New hosts")
    for name in ("A calls", "Deliver A's SYN", "Deliver B's RST-ACK"):
        press(view, name)
    assert view.model.found == [Ending.REFUSED]
    view.close()


def test_nothing_is_left_behind(testbed: Testbed) -> None:
    """New hosts end the old ones, and close() ends the last: no socket and no cable stays open."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        view = lab.crossing_by_hand(testbed)
        play(view.model, "both 0")
        view.model.begin()
        view.close()
        view.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert view.model.deliver() is False
