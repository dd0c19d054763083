"""The RFCs' own pictures of opening and closing a connection, as data that can be replayed.

RFC 9293 section 3.5: figure 6 (three-way handshake) and figure 7 (simultaneous open). RFC 793 section 3.4
drew the latter as its figure 8, with a wrong segment in line 7; RFC 1122 section 4.2.2.10 corrected it.
RFC 9293 section 3.6: figure 12 (normal close) and figure 13 (simultaneous close).
Sequence numbers are the RFCs': 100 for A, 300 for B. States are those after the line.
"""

from __future__ import annotations

from dataclasses import dataclass

from .segments import Segment
from .states import State

_ADDRESS = {"A": ("192.0.2.1", 1000), "B": ("192.0.2.2", 2000)}  # TEST-NET-1 (RFC 5737)


@dataclass(frozen=True)
class Line:
    """One line: a segment `sender` sends, which in this line departs, arrives, or both.

    `number` is the figure's; where it prints several segments under one number, they are 2, 2.2 and 2.3.
    `a_state` and `b_state` are None where the figure prints "..." (the segment is still in the network).
    `wrong` says what is wrong with the line, if the figure was corrected later. `printed` is what stands at both
    sides where that is not the two states; `calls` is what A's and B's user call, printed above the line.
    """

    number: float
    sender: str
    flags: str
    seq: int
    ack: int | None
    a_state: State | None
    b_state: State | None
    data: bool = False
    wrong: str = ""
    printed: tuple[str, str] | None = None
    calls: tuple[str, str] = ("", "")

    @property
    def departs(self) -> bool:
        """True if the segment leaves its sender in this line."""
        return (self.a_state if self.sender == "A" else self.b_state) is not None

    @property
    def arrives(self) -> bool:
        """True if the segment reaches the other end in this line."""
        return (self.b_state if self.sender == "A" else self.a_state) is not None

    @property
    def text(self) -> str:
        """The segment in the RFCs' notation, such as "<SEQ=100><ACK=301><CTL=SYN,ACK>"."""
        ack = "" if self.ack is None else f"<ACK={self.ack}>"
        names = {"S": "SYN", "A": "ACK", "F": "FIN", "R": "RST"}
        control = ",".join(names[letter] for letter in self.flags)
        return f"<SEQ={self.seq}>{ack}<CTL={control}>{'<DATA>' if self.data else ''}"


@dataclass(frozen=True)
class RfcFigure:
    """A figure: the states in its line 1, its other lines, and what becomes of them in a self-connection.

    `coincide` pairs lines that show one segment twice, at departure and at arrival: where both ends are the
    same socket, a pair is one moment. `vanish` lists the lines of the other end, which is not there then.
    `last` is what both sides do under the last number, which has no segment.
    """

    name: str
    title: str
    source: str
    a_state: State
    b_state: State
    lines: tuple[Line, ...]
    coincide: tuple[tuple[float, float], ...] = ()
    vanish: tuple[float, ...] = ()
    last: tuple[tuple[str, str], ...] = ()

    @property
    def closes(self) -> bool:
        """True if the figure begins with a connection, and ends it."""
        return self.a_state is State.ESTABLISHED

    def line(self, number: float) -> Line:
        """Return the line of that number; ValueError if the figure has none."""
        for line in self.lines:
            if line.number == number:
                return line
        numbers = f"{self.lines[0].number} to {self.lines[-1].number}"
        raise ValueError(f"line {number}: {self.name} has segments in lines {numbers}")

    def exchange(self) -> tuple[tuple[Segment, ...], dict[int, float]]:
        """Return the segments, and when each arrives, in the form that `replay` takes.

        One line lasts a second: a segment departs on the second of its line and arrives half a second later.
        A segment whose arrival the figure does not show is left out of the times. What opens the connection
        that a figure closes is not in it.
        """
        departures = [line for line in self.lines if line.departs]
        arrivals = {line.text: line.number + 0.5 for line in self.lines if line.arrives}
        received = {i: arrivals[line.text] for i, line in enumerate(departures) if line.text in arrivals}
        return tuple(_segment(line) for line in departures), received


def _segment(line: Line) -> Segment:
    ends = _ADDRESS[line.sender] + _ADDRESS["B" if line.sender == "A" else "A"]
    data = b"data" if line.data else b""
    return Segment(float(line.number), *ends, line.flags, line.seq, line.ack or 0, payload=data, sender=line.sender)


