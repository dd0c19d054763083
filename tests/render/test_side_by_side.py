"""Exchanges beside each other, and the RFCs' figures beside an exchange: what is drawn, what is marked, in words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

import tcploop_lab as lab
from tcploop_lab.render.rfc_figure import match
from tcploop_lab.render.style import alt_of
from tcploop_lab.tcp.rfc_figures import FIGURE_6, FIGURE_7, FIGURE_12, FIGURE_13, RFC793_FIGURE_8

CASES = [
    (FIGURE_7, "self-connection"),
    (FIGURE_7, "simultaneous-open"),
    (FIGURE_6, "handshake"),
    (FIGURE_7, "refused"),
    (FIGURE_12, "handshake"),
    (FIGURE_12, "self-connection"),
    (FIGURE_13, "self-connection"),
    (FIGURE_13, "simultaneous-open"),
    (FIGURE_13, "refused"),
]


def four() -> dict[str, lab.Exchange]:
    """The four recorded exchanges."""
    names = ("refused", "handshake", "self-connection", "simultaneous-open")
    return {name: lab.recorded(name) for name in names}


def overlaps(ax: Axes) -> list[tuple[str, str]]:
    """The texts on the axes that lie on each other."""
    ax.figure.canvas.draw()
    texts = [one for one in ax.texts if one.get_text() and not isinstance(one, Annotation)]
    boxes = [(text.get_text(), Bbox(text.get_window_extent())) for text in texts]
    return [(a, b) for place, (a, first) in enumerate(boxes) for b, second in boxes[:place] if first.overlaps(second)]


def test_four_ladders_with_every_segment_and_state() -> None:
    """Each exchange has its ladder: an arrow for each segment, and all its states as badges."""
    figure = lab.side_by_side(four())
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles == [
        "Refused try: 2 segments",
        "Handshake: 9 segments",
        "Self-connection: 7 segments",
        "Simultaneous open: 14 segments",
    ]
    for ax, exchange in zip(figure.axes, four().values(), strict=True):
        written = {text.get_text() for text in ax.texts}
        assert sum(isinstance(text, Annotation) for text in ax.texts) == len(exchange.segments)
        assert {str(state) for end in exchange.replayed.ends for state in end.path[1:]} <= written
        assert exchange.label in written
        assert overlaps(ax) == []


def test_the_text_of_the_four_names_each_segment() -> None:
    """The alternative text says of each what was sent by whom, and the way through the states."""
    figure = lab.side_by_side(four())
    assert "Refused try (recorded on 20" in figure.alt
    assert "A SYN, B SYN, A SYN-ACK, B SYN-ACK, A ACK, B ACK" in figure.alt
    assert figure.alt.count("FIN-WAIT-1 to CLOSING to TIME-WAIT") == 3


def test_nothing_to_compare_is_one_line() -> None:
    """Without exchanges it says how to get some; an exchange of one's own keeps its own name."""
    with pytest.raises(ValueError, match=r"^exchanges: there are none to compare; make some"):
        lab.side_by_side({})
    assert lab.side_by_side({"mine": lab.recorded("refused")}).axes[0].get_title("left") == "Mine: 2 segments"


def test_in_a_self_connection_lines_coincide_and_vanish() -> None:
    """Lines 2 and 4 are the SYN, 5 and 7 the SYN-ACK, 3 and 6 nobody's; the third segment is not in the figure."""
    exchange = lab.recorded("self-connection")
    found = {one.lines: one.captured for one in match(FIGURE_7, exchange.segments)}
    assert found == {(2, 4): 0, (3,): None, (5, 7): 1, (6,): None}
    alt = alt_of(lab.rfc_figure(FIGURE_7, exchange))
    assert alt.count("Beside it: the same segment, the same moment") == 2
    assert alt.count("Beside it: the other end's: it is not there") == 2
    assert alt.endswith("Segment 3: ACK, seq x+1, ack x+1; not in the figure.")


def test_between_two_hosts_every_line_is_a_segment() -> None:
    """Four segments are the six lines of figure 7; the two last ACKs are not in it."""
    exchange = lab.recorded("simultaneous-open")
    found = {one.lines: one.captured for one in match(FIGURE_7, exchange.segments)}
    assert found == {(2, 4): 0, (3,): 1, (5, 7): 2, (6,): 3}
    alt = alt_of(lab.rfc_figure(FIGURE_7, exchange))
    assert alt.count("Beside it: the same segment arrives") == 2
    assert alt.count("not in the figure") == 2


