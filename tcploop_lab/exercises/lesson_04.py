"""The exercises of lesson 04, two hosts."""

from __future__ import annotations

from typing import Any

from ..tcp.outcomes import Ending
from ..testbed.crossing import Crossing
from .answers import for_each, whole_number, word_of
from .engine import Exercise, Mistake, one_value
from .lesson_05 import four_eras as four_eras  # assignments released before the lessons were renumbered

KINDS = {"P": "self-connection", "Q": "refused try", "R": "simultaneous open", "S": "handshake"}


def a_crossing(answer: Any) -> Crossing:
    """Read two hosts: what `testbed.crossing()` returned, or those that `crossing_by_hand` shows."""
    model = getattr(answer, "model", answer)
    crossing = getattr(model, "crossing", model)
    if not isinstance(crossing, Crossing):
        raise ValueError("this asks for two hosts: what `testbed.crossing()` returned")
    return crossing


_OTHER_WORDS = {"refused": "refused try", "three-way handshake": "handshake", "ordinary handshake": "handshake"}
the_kinds = for_each(
    "PQRS", word_of(KINDS.values(), _OTHER_WORDS), 'a word for each of P, Q, R and S, as in {"P": "handshake", ...}'
)


EXERCISES = (
    Exercise(
        number="04.1",
        asks="your two hosts",
        reads=a_crossing,
        right=lambda hosts: hosts.ending is Ending.LATE_RST,
        because="A host in SYN-RECEIVED takes a RST only with a sequence number that it expects. This one has 0.",
        hint="First you need a RST: deliver A's SYN before B has called. Then keep the RST back.",
        stronger="While the RST waits, let B call, and deliver B's SYN first: `hosts.deliver(1)`.",
        mistakes=(
            Mistake(
                lambda hosts: not any(one.is_reset for one in hosts.so_far.segments),
                "There was no RST. Let only A call: `hosts.connect('A')`, and deliver its SYN.",
            ),
            Mistake(lambda hosts: hosts.held, "Something is still on the cable: look at `hosts.held`."),
            Mistake(
                lambda hosts: hosts.ending is Ending.REFUSED,
                "The RST came in time: A was still in SYN-SENT. Something must reach A before it.",
            ),
            Mistake(lambda hosts: hosts.lost, "A segment was lost. The RST is to be late, not lost."),
        ),
    ),
    Exercise(
        number="04.2",
        asks="a word for each of the four captures",
        reads=the_kinds,
        right=lambda kinds: kinds == KINDS,
        because="Who connects is told by the first numbers: one in P, two in R and S, and one SYN or two.",
        hint="Look at the numbers of the SYN and of the SYN-ACK: one socket has one first number.",
        stronger="Count the SYNs without ACK: two of them, with two numbers, are two hosts that both called.",
        mistakes=(
            Mistake(
                lambda kinds: (kinds["P"], kinds["S"]) == (KINDS["S"], KINDS["P"]),
                "P and S have the same flags. In which of them have SYN and SYN-ACK the same number?",
            ),
            Mistake(
                lambda kinds: kinds["R"] == "self-connection",
                "Look at R again: its two SYNs have two numbers, so two sockets sent them.",
            ),
            Mistake(
                lambda kinds: kinds["Q"] != "refused try",
                "Look at Q again: a RST-ACK with the number 0 is what a port answers on which there is no socket.",
            ),
        ),
    ),
    one_value(
        number="04.3",
        asks="a whole number",
        reads=whole_number,
        right=12,
        because="Six to open, two for the data, four to close.",
        hint="Three parts: the opening, the data with its ACK, the close.",
        stronger="Opening and close are those of a self-connection, each segment once from either host.",
        wrong={
            14: "B writes nothing: only A's data is there to be acknowledged.",
            (7, 6): "That is one socket. Here are two hosts, and each sends its own.",
            9: "That is the ordinary connection, in which the ends take turns. Here the SYNs cross, and the FINs.",
            11: "The data needs an ACK, and so does each of the two FINs.",
            (10, 8): "Each of the two FINs is acknowledged by a segment of its own, and so is the data.",
        },
    ),
)