_CLOSED, _LISTEN, _ESTABLISHED = State.CLOSED, State.LISTEN, State.ESTABLISHED
_SENT, _RECEIVED = State.SYN_SENT, State.SYN_RECEIVED

FIGURE_6 = RfcFigure(
    "RFC 9293 figure 6",
    "Basic three-way handshake",
    "RFC 9293 section 3.5",
    _CLOSED,
    _LISTEN,
    (
        Line(2, "A", "S", 100, None, _SENT, _RECEIVED),
        Line(3, "B", "SA", 300, 101, _ESTABLISHED, _RECEIVED),
        Line(4, "A", "A", 101, 301, _ESTABLISHED, _ESTABLISHED),
        Line(5, "A", "A", 101, 301, _ESTABLISHED, _ESTABLISHED, data=True),
    ),
)

_CROSSING = (
    Line(2, "A", "S", 100, None, _SENT, None),
    Line(3, "B", "S", 300, None, _RECEIVED, _SENT),
    Line(4, "A", "S", 100, None, None, _RECEIVED),
    Line(5, "A", "SA", 100, 301, _RECEIVED, None),
    Line(6, "B", "SA", 300, 101, _ESTABLISHED, _RECEIVED),
)

FIGURE_7 = RfcFigure(
    "RFC 9293 figure 7",
    "Simultaneous open",
    "RFC 9293 section 3.5",
    _CLOSED,
    _CLOSED,
    (*_CROSSING, Line(7, "A", "SA", 100, 301, None, _ESTABLISHED)),
    coincide=((2, 4), (5, 7)),
    vanish=(3, 6),
)

_ERROR = (
    "line 7 must show the arrival of line 5's segment, <SEQ=100><ACK=301><CTL=SYN,ACK> "
    "(corrected by RFC 1122 section 4.2.2.10)"
)

RFC793_FIGURE_8 = RfcFigure(
    "RFC 793 figure 8",
    "Simultaneous open, as printed in 1981",
    "RFC 793 section 3.4",
    _CLOSED,
    _CLOSED,
    (*_CROSSING, Line(7, "A", "A", 101, 301, None, _ESTABLISHED, wrong=_ERROR)),
    coincide=((2, 4),),
    vanish=(3, 6),
)

_WAIT_1, _WAIT_2, _CLOSING, _TIME_WAIT = State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING, State.TIME_WAIT
_CLOSE, _AFTER_2_MSL = "(Close)", "(2 MSL)"

FIGURE_12 = RfcFigure(
    "RFC 9293 figure 12",
    "Normal close sequence",
    "RFC 9293 section 3.6",
    _ESTABLISHED,
    _ESTABLISHED,
    (
        Line(2, "A", "FA", 100, 300, _WAIT_1, State.CLOSE_WAIT, calls=(_CLOSE, "")),
        Line(3, "B", "A", 300, 101, _WAIT_2, State.CLOSE_WAIT),
        Line(4, "B", "FA", 300, 101, _TIME_WAIT, State.LAST_ACK, calls=("", _CLOSE)),
        Line(5, "A", "A", 101, 301, _TIME_WAIT, _CLOSED),
    ),
    last=((_AFTER_2_MSL, ""), (_CLOSED, "")),
)

FIGURE_13 = RfcFigure(
    "RFC 9293 figure 13",
    "Simultaneous close sequence",
    "RFC 9293 section 3.6",
    _ESTABLISHED,
    _ESTABLISHED,
    (
        Line(2, "A", "FA", 100, 300, _WAIT_1, None, printed=(_WAIT_1, _WAIT_1), calls=(_CLOSE, _CLOSE)),
        Line(2.2, "B", "FA", 300, 100, _CLOSING, _WAIT_1, printed=("", "")),
        Line(2.3, "A", "FA", 100, 300, None, _CLOSING, printed=("", "")),
        Line(3, "A", "A", 101, 301, _CLOSING, None, printed=(_CLOSING, _CLOSING)),
        Line(3.2, "B", "A", 301, 101, _TIME_WAIT, _CLOSING, printed=("", "")),
        Line(3.3, "A", "A", 101, 301, None, _TIME_WAIT, printed=("", "")),
    ),
    coincide=((2, 2.3), (3, 3.3)),
    vanish=(2.2, 3.2),
    last=((_TIME_WAIT, _TIME_WAIT), (_AFTER_2_MSL, _AFTER_2_MSL), (_CLOSED, _CLOSED)),
)

FIGURES = (FIGURE_6, FIGURE_7, RFC793_FIGURE_8, FIGURE_12, FIGURE_13)
