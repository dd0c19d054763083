"""Every exercise that is answered in words or numbers: what is right, typical mistakes, the folded solutions."""

from __future__ import annotations

import socket
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tcploop_lab as lab
from tcploop_lab.audits.verdicts import AuditVerdict
from tcploop_lab.defence import clients as defences
from tcploop_lab.exercises.engine import Checker, State
from tcploop_lab.exercises.lesson_04 import KINDS
from tcploop_lab.tcp.segments import Segment
from tcploop_lab.tries.theory import distribution

from .folded import NOTEBOOKS, answer_of, solutions

SOLUTIONS = {
    number: code for path in NOTEBOOKS.glob("[0-9]*.ipynb") for number, code in solutions(path.name[:2]).items()
}
DATA = Segment(0.0, "127.0.0.1", 33334, "127.0.0.1", 33334, "PA", 1, 1, payload=b"hello")


def audited(verdict: str, exit_status: int = 0, segments: tuple[Segment, ...] = ()) -> lab.AuditResult:
    """The result of an audit, made by hand."""
    return lab.AuditResult(
        ("python3",), AuditVerdict(verdict), (), 33334, "127.0.0.1", 1, exit_status, 0.1, "exited", "Linux 6.18",
        "first\nlast\n", segments,
    )  # fmt: skip


def words(line: str) -> list[str]:
    """The fields of a line of ss."""
    return line.split()


