"""The ladder diagram: what it writes, where it draws, and its alternative text."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from tcploop_lab.render.ladder import ladder
from tcploop_lab.render.style import alt_of
from tcploop_lab.tcp.replay import replay
from tcploop_lab.testbed.recorded import recorded, recorded_names

from ..tcp import exchanges
from ..tcp.exchanges import X, Y


def texts(ax: Axes) -> list[str]:
    """Everything that is written on the axes."""
    return [text.get_text() for text in ax.texts if text.get_text()]


def arrows(ax: Axes) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """From where to where each arrow goes, in order."""
    return [(mark.xyann, mark.xy) for mark in ax.texts if isinstance(mark, Annotation)]


def test_what_a_ladder_says() -> None:
    """A self-connection has two lifelines of one socket, named above them.

    Each segment has its flags, its numbers counted from the SYN and as on the wire, its data, its options in words, and
    its time in microseconds since the first.
    """
    written = texts(ladder(exchanges.self_connection()))
    assert written[:2] == ["the socket, sending", "127.0.0.1:33334"]
    assert "the same socket, receiving" in written
    assert written.count("127.0.0.1:33334") == 2
    heads = ["SYN   seq x", "SYN-ACK   seq x, ack x+1", "ACK   seq x+1, ack x+1"]
    heads += ["PSH-ACK   seq x+1, ack x+1   2 bytes: 'hi'", "FIN-ACK   seq x+3, ack x+3", f"seq {X + 1}, ack {X + 1}"]
    heads += [f"First sequence number: x = {X} (127.0.0.1:33334)"]
    assert [head for head in heads if head not in written] == []
    options = ["takes segments up to 65495 bytes", "understands SACK", "timestamp 6010989"]
    options += ["window in units of 1024 bytes", "D-SACK: x, the SYN, arrived twice"]
    assert [words for words in options if words not in " ".join(written)] == []
    times = ["0 µs", "20 µs", "33 µs", "50,489 µs", "50,517 µs", "151,707 µs", "151,732 µs"]
    assert [text for text in written if text.endswith("µs")] == times


def test_every_segment_is_an_arrow_from_left_to_right() -> None:
    """In a self-connection the socket sends on the left and receives on the right, one below the other."""
    found = arrows(ladder(exchanges.self_connection()))
    assert len(found) == 7
    assert {(start[0], end[0]) for start, end in found} == {(found[0][0][0], found[0][1][0])}
    assert all(start[0] < end[0] and start[1] < end[1] for start, end in found)
    assert [start[1] for start, _ in found] == sorted(start[1] for start, _ in found)


def test_numbers_as_they_are() -> None:
    """Without `relative` the numbers are those on the wire, and no letter stands for them."""
    written = texts(ladder(exchanges.self_connection()[:3], relative=False))
    assert f"SYN-ACK   seq {X}, ack {X + 1}" in written
    assert f"D-SACK: {X}, the SYN, arrived twice" in written
    assert not [text for text in written if text.startswith("First sequence")]


def test_a_sack_ahead_of_a_gap_is_no_d_sack() -> None:
    """A block beyond the ACK tells of data that arrived ahead of a gap (RFC 2018)."""
    *opening, _, acknowledgment = exchanges.handshake()[:5]
    ahead = replace(acknowledgment, ack=X + 1, options=(("SAck", (X + 11, X + 21)),))
    assert "SACK: x+11 to x+20 arrived, ahead of a gap" in texts(ladder([*opening, ahead]))


def test_states_where_they_change() -> None:
    """A badge names each new state, on the side where it comes about."""
    ax = ladder(exchanges.self_connection())
    middle = sum(ax.get_xlim()) / 2
    badges = [(text.get_text(), text.get_position()[0] < middle) for text in ax.texts]
    left = [name for name, on_left in badges if on_left and name.isupper()]
    right = [name for name, on_left in badges if not on_left and name.isupper()]
    assert left == ["CLOSED", "SYN-SENT", "FIN-WAIT-1"]
    assert right == ["CLOSED", "SYN-RECEIVED", "ESTABLISHED", "CLOSING", "TIME-WAIT"]


def test_two_ends() -> None:
    """A handshake has two named ends, one connects and one listens, and its arrows go both ways."""
    ax = ladder(exchanges.handshake())
    written = texts(ax)
    assert written[:4] == ["127.0.0.1:40430", "connects", "127.0.0.1:33334", "listens"]
    assert {"LISTEN", "CLOSE-WAIT", "LAST-ACK", "FIN-WAIT-2"} <= set(written)
    to_the_right = [start[0] < end[0] for start, end in arrows(ax)]
    assert to_the_right == [True, False, True, True, False, False, True, True, False, False, True]
    assert f"First sequence numbers: x = {X} (127.0.0.1:40430), y = {Y} (127.0.0.1:33334)" in written


def test_refused() -> None:
    """A refused try has no socket at the other end, and the RST's sequence number is a plain 0."""
    written = texts(ladder(exchanges.refused()))
    assert "nobody listens" in written
    assert "RST-ACK   seq 0, ack x+1" in written


