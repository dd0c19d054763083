"""The exercises of lesson 06, in the wild."""

from __future__ import annotations

from typing import Any

from ..audits.audit import AuditResult
from ..audits.verdicts import AuditVerdict
from ..tcp.words import counted
from .answers import a
from .engine import Exercise, Mistake, one_letter, some_letters

an_audit = a(AuditResult, "the result of an audit: answer = lab.audit([...])")


def _is(verdict: AuditVerdict) -> Any:
    return lambda result: result.verdict is verdict


def _sent(result: AuditResult) -> int:
    return sum(len(segment.payload) for segment in result.segments)


def _is_python(result: AuditResult) -> bool:
    return "py" in " ".join(result.command)


def _last_words(result: AuditResult) -> str:
    lines = result.output.split("\n")
    return next((line for line in reversed(lines) if line.strip()), "nothing")


_BROKE = Mistake(
    lambda result: result.verdict is AuditVerdict.NEVER_TRIED and result.exit_status,  # an error of its own
    "The program failed before it dialled. `answer.output` has its complaint; run it with `python3 -c` to see more.",
)
_NEVER = Mistake(
    _is(AuditVerdict.NEVER_TRIED),
    "It never dialled the port. Write `{port}` where the port belongs, without an f-string: the audit replaces it.",
)
_REFUSED = Mistake(
    _is(AuditVerdict.REFUSED),
    "It was refused: it dialled from a port of its own, or to another address than its own. Let the kernel choose.",
)

EXERCISES = (
    Exercise(
        number="06.1",
        asks="the result of an audit",
        reads=an_audit,
        right=lambda result: result.verdict is AuditVerdict.SELF_CONNECTED and _sent(result) > 0 and _is_python(result),
        because=lambda result: (
            f"It wrote {counted(_sent(result), 'byte')} to itself. Its last words: {_last_words(result)}"
        ),
        hint="Look at `answer.evidence`: what did your program do?",
        stronger="Four lines: import socket, `socket.create_connection((...))`, `sendall(...)`, `print(s.recv(100))`.",
        mistakes=(
            _BROKE,
            _NEVER,
            _REFUSED,
            Mistake(
                _is(AuditVerdict.DETECTED),
                "Well done, but that is the answer to 06.2. Here the client shall not look at the names.",
            ),
            Mistake(lambda result: not _is_python(result), "That program is somebody else's. Write one in Python."),
            Mistake(_is(AuditVerdict.SELF_CONNECTED), "It connected, and wrote nothing. Send a line."),
        ),
    ),
    Exercise(
        number="06.2",
        asks="the result of an audit that passes",
        reads=an_audit,
        right=lambda result: result.verdict is AuditVerdict.DETECTED,
        because="It noticed and wrote nothing to itself; and the comparison shows that with a listener it goes on.",
        hint="After connect(), compare the two names of the socket before you write anything.",
        stronger="`if s.getsockname() == s.getpeername():` then close and give up, or dial again.",
        mistakes=(
            _BROKE,
            _NEVER,
            Mistake(
                _is(AuditVerdict.REFUSED),
                "Refused is safe, but no repair: your client takes a port of its own, so it cannot run twice. "
                "Let the kernel choose, and look at the names.",
            ),
            Mistake(
                lambda result: result.verdict is AuditVerdict.SELF_CONNECTED and _sent(result) == 0,
                "It wrote nothing to itself, and does the same with a server. It must talk to a real one.",
            ),
            Mistake(
                _is(AuditVerdict.SELF_CONNECTED),
                "It still writes to itself. The look at the names must come before the first byte.",
            ),
        ),
    ),
    one_letter(
        number="06.3",
        among="abc",
        right="b",
        because="It does the same with a server and with itself, so it cannot tell them apart.",
        hint="What does the program do differently when it meets itself?",
        stronger="Nothing is different. So what must it believe?",
        wrong={
            "a": "It did not use a connection to a server either. A program that noticed would do something else "
            "there.",
            "c": "It dialled: there was a SYN. Writing nothing is not the same as not trying.",
        },
    ),
    some_letters(
        number="06.4",
        asks='letters from a to d, such as `"ad"`',
        among="abcd",
        because="65531 is above 60999, and odd. With the default range connect() never picks it.",
        hint="Ask the lab: `testbed.check(65531)`. (Open a testbed with the range 32768-60999.)",
        stronger="There are two. One is about the ends of the range, one about even and odd.",
        wrong={
            "a": "A client on the same host can have the same address as its server.",
            "d": "By default no port is reserved.",
        },
        missing={
            "b": "That is one of two. Where does the default range end?",
            "c": "That is one of two. Is 65531 even or odd?",
        },
    ),
    one_letter(
        number="06.5",
        among="abc",
        right="b",
        because="One socket with one name on both sides: a client that met itself, and now has the server's port.",
        hint="The thief is one socket that talks to itself. How many names has it?",
        stronger="Look again at `thief.witness` in section 5.",
        wrong={
            "a": "That is a listener: the old server, or another one, still runs.",
            "c": "Those are the two ends of an ordinary connection on one machine: two sockets, two names.",
        },
    ),
)