SHARES = (87, 87.0, 0.87, "87", "87%", "87 %", "87.0", "87 percent", "0.87", ".87", "0,87")
RIGHT: list[tuple[str, Any, str]] = [  # number, answer, and what must be said of it
    ("00.1", " C) ", ""),
    ("00.1", ["c"], ""),
    ("00.1", "'c'", ""),
    ("00.3", "False", ""),
    ("00.3", "No.", ""),
    ("00.3", np.False_, ""),
    ("01.1", ["e", "f", "C"], ""),
    ("01.1", {"c", "e", "f"}, ""),
    ("01.1", "c), e) & f)", ""),
    ("01.1", ["c)", "e)", "f)"], ""),
    ("01.1", np.array(["c", "e", "f"]), ""),
    ("01.2", "31,988", ""),
    ("01.2", 31988.0, ""),
    ("01.2", "31988 ports", ""),
    ("02.1", "c a d b", ""),
    ("02.1", list("cadb"), ""),
    ("02.1", "1c, 2a, 3d, 4b", ""),
    ("02.1", {1: "c", 4: "b", 2: "a", 3: "d"}, ""),
    ("02.3", "abc", ""),
    ("02.3", bytearray(b"abc"), ""),
    ("02.3", "b'abc'", ""),
    ("03.1", "be", ""),
    ("03.1", ["B", "e"], ""),
    ("03.2", "fbdgaec", ""),
    ("03.2", list("FBDGAEC"), ""),
    ("03.3", {"P": 5001, "Q": 5000, "R": "5001", "T": np.int64(5005)}, ""),
    ("03.4", ["LISTEN", "fin_wait_2", "close-wait", "LAST-ACK"], ""),
    ("03.4", "listen, fin-wait-2, close-wait, last-ack", ""),
    ("03.4", "LISTEN FIN_WAIT2 CLOSE_WAIT LAST_ACK", ""),
    ("03.4", "LISTEN/FIN-WAIT-2/CLOSE-WAIT/LAST-ACK", ""),
    ("03.4", "Listen, FIN WAIT 2, close-wait and last-ack", ""),
    ("04.2", KINDS, ""),
    ("04.2", {letter: word.upper().replace(" ", "-") for letter, word in KINDS.items()}, ""),
    ("04.2", {**KINDS, "Q": "refused", "S": "three-way handshake"}, ""),
    ("04.3", 12, ""),
    ("05.1", 63, ""),
    ("05.1", "63", ""),
    ("05.1", "63 %", ""),
    ("05.1", 0.634, ""),
    ("05.1", "0.63", ""),
    ("05.2", 57568, ""),
    ("05.3", {"P": "random-walk", "Q": "hashed-sequence", "R": "geometric", "S": "even-sequence"}, ""),
    ("05.3", {"p": "random walk", "q": "Hashed_sequence", "r": "lottery", "s": "even sequence"}, ""),
    ("05.4", "a", ""),
    ("05.5", "bac", ""),
    ("05.5", "b > a > c", ""),
    ("05.5", "b, a and c", ""),
    ("06.1", audited("self-connected", segments=(DATA,)), "5 bytes to itself. Its last words: last"),
    ("06.2", audited("detected", 1), "the comparison shows"),
    ("06.3", "b)", "cannot tell them apart"),
    ("06.4", ["b", "c"], "above 60999, and odd"),
    ("06.5", "B", "one name on both sides"),
    ("07.1", 7999, ""),
    ("07.1", "1024", ""),
    ("07.1", 30005, ""),
    ("07.1", 47808, ""),
    ("07.2", defences.dial_and_compare, ""),
    ("07.3", "cdf", ""),
    ("07.3", {"F", "d", "c"}, ""),
    ("07.4", 93, ""),
    ("07.5", "a, d, e", ""),
    *(("08.5", share, "") for share in SHARES),
]
MISTAKEN: list[tuple[str, Any, str]] = [  # number, answer, and the hint that was made for it
    ("00.1", "a", "a listener keeps its own port"),
    ("00.1", "b", "a second socket would have a name"),
    ("00.1", "d", "one letter from a to c"),
    ("00.4", "a", "whoever answers"),
    ("00.4", "c", "and the ports"),
    ("00.4", "d", "an echo server"),
    ("00.2", 40002, "the run itself"),
    ("00.3", True, "testbed.hold"),
    ("00.3", 0, "true or false"),
    ("01.1", "acef", "8080"),
    ("01.1", "ac", "8080"),
    ("01.1", "bcef", "50001 is odd"),
    ("01.1", "cdef", "which source address"),
    ("01.1", "cf", "binds its source address"),
    ("01.1", "ce", "::1 is loopback"),
    ("01.1", "ef", "the plain case"),
    ("01.1", "xyz", "letters from a to f"),
    ("01.2", 63976, "the whole range"),
    ("01.2", 31987, "both ends"),
    ("01.2", 14116, "default range"),
    ("01.2", 12, "count the ports"),
    ("01.2", float("nan"), "a whole number"),
    ("01.4", "parity", "testbed.check"),
    ("01.6", lambda port, low, high: low <= port <= high and port % 2 == 0, "begin with an odd port"),
    ("01.6", lambda port, low, high: low <= port <= high, "every second port goes last"),
    ("01.6", lambda port, low, high: (port - low) % 2 == 0 and port <= high, "8080 is outside"),
    ("01.6", lambda port, low, high: (port - low) % 2 == 0 and port >= low, "above the range"),
    ("01.6", lambda port, low, high: low < port <= high and (port - low) % 2 == 0, "the lower end belongs"),
    ("01.6", True, "the function itself"),
    ("01.5", "a", "a reserved port is never picked"),
    ("01.5", "c", "a held port is skipped"),
    ("02.1", "cbda", "ndebug"),
    ("02.1", "cabd", "nothing to do with the port"),
    ("02.1", "badc", "a pointer has 8 bytes"),
    ("02.1", "bad", "each once"),
    ("02.2", "a", "even sequence"),
    ("02.2", "c", "hashed sequence"),
    ("02.3", b"ab", "kept the two writes apart"),
    ("02.3", b"abcd", "at most three"),
    ("02.3", b"cd", "in the order"),
    ("02.3", b"x", "all four bytes wait"),
    ("02.3", 3, "bytes"),
    ("02.1", set("cadb"), "each once"),
    ("02.4", 40001, "a socket"),
    ("02.4", socket.socketpair()[0], "a TCP socket"),
    ("02.5", "a", "what the article says"),
    ("02.5", "b", "slower"),
    ("03.1", "abe", "Look at a"),
    ("03.1", "bce", "Look at c"),
    ("03.1", "bde", "Look at d"),
    ("03.1", "e", "can be IPv6"),
    ("03.1", "b", "need not be opening"),
    ("03.2", "abcdefg", "acknowledges nothing"),
    ("03.2", "fbgdaec", "d was before g"),
    ("03.2", "fbdgeac", "could a still say x+3"),
    ("03.2", "fbdgace", "c acknowledges the FIN"),
    ("03.3", {"P": 5001, "Q": 9000, "R": 5001, "T": 5005}, "Look at Q"),
    ("03.3", {"P": 5000, "Q": 5000, "R": 5001, "T": 5005}, "Look at P"),
    ("03.3", {"P": 5001, "Q": 5000, "R": 5001, "T": 5004}, "Look at T"),
    ("03.3", {"P": 5001, "Q": 5000, "R": 5002, "T": 5005}, "Look at R"),
    ("03.3", 5, "all four"),
    ("03.4", ["LISTEN"], "There are four"),
    ("03.4", ["LISTEN", "SYN-RECEIVED", "CLOSE-WAIT", "LAST-ACK"], "not only for servers"),
    ("03.4", ["LISTEN", "CLOSING", "CLOSE-WAIT", "LAST-ACK"], "through CLOSING"),
    ("03.4", ["LISTEN", "CLOSED", "CLOSE-WAIT", "LAST-ACK"], "Mark the states"),
    ("03.4", ["OPEN"], "OPEN is no state"),
    ("03.5", 3, "asks for an exchange"),
    ("04.1", "RST", "asks for two hosts"),
    ("04.2", {**KINDS, "P": "handshake", "S": "self-connection"}, "P and S have the same flags"),
    ("04.2", {**KINDS, "R": "self-connection"}, "Look at R"),
    ("04.2", {**KINDS, "Q": "handshake"}, "Look at Q"),
    ("04.2", {**KINDS, "P": "loop"}, "is none of"),
    ("04.2", "P", "a word for each"),
    ("04.3", 14, "B writes nothing"),
    ("04.3", 7, "one socket"),
    ("04.3", 9, "take turns"),
    ("04.3", 10, "a segment of its own"),
    ("05.1", 50, "the median"),
    ("05.1", 37, "who still dial"),
    ("05.1", 59, "the lottery's share"),
    ("05.1", 89, "the even sequence's share"),
    ("05.1", 634, "0 to 100 percent"),
    ("05.1", 70, "which share of all loops"),
    ("05.1", 63.4, "a whole number"),
    ("05.2", 65005, "the lottery"),
    ("05.2", 13975, "Linux 4.2"),
    ("05.2", 127, "0.99 or for 0.01"),
    ("05.3", dict.fromkeys("PQRS", "geometric"), "one era twice"),
    ("05.3", {"P": "walk", "Q": "geometric", "R": "a", "S": "b"}, "is none of"),
    ("05.3", {"P": "random-walk", "Q": "hashed-sequence", "R": "even-sequence", "S": "geometric"}, "Look at S"),
    ("05.3", {"P": "geometric", "Q": "hashed-sequence", "R": "random-walk", "S": "even-sequence"}, "Compare P and R"),
    ("05.4", "b", "above the limit"),
    ("05.4", "c", "the limit decides"),
    ("05.5", "cab", "Turn it round"),
    ("05.5", "abc", "Can another do better"),
    ("05.5", "bca", "at M/2"),
    ("05.6", 444, "two things"),
    ("06.1", audited("never-tried", 1), "failed before it dialled"),
    ("06.1", audited("never-tried"), "without an f-string"),
    ("06.1", audited("refused", 1), "Let the kernel choose"),
    ("06.1", audited("detected", 1), "the answer to 06.2"),
    ("06.1", replace(audited("self-connected", segments=(DATA,)), command=("curl",)), "somebody else's"),
    ("06.1", audited("self-connected"), "Send a line"),
    ("06.1", audited("unclear"), "answer.evidence"),
    ("06.1", "python3 -c", "asks for the result of an audit"),
    ("06.2", audited("self-connected", segments=(DATA,)), "before the first byte"),
    ("06.2", audited("self-connected"), "does the same with a server"),
    ("06.2", audited("refused", 1), "cannot run twice"),
    ("06.2", audited("never-tried", 1), "failed before it dialled"),
    ("06.2", audited("unclear"), "compare the two names"),
    ("06.3", "a", "would do something else there"),
    ("06.3", "c", "there was a SYN"),
    ("06.4", "b", "even or odd"),
    ("06.4", "c", "default range end"),
    ("06.4", "abc", "same address as its server"),
    ("06.4", "bcd", "no port is reserved"),
    ("06.5", "a", "still runs"),
    ("06.5", "c", "two sockets, two names"),
    ("07.1", 8000, "That port is in the range: while"),
    ("07.1", 40501, "weak defence"),
    ("07.1", 443, "ip_unprivileged_port_start"),
    ("07.1", 5432, "listens there already"),
    ("07.1", 30000, "listens there already"),
    ("07.1", 70000, "1 to 65535"),
    ("07.2", defences.dial, "hands over its own connection"),
    ("07.2", defences.dial_and_close, "TIME-WAIT"),
    ("07.2", 5, "the function itself"),
    ("07.2", lambda address, new_socket: None, "it returned None"),
    ("07.2", lambda address: None, "it raised TypeError"),
    ("07.2", lambda address, new_socket: new_socket(), "it must dial"),
    ("07.3", "bcdf", "not enough"),
    ("07.3", "acdf", "orderly close"),
    ("07.3", "cd", "there are three"),
    ("07.4", 7, "none"),
    ("07.4", 0, "would be a proof"),
    ("07.5", "abde", "Look at b"),
    ("07.5", "acde", "Look at c"),
    ("07.5", "ad", "there are three"),
    ("07.6", 40100, "asks for a verdict"),
    ("08.1", "a", "from the node"),
    ("08.1", "c", "outside the pod"),
    ("08.1", "d", "dials 127.0.0.1"),
    ("08.2", lambda lines: [words(x)[3] for x in lines if words(x)[3] == words(x)[4]], "One is in TIME-WAIT"),
    ("08.2", lambda lines: [words(x)[3] for x in lines if words(x)[0] == "ESTAB"], "two addresses"),
    ("08.2", lambda lines: [words(x)[3] for x in lines if words(x)[3] == words(x)[4] and "127" in x and "ESTAB" in x],
     "IPv6"),
    ("08.2", lambda lines: [], "whole names"),
    ("08.2", lambda lines: "127.0.0.1:40050", "a list of names"),
    ("08.2", lambda lines: [x for x in lines if words(x)[3] == words(x)[4]], "is no name of a socket"),
    ("08.2", lambda lines: [words(x)[3].split(":")[-1] for x in lines], "'40050' is no name of a socket"),
    ("08.3", "a", "closes its sockets in order"),
    ("08.3", "b", "both must"),
    ("08.3", "d", "answers itself"),
    ("08.4", "abd", "Look at b"),
    ("08.4", "acd", "Look at c"),
    ("08.4", "ade", "Look at e"),
    ("08.4", "d", "NodePorts"),
    ("08.4", "a", "an even port"),
    ("08.5", 90, "Tell the law the pace"),
    ("08.5", 13, "have *not*"),
    ("08.6", "fixed", "asks for the machine"),
]  # fmt: skip


