"""The loop console: what it answers to what is typed, how it goes on, and that it ends."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from tcploop_lab.render.widgets.console import walk_html
from tcploop_lab.render.widgets.console_model import LoopConsole

from ...waiting import wait_until
from .conftest import workers

pytestmark = pytest.mark.usefixtures("nothing_left")

NEVER = (40101, "40000-40199")  # odd, in an even range
AT_ONCE = (40100, "40100-40100")


@pytest.fixture
def console(testbed):
    """A console that is closed at the end."""
    model = LoopConsole(testbed)
    yield model
    model.close()


def test_the_pieces_of_a_loop_make_one_run(console):
    """Tries, refusals and trace of all pieces are counted together, up to the bound."""
    assert console.start(*NEVER, most_tries="2,000")
    assert console.work.wait(60)
    run = console.run
    assert (run.tries, len(run.trace), run.errors, run.stopped) == (2000, 2000, {"ECONNREFUSED": 2000}, "max-tries")


def test_progress_and_stop_are_answered(console):
    """A loop that never succeeds shows tries soon, says why, ends when it is told to, and frees its worker."""
    before = workers()
    console.start(*NEVER)
    wait_until(lambda: "tries/s" in console.words)
    assert "It cannot succeed" in console.words and "40101 is odd" in console.words
    console.stop()
    wait_until(lambda: not console.work.busy)
    assert console.run.stopped == "interrupted"
    assert workers() == before


def test_a_slow_pace_shows_single_tries_and_stops_at_once(console):
    """At 2 tries a second nearly nothing has happened after the first one, and the pause is cut short."""
    console.start(*NEVER, pace="2 tries a second")
    wait_until(lambda: console.run is not None)
    assert console.run.tries <= 2
    console.stop()
    assert not console.work.busy


def test_a_second_start_waits_for_the_first(console):
    """While a loop goes on another start is refused, and disturbs nothing."""
    assert console.start(*NEVER)
    assert not console.start(*AT_ONCE)
    wait_until(lambda: console.run is not None)
    console.stop()
    assert console.run.port == NEVER[0]


TYPED = [
    (("", "1-9"), "port '': a TCP port is 1 to 65535"),
    ((float("nan"), "1-9"), "port nan: a TCP port is 1 to 65535"),
    ((10**30, "1-9"), f"port {10**30}: a TCP port is 1 to 65535"),
    (("40100", ""), "range '': write LOW-HIGH"),
    (("40100", None), "range None: write LOW-HIGH"),
    (("40100", "1-9", "nobody"), "client 'nobody': a client is one of same-socket"),
    (("40100", "1-9", "same-socket", "1e9"), "most tries '1e9': give a whole number"),
    (("40100", "1-9", "same-socket", "9" * 5000), "give a whole number from 1 to 10,000,000"),
]


def test_what_is_typed_wrong_is_answered_in_words(console):
    """Nothing is dialled, and the words name the value and what is allowed."""
    for typed, words in TYPED:
        assert not console.start(*typed)
        assert words in console.words
        assert not console.work.busy and console.run is None


def test_echo_without_a_connection_is_answered_in_words(console):
    """There is nobody to talk to before a loop, and nothing to say in an empty field."""
    assert "Press Start first" in console.echo("hi")
    console.start(*AT_ONCE)
    console.work.wait(60)
    assert "Write something first" in console.echo("")


def test_without_a_testbed_the_console_says_what_to_write():
    """A console that was given no testbed tells how to give it one."""
    console = LoopConsole(None)
    assert not console.start(*AT_ONCE)
    assert "lab.open_testbed()" in console.words


def test_closing_while_it_dials_leaves_nothing(testbed):
    """Close ends the loop, its worker and the capture, also right after the start."""
    before = workers()
    console = LoopConsole(testbed)
    console.start(*NEVER)
    console.close()
    assert not console.work.busy
    assert console.exchange is None
    assert workers() == before


def test_the_walk_says_in_words_what_it_shows(console):
    """The chart has an alternative text with the tries and the last port, and marks the port that is dialled."""
    console.start(*NEVER, most_tries=300)
    console.work.wait(60)
    chart = walk_html(console.run)
    assert f"300 tries to port 40101. The last source port is {console.run.trace[-1]}." in chart
    assert "port 40101, which it dials" in chart
    assert isinstance(console.run.trace, array)


def test_single_steps_are_seen_and_a_long_walk_is_no_noise(console):
    """The chart of ten tries shows the ports near them; that of very many shows the end of the walk alone."""
    console.start(33333, "32768-60999", most_tries=10)
    console.work.wait(60)
    few = walk_html(console.run)
    assert "60000<" not in few or "33000<" not in few  # two ticks that only a chart of the whole range has
    assert "port 33333, which it dials" in few
    long = replace(console.run, tries=300_000, trace=array("H", (console.run.trace * 30_000)[:300_000]))
    assert "300,000 tries to port 33333, of which the last 30,000" in walk_html(long)
    assert 'text-anchor="end" fill="#5C5C5C">300,000<' in walk_html(long)


def test_a_pace_is_that_of_the_clock(console):
    """At 20 tries a second no more is claimed, whatever the kernel needs for each."""
    console.start(*NEVER, most_tries=4, pace="20 tries a second")
    console.work.wait(60)
    assert 1 < console.run.rate <= 20
