"""The timeline of the port thief: what was seen, in the title, the labels and the alternative text."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tcploop_lab as lab
from tcploop_lab import show
from tcploop_lab.render import style

from ..stories import CASES, STORY


def texts(result: lab.ThiefResult) -> list[str]:
    """All that is written into the figure of a result."""
    return [text.get_text() for text in result.plot().texts]


def bars(result: lab.ThiefResult) -> list[tuple[float, float]]:
    """Where the bars of the figure begin and end, in seconds since the crash."""
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in result.plot().patches]
    return [(round(begin, 6), round(end, 6)) for begin, end in spans]


def test_the_wait_is_the_title() -> None:
    """The story: the title says how long, the subtitle that it is simulated, the alternative text all of it."""
    story = STORY
    ax = story.plot()
    title = ax.get_title(loc="left")
    assert title == f"Its own client took the port: for {story.restart_seconds:.0f} s the server cannot start"
    assert any(story.label in text for text in texts(story))
    assert title in style.alt_of(ax) and "cannot start: bind: EADDRINUSE" in style.alt_of(ax)


def test_the_bars_stand_where_it_happened() -> None:
    """TIME-WAIT from the client's close to the server's start; the attempts from the first to the start."""
    story = STORY
    moments = {name: round(getattr(story, name), 6) for name in ("looped", "let_go", "first_attempt", "started")}
    assert {(moments["looped"], moments["let_go"]), (moments["let_go"], moments["started"])} <= set(bars(story))
    assert (moments["first_attempt"], moments["started"]) in bars(story)
    assert f"{story.attempts - 1:,} attempts to start, each: bind: EADDRINUSE" in texts(story)


def test_what_never_starts_ends_at_the_last_attempt() -> None:
    """Nothing is drawn beyond what was seen, and the title says that it was in vain."""
    stays = CASES.cell("stays")
    ends = [end for _, end in bars(stays)]
    assert max(ends) == pytest.approx(stays.last_attempt, abs=1e-5)
    assert "not even 70 s later" in stays.plot().get_title(loc="left")


def test_a_start_beside_the_thief_shows_both() -> None:
    """With SO_REUSEADDR on both sides the port's lane is shared, and no attempt is called refused."""
    both = CASES.cell("stays", True, True)
    assert both.plot().get_title(loc="left").startswith("The server starts at once")
    assert texts(both).count("ESTABLISHED") == 1 and not any("EADDRINUSE" in text for text in texts(both))


def test_the_label_tells_live_from_simulated() -> None:
    """A live result names its kernel and is called live; show.thief takes a title of one's own."""
    live = replace(STORY, label="")
    assert any(f"live, {live.kernel}" in text for text in texts(live))
    assert show.thief(live, title="Mine").get_title(loc="left") == "Mine"