@pytest.mark.parametrize("timed", [True, False], ids=["with times of arrival", "without"])
def test_crossing_syns_cross(timed: bool) -> None:
    """Segments that are under way at the same time are drawn crossing."""
    segments, received = exchanges.crossing()
    ax = ladder(segments, received=received if timed else None)
    (left, right), (right_too, left_too) = arrows(ax)[:2]
    assert left[0] == left_too[0] < right[0] == right_too[0]
    assert left[1] < left_too[1]
    assert right_too[1] < right[1]
    fall, rise = right[1] - left[1], left_too[1] - right_too[1]
    assert 0.35 < (left_too[1] - left[1]) / (fall + rise) < 0.65  # they meet near the middle
    assert ("50,000 µs" in texts(ax)) is timed


def points_of(mark: Annotation) -> np.ndarray:
    """Points of an arrow on the screen, close together."""
    path = mark.arrow_patch.get_path()
    return mark.arrow_patch.get_transform().transform_path(path).interpolated(200).vertices


def drawn(name: str) -> Axes:
    """A recorded ladder, one in which both ends send data at once, or one of long data and long numbers."""
    segments, received = exchanges.crossing()
    if name == "crossing":
        return ladder(segments, received=received)
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:33334\r\n\r\n"
    long = [replace(one, payload=one.payload and request) for one in exchanges.self_connection()[:4]]
    return ladder(long, relative=False) if name == "long data" else recorded(name).ladder()


@pytest.mark.parametrize("name", [*recorded_names(), "crossing", "long data"])
def test_texts_stand_free(name: str) -> None:
    """No two texts of a ladder overlap, none leaves it or covers a lifeline, and no arrow runs through one."""
    ax = drawn(name)
    ax.figure.canvas.draw()
    lifelines = [line.get_window_extent() for line in ax.lines if len(set(line.get_xdata())) == 1]
    marks = np.concatenate([points_of(one) for one in ax.texts if isinstance(one, Annotation) and one.arrow_patch])
    boxes = [(text.get_text(), Bbox(text.get_window_extent())) for text in ax.texts if text.get_text()]
    assert len(boxes) > 12
    page = ax.figure.bbox
    for place, (words, box) in enumerate(boxes):
        assert page.contains(*box.p0) and page.contains(*box.p1), words
        assert [other for other, second in boxes[:place] if box.overlaps(second)] == [], words
        assert not ((marks > box.p0) & (marks < box.p1)).all(axis=1).any(), words
        assert not any(box.overlaps(line) for line in lifelines), words