def case(number: str, *more: object) -> Any:
    """A case of a test. 07.2 is measured in a private network, and only what is said of it shows that there is none."""
    return pytest.param(number, *more, marks=pytest.mark.private_network if number == "07.2" else ())


@pytest.mark.parametrize(("number", "answer", "because"), [case(*row) for row in RIGHT])
def test_a_right_answer_is_right_in_any_spelling(number: str, answer: Any, because: str) -> None:
    """The solution is accepted in each way in which one may write it, and explained."""
    feedback = Checker().check(number, answer)
    assert (feedback.state, because in feedback.message) == (State.RIGHT, True), feedback


@pytest.mark.parametrize(("number", "answer", "hint"), [case(*row) for row in MISTAKEN])
def test_a_typical_mistake_gets_its_own_hint(number: str, answer: Any, hint: str) -> None:
    """Who makes a typical mistake is told about this very mistake."""
    feedback = Checker().check(number, answer)
    assert (feedback.state, hint.lower() in feedback.message.lower()) == (State.WRONG, True), feedback


@pytest.mark.parametrize("number", [case(number) for number in sorted(SOLUTIONS.keys() - {"08.6"})])
def test_the_folded_solution_is_right(number: str) -> None:
    """Who copies the solution from the notebook is told that it is right, and why."""
    code, names = SOLUTIONS[number], {"lab": lab, "distribution": distribution, "defences": defences}
    with lab.open_testbed((32768, 60999), kind="namespace") if "testbed" in code else nullcontext() as testbed:
        feedback = Checker().check(number, answer_of(code, testbed=testbed, **names))
    assert feedback.right and len(feedback.message) > 20, feedback


def test_the_preconditions_say_what_exercise_06_4_says() -> None:
    """Port 65531 breaks two rules on a default range: in range, parity."""
    with lab.open_testbed((32768, 60999), kind="namespace") as testbed:
        assert [rule.name for rule in testbed.check(65531).broken] == ["in range", "parity"]