def test_figure_6_is_the_handshake() -> None:
    """The four lines of figure 6 are the first four segments of the ordinary connection."""
    assert [one.captured for one in match(FIGURE_6, lab.recorded("handshake").segments)] == [0, 1, 2, 3]


def test_a_self_connection_closes_as_two_hosts_do_at_once() -> None:
    """Figure 13's lines are the FIN and the ACK of the one socket; between two hosts they are four segments."""
    alone, both = (lab.recorded(name) for name in ("self-connection", "simultaneous-open"))
    found = {one.lines: one.captured for one in match(FIGURE_13, alone.segments)}
    assert found == {(2, 2.3): 5, (2.2,): None, (3, 3.3): 6, (3.2,): None}
    assert [one.captured for one in match(FIGURE_13, both.segments)] == [10, 11, 12, 13]
    alt = alt_of(lab.rfc_figure(FIGURE_13, alone))
    assert alt.count("Beside it: the same segment, the same moment") == 2
    assert alt.count("Beside it: the other end's: it is not there") == 2


@pytest.mark.parametrize("server_first", [False, True])
def test_figure_12_is_the_close_of_whoever_closes_first(server_first: bool) -> None:
    """Its four lines are the last four segments of the ordinary connection, not an ACK of the handshake."""
    segments = lab.recorded("handshake").segments
    close = [replace(one, src=one.dst, sport=one.dport, dst=one.src, dport=one.sport) for one in segments[5:]]
    captured = [*segments[:5], *close] if server_first else segments
    assert [one.captured for one in match(FIGURE_12, captured)] == [5, 6, 7, 8]


def test_a_close_is_printed_with_what_the_users_call() -> None:
    """What users call and the wait of 2 MSL have rows of their own, and each number stands once, in order."""
    texts = sorted(lab.rfc_figure(FIGURE_13).texts, key=lambda text: text.get_position()[1])
    rows = [text.get_text().split() for text in texts if text.get_text()]
    assert [row for row in rows if "(Close)" in row] == [["2.", "(Close)", "(Close)"]]
    assert ["(2", "MSL)", "(2", "MSL)"] in rows
    assert [row[0] for row in rows if row[0][0].isdigit()] == ["1.", "2.", "3.", "4."]


def test_without_a_close_nothing_is_beside_it() -> None:
    """The acknowledgment of a refused try is no part of a close; one socket's missing lines are not the other end's."""
    assert {one.captured for one in match(FIGURE_12, lab.recorded("refused").segments)} == {None}
    assert "the other end's" not in alt_of(lab.rfc_figure(FIGURE_12, lab.recorded("self-connection")))


@pytest.mark.parametrize(("figure", "name"), CASES, ids=lambda case: getattr(case, "name", case))
def test_the_words_beside_the_lines_stand_free(figure, name: str) -> None:
    """The lines as printed, the marks and the captured segments do not overlap."""
    ax = lab.rfc_figure(figure, lab.recorded(name))
    assert overlaps(ax) == []
    assert sum(len(line.get_xdata()) == 4 for line in ax.lines) == len(figure.coincide)
    printed = " ".join(text.get_text() for text in ax.texts)
    assert all(line.text in printed for line in figure.lines)


def test_a_wrong_line_is_told() -> None:
    """RFC 793's figure 8 stands as printed, with what is wrong with its line 7."""
    ax = lab.rfc_figure(RFC793_FIGURE_8)
    assert "Line 7 must show the arrival of line 5's segment" in alt_of(ax)
    assert any("corrected by RFC 1122 section 4.2.2.10" in text.get_text() for text in ax.texts)


def test_the_table_has_the_states_of_both_sides() -> None:
    """Each row of an exchange's table has its segment in words, and where its sender and its receiver are then."""
    text = lab.recorded("self-connection")._repr_html_()
    assert "sender then" in text and "receiver then" in text
    flags = re.findall(r">((?:SYN|FIN|PSH|ACK)(?:-ACK)?)<", text)
    assert " ".join(flags) == "SYN SYN-ACK ACK PSH-ACK ACK FIN-ACK ACK"
    assert text.count("127.0.0.1:40000 → 127.0.0.1:40000") == 7
    assert [text.count(f">{state}<") for state in ("SYN-SENT", "CLOSING", "TIME-WAIT")] == [1, 2, 1]