def test_impossible_segments_stand_out() -> None:
    """An impossible segment is dashed and carries its reason; the others stay as they are."""
    first, second, third = exchanges.self_connection()[:3]
    ax = ladder([first, third, second])
    reason = " ".join(texts(ax))
    assert "impossible: 127.0.0.1:33334 cannot send this in SYN-RECEIVED" in reason
    styles = [mark.arrow_patch.get_linestyle() for mark in ax.texts if isinstance(mark, Annotation)]
    assert [style in ("-", "solid") for style in styles] == [True, False, True]


def test_lost_segments_do_not_arrive() -> None:
    """The arrow of a lost segment ends on the way."""
    first, *rest = exchanges.handshake()[:3]
    segments = [first, first, *rest]
    ax = ladder(segments, replay(segments, lost={0}))
    ends = [end[0] for _, end in arrows(ax)]
    assert ends[0] < ends[1]
    assert "lost on the way" in texts(ax)


def test_segments_under_way_are_not_lost() -> None:
    """The arrow of a segment that is still on the way ends on the way, without a cross, and the text says so."""
    (first, second), marks = exchanges.crossing()[0][:2], {}
    for under_way in ((), (1,)):
        ax = ladder(
            [first, second], replay([first, second], received={0: first.time + 1}, lost={1}), under_way=under_way
        )
        marks[under_way] = sum(line.get_marker() == "x" for line in ax.lines)
    assert marks == {(): 1, (1,): 0}
    assert "still on the way" in texts(ax) and "lost on the way" not in texts(ax)
    assert "sending it, B goes from CLOSED to SYN-SENT and it is still on the way" in alt_of(ax)


def test_a_label_stands_in_title_and_text() -> None:
    """What the segments come from is said below the title and in the alternative text."""
    ax = ladder(exchanges.refused(), label="recorded on a Sunday")
    assert ax.get_title("left") == "Refused try: 2 segments" and "recorded on a Sunday" in texts(ax)
    assert alt_of(ax).startswith("Ladder diagram, recorded on a Sunday. Refused try in 2 segments ")


def test_alternative_text() -> None:
    """The alternative text has a sentence for the whole and one for each segment."""
    alt = alt_of(ladder(exchanges.self_connection()))
    start = "Ladder diagram. A self-connection in 7 segments: both lifelines are the same socket, "
    third = "Segment 3, at 33 µs: ACK from the socket to itself; seq x+1, ack x+1; D-SACK: x, the SYN, "
    assert alt.startswith(start)
    assert alt.count("Segment ") == 7
    assert third in alt
    assert alt.endswith("receiving it, the socket goes from CLOSING to TIME-WAIT.")


def test_alternative_text_of_two_ends() -> None:
    """Between two ends the text names who sends to whom and whose state changes."""
    alt = alt_of(ladder(exchanges.refused()))
    assert "Segment 1, at 0 µs: SYN from 127.0.0.1:40430 to 127.0.0.1:33334; seq x; sending it, " in alt
    assert alt.endswith("receiving it, 127.0.0.1:40430 goes from SYN-SENT to CLOSED.")


def test_titles() -> None:
    """The title says what was captured, unless one is given."""
    assert ladder(exchanges.self_connection()).get_title("left") == "Self-connection: 7 segments, one socket"
    assert ladder(exchanges.refused()).get_title("left") == "Refused try: 2 segments"
    assert ladder(exchanges.refused(), title="Mine").get_title("left") == "Mine"


def test_drawn_on_given_axes() -> None:
    """A ladder can be drawn on axes of one's own."""
    _, mine = plt.subplots()
    assert ladder(exchanges.refused(), ax=mine) is mine
    assert len(arrows(mine)) == 2


def test_what_cannot_be_drawn() -> None:
    """No segments, or segments of several connections, are refused in one line with the way out."""
    with pytest.raises(ValueError, match=r"^segments: there are none to draw; capture a connection first$"):
        ladder([])
    with pytest.raises(ValueError, match=r"one connection, these use the ports 33334, 40430; choose two$"):
        ladder(exchanges.refused() + exchanges.self_connection())
