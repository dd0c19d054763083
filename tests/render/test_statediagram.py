"""The state diagram: it shows what the table says, readably, and the way that was taken."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.transforms import Bbox

from tcploop_lab.render.statediagram import PLACES, ROUTES, state_diagram
from tcploop_lab.render.style import BLUE, alt_of
from tcploop_lab.tcp.replay import replay
from tcploop_lab.tcp.states import TRANSITIONS, State

from ..tcp import exchanges

DRAWN = [row for row in TRANSITIONS if row.figure5]
SELF_CONNECTION = [State.CLOSED, State.SYN_SENT, State.SYN_RECEIVED, State.ESTABLISHED]


def texts(ax: Axes) -> list[str]:
    """Everything that is written on the axes."""
    return [text.get_text() for text in ax.texts if text.get_text()]


def lines(ax: Axes) -> list[FancyArrowPatch]:
    """The lines between states."""
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def test_all_states_and_lines() -> None:
    """The plain diagram has the eleven states and the twenty lines of figure 5, with the words of the table alone."""
    ax = state_diagram()
    assert set(State) <= set(texts(ax))
    assert len(lines(ax)) == len(DRAWN) == 20
    labels = [text.replace("\n", " / ") for text in texts(ax) if text not in set(State)]
    expected = [f"{row.event} / snd {row.reply}" if row.reply else str(row.event) for row in DRAWN]
    assert sorted(labels) == sorted(expected)
    assert alt_of(ax).startswith("The state diagram of RFC 9293, figure 5: 11 states, 20 transitions. ")
    assert all(row.name in alt_of(ax) for row in DRAWN)


def test_every_change_of_state_has_a_route() -> None:
    """Every transition of the table that changes the state can be drawn, from its state to the next."""
    changes = {(row.state, row.after) for row in TRANSITIONS if row.changes}
    assert changes == set(ROUTES)
    for (state, after), route in ROUTES.items():
        for place, point in ((PLACES[state], route.points[0]), (PLACES[after], route.points[-1])):
            assert abs(point[0] - place[0]) <= 0.82
            assert abs(point[1] - place[1]) <= 0.26


def points_of(line: FancyArrowPatch) -> np.ndarray:
    """Points of a line on the screen, close together."""
    path = line.get_transform().transform_path(line.get_path())
    return np.concatenate(path.interpolated(50).to_polygons(closed_only=False))


@pytest.mark.parametrize("path", [(), SELF_CONNECTION], ids=["plain", "self-connection"])
def test_labels_stand_free(path: tuple[State, ...]) -> None:
    """No label overlaps another, a line, or the box of a state."""
    ax = state_diagram(path)
    ax.figure.canvas.draw()
    labels = [(t.get_text(), Bbox(t.get_window_extent())) for t in ax.texts if len(t.get_text()) > 2]
    labels = [(name, box) for name, box in labels if name not in set(State)]
    boxes = [patch.get_window_extent() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    assert (len(labels) >= 20, len(boxes)) == (True, 11)
    points = np.concatenate([points_of(line) for line in lines(ax)])
    for place, (name, box) in enumerate(labels):
        assert [other for other, second in labels[:place] if box.overlaps(second)] == [], name
        assert not any(box.overlaps(state) for state in boxes), name
        assert not ((points > box.p0) & (points < box.p1)).all(axis=1).any(), name


def highlighted(ax: Axes) -> int:
    """How many lines are drawn as taken."""
    return sum(plt.matplotlib.colors.to_hex(line.get_edgecolor()).upper() == BLUE for line in lines(ax))


def test_a_way_is_highlighted_and_numbered() -> None:
    """The lines of a path stand out and carry their numbers; the other states fade."""
    ax = state_diagram(SELF_CONNECTION)
    assert highlighted(ax) == 3
    assert [text for text in texts(ax) if text.isdigit()] == ["1", "2", "3"]
    bold = {text.get_text() for text in ax.texts if text.get_fontweight() == "bold"} & set(State)
    assert bold == set(SELF_CONNECTION)


def test_states_mean_the_line_of_figure_5() -> None:
    """Where several events join two states, a path of states means the one that figure 5 draws."""
    assert "LISTEN, SEND -> SYN-SENT" in alt_of(state_diagram([State.LISTEN, State.SYN_SENT]))


def test_the_way_of_a_replay() -> None:
    """A replay shows the events that happened: the SYN-ACK of figure 7, with its remark."""
    ax = state_diagram(replay(exchanges.self_connection()))
    assert highlighted(ax) == 6
    assert "rcv SYN-ACK" in texts(ax)
    assert any("3: figure 7 accepts it" in text for text in texts(ax))


def test_the_way_of_one_end() -> None:
    """An end of a replay shows its own way: the listener's."""
    alt = alt_of(state_diagram(replay(exchanges.handshake()).ends[1]))
    assert "a way of 6 transitions highlighted. 1: CLOSED, passive OPEN -> LISTEN, section 3.10.1;" in alt
    assert alt.endswith("6: LAST-ACK, rcv ACK of FIN -> CLOSED, section 3.10.7.4.")


def test_a_line_that_figure_5_leaves_out() -> None:
    """An abort is no line of figure 5: it is drawn dashed, because the connection took it."""
    ax = state_diagram(replay(exchanges.self_reset()))
    dashed = [line for line in lines(ax) if line.get_linestyle() not in ("-", "solid")]
    assert (len(lines(ax)), len(dashed)) == (21, 1)
    assert "ABORT\nsnd RST" in texts(ax)


def test_a_way_that_does_not_exist() -> None:
    """States that no transition joins are refused, with the ways that there are."""
    ways = "from there it leads to LISTEN, SYN-SENT"
    with pytest.raises(ValueError, match=rf"^path: RFC 9293 has no way from CLOSED to TIME-WAIT; {ways}$"):
        state_diagram([State.CLOSED, State.TIME_WAIT])
