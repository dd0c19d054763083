"""The exercises of lesson 03, on the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..tcp.replay import replay
from ..tcp.segments import Segment
from ..tcp.states import State
from ..tcp.words import Numbers, counted
from ..testbed.capture import Exchange
from ..testbed.recorded import recorded
from .answers import a, for_each, listed, order_of, whole_number, word_of
from .engine import Exercise, Mistake, some_letters

if TYPE_CHECKING:
    import pandas as pd

LESSONS_PORT = 40002  # of the life that section 7 shows
NUMBERS = 2**32  # sequence numbers count modulo this (RFC 9293 section 3.4)
_NEVER = frozenset({State.LISTEN, State.FIN_WAIT_2, State.CLOSE_WAIT, State.LAST_ACK})


def whole_life(x: int, payload: bytes, port: int = 40000) -> tuple[Segment, ...]:
    """Return a constructed self-connection in order: it opens from number `x`, writes once, closes."""
    end, wrote = ("127.0.0.1", port), x + 1 + len(payload)
    lines = (
        ("S", x, 0, b""),
        ("SA", x, x + 1, b""),
        ("A", x + 1, x + 1, b""),
        ("PA", x + 1, x + 1, payload),
        ("A", wrote, wrote, b""),
        ("FA", wrote, wrote, b""),
        ("A", wrote + 1, wrote + 1, b""),
    )
    return tuple(
        Segment(float(i), *end, *end, flags, seq % NUMBERS, ack % NUMBERS, payload=data)
        for i, (flags, seq, ack, data) in enumerate(lines)
    )


IN_ORDER = "fbdgaec"  # the letters of the shuffled table, in the order in which the segments were sent
_BLANKS = {"P": 5001, "Q": 5000, "R": 5001, "T": 5005}  # a life that begins at 5000 and writes 4 bytes


def segment_table(segments: Mapping[str, Segment], numbers: Numbers | None = None) -> pd.DataFrame:
    """Return flags, numbers and payload of some segments, one in a row, with their names beside.

    `numbers` writes them as x, x+1 and so on; None as they are.
    """
    import pandas as pd

    numbers = numbers or Numbers((), relative=False)
    rows = {
        name: {
            "flags": one.flags,
            "seq": numbers.seq(one),
            "ack": numbers.ack(one) if "A" in one.flags else "",
            "payload": one.payload.decode(),
        }
        for name, one in segments.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def shuffled() -> pd.DataFrame:
    """Return the seven segments of exercise 03.2, recorded, in the order of their letters; the head says so."""
    trace = recorded("self-connection")
    named = dict(zip(IN_ORDER, trace.segments, strict=True))
    table = segment_table(dict(sorted(named.items())), Numbers(trace.segments))
    return table.rename_axis(columns=trace.label)


def blanked() -> pd.DataFrame:
    """Return the first five segments of exercise 03.3, constructed, with letters in place of four numbers."""
    segments = whole_life(5000, b"ping")[:5]
    table = segment_table({str(i): segment for i, segment in enumerate(segments, start=1)})
    for row, column, letter in (("2", "ack", "P"), ("2", "seq", "Q"), ("4", "seq", "R"), ("5", "ack", "T")):
        table.loc[row, column] = letter
    return table.rename_axis(columns="constructed")


the_blanks = for_each("PQRT", whole_number, 'all four, as in {"P": 1, "Q": 2, "R": 3, "T": 4}')
_a_state = word_of(State)


def state_names(answer: Any) -> frozenset[State]:
    """Read names of states: ["LISTEN", "CLOSED"], "fin_wait_2 and closed", in any case."""
    parts = listed(answer)
    if isinstance(answer, str):
        parts = re.split(r"(?i)[^\w\s-]|\n|\band\b", answer)
        parts = parts if len(parts) > 1 else answer.split()
    names = [name for part in parts if (name := part.strip())]
    if not names:
        raise ValueError('this asks for names, such as ["LISTEN"]')
    try:
        return frozenset(State(_a_state(name)) for name in names)
    except ValueError as error:
        unknown = str(error).partition(" is none")[0].strip("'\"")
        raise ValueError(f"{unknown} is no state of RFC 9293") from None


an_exchange = a(Exchange, "an exchange: the name after `as` in `with testbed.capture(...)`")


def _final_state(exchange: Exchange) -> State:
    return replay(exchange.segments).ends[0].state


def _is_whole(exchange: Exchange) -> bool:
    opens = exchange.segments[0].is_syn and replay(exchange.segments).one_socket
    return opens and _final_state(exchange) is State.TIME_WAIT and _sent(exchange) != b""


def _is_the_lessons(exchange: Exchange) -> bool:
    return bool(getattr(exchange, "provenance", None)) or exchange.segments[0].dport == LESSONS_PORT


def _sent(exchange: Exchange) -> bytes:
    return b"".join(segment.payload for segment in exchange.segments)


EXERCISES = (
    some_letters(
        number="03.1",
        among="abcde",
        because="In b and e the source and the destination are the same address and the same port.",
        hint="A self-connection has one end. Compare the address and the port of source and destination.",
        stronger="Equal ports are not enough, and two SYNs are not enough: the addresses must be equal too.",
        wrong={
            "a": "Look at a again: 127.0.0.1 and 127.0.0.2 are two addresses, and the answer is a RST.",
            "c": "Look at c again: two hosts may well use the same port number. It is an ordinary handshake.",
            "d": "Look at d again: that is a simultaneous open, but of two different sockets.",
        },
        missing={
            "b": "One is missing: the loopback can be IPv6 too.",
            "e": "One is missing: a connection need not be opening.",
        },
    ),
    Exercise(
        number="03.2",
        asks='the seven letters in order, such as `"abcdefg"`',
        reads=order_of("abcdefg"),
        right=lambda order: order == IN_ORDER,
        because="The sequence numbers never go back, and each ACK follows the segment that it acknowledges.",
        hint="Begin with the one segment that acknowledges nothing. Then sort by sequence number.",
        stronger="Of two with the same sequence number, the one without data and without FIN was sent first.",
        mistakes=(
            Mistake(
                lambda order: order[0] != "f",
                "Look at the first one again: the segment that opens a connection acknowledges nothing.",
            ),
            Mistake(
                lambda order: order.index("g") < order.index("d"),
                "After 2 bytes of data the sender never uses the sequence number x+1 again: d was before g.",
            ),
            Mistake(
                lambda order: order.index("e") < order.index("a"),
                "A FIN uses up a sequence number, as a byte does. After e, could a still say x+3?",
            ),
            Mistake(
                lambda order: order.index("c") < order.index("e"),
                "x+4 is one more than the FIN's number: c acknowledges the FIN, so the FIN was sent before.",
            ),
        ),
    ),
    Exercise(
        number="03.3",
        asks="the four numbers",
        reads=the_blanks,
        right=lambda blanks: blanks == _BLANKS,
        because="One socket has one sequence number to begin with. A SYN counts as 1, the four bytes as 4.",
        hint="An ACK names the next number that is expected. A SYN uses up one number, each byte one too.",
        stronger="The SYN-ACK repeats the SYN's number, 5000. Go on: 1 for the SYN, 4 for the data.",
        mistakes=(
            Mistake(
                lambda blanks: blanks["Q"] != 5000,
                "Look at Q again: the SYN-ACK comes from the very socket that sent the SYN.",
            ),
            Mistake(
                lambda blanks: blanks["P"] == 5000,
                "Look at P again: an ACK names the next number that is expected, not the last one received.",
            ),
            Mistake(
                lambda blanks: blanks["T"] in (5004, 5006),
                "Look at T again: the data begins at 5001 and has 4 bytes. Which number comes after them?",
            ),
            Mistake(
                lambda blanks: blanks["R"] == 5002,
                "Look at R again: the third segment is a bare ACK. It uses up no sequence number.",
            ),
        ),
    ),
    Exercise(
        number="03.4",
        asks="a list of four names, such as `['LISTEN', ...]`",
        reads=state_names,
        right=lambda states: states == _NEVER,
        because="Nobody listens. No FIN comes before it sent its own (so no CLOSE-WAIT, no LAST-ACK). "
        "And no ACK of the FIN comes before the FIN itself (so no FIN-WAIT-2).",
        hint="Mark the states that you saw on the diagram. Four of the eleven are left.",
        stronger="CLOSE-WAIT is for a socket that gets a FIN before it sent one. Can this socket?",
        mistakes=(
            Mistake(lambda states: len(states) != 4, "There are four."),
            Mistake(
                lambda states: State.SYN_RECEIVED in states,
                "SYN-RECEIVED is not only for servers: look at the path of your capture.",
            ),
            Mistake(
                lambda states: State.CLOSING in states or State.TIME_WAIT in states,
                "Look at the capture of the close again: it goes through CLOSING to TIME-WAIT.",
            ),
        ),
    ),
    Exercise(
        number="03.5",
        asks="your exchange",
        reads=an_exchange,
        right=lambda exchange: _is_whole(exchange) and not _is_the_lessons(exchange),
        because=lambda exchange: (
            f"{counted(len(exchange.segments), 'segment')} and {counted(len(_sent(exchange)), 'byte')}, "
            "from CLOSED to TIME-WAIT."
        ),
        hint="It must hold the opening, some data and the close, in one capture.",
        stronger="Inside one `with` block: `run = testbed.connect_loop(40200)`, `run.echo(b'me')`, "
        "`run.close(reset=False)`, `testbed.sockets(40200)`.",
        mistakes=(
            Mistake(
                lambda exchange: not exchange.segments,
                "It is empty: nothing happened on that port meanwhile. Was the loop on another port?",
            ),
            Mistake(_is_the_lessons, "That one is the lesson's. Capture a life of your own, on another port."),
            Mistake(
                lambda exchange: not exchange.segments[0].to_itself,
                "That is a connection between two sockets. Take a port on which nobody listens.",
            ),
            Mistake(
                lambda exchange: exchange.segments[0].is_reset,
                "It begins with the reset of an earlier run on this port. Close it, or take a new port.",
            ),
            Mistake(
                lambda exchange: not exchange.segments[0].is_syn,
                "The opening is missing. Begin the capture before the loop.",
            ),
            Mistake(
                lambda exchange: any(segment.is_reset for segment in exchange.segments),
                "It ends in a reset. `run.close(reset=False)` closes in order.",
            ),
            Mistake(
                lambda exchange: _final_state(exchange) is not State.TIME_WAIT,
                "The close is missing: `run.close(reset=False)` inside the `with` block, and after it "
                "`testbed.sockets(port)`, which waits until the close is through.",
            ),
            Mistake(lambda exchange: _sent(exchange) == b"", "The data is missing: `run.echo(b'me')`."),
        ),
    ),
)
