"""Compares whole runs of a program: with itself, and with an echo. Pure.

The two worlds differ in the names of the two ends only. What a program does in one run and not in the next tells
nothing: a difference counts if the runs of each world agree among themselves. With an echo the name of the own end is
another in each run, so what depends on that does not agree there. How much is written may vary.

A program that does one thing or another by chance, whatever the world, with probabilities p_i: that n runs in one world
all do i, and n in the other all do j, has the chance of the sum of (p_i p_j)^n over all i and j that differ. It is at
most 2 / 4^n, which a fair coin reaches. With n = PAIRS that is less than one in two million for each thing compared.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Sequence
from functools import cache, reduce
from operator import and_, sub

from ..tcp.words import counted
from .attempts import Attempt, Behaviour

_Lines = Counter[str]
PAIRS = 11  # runs in each world until a difference counts
_ANY = "is refused, because it is connected to itself already"  # an echo takes any number: that compares with all
_LONGEST = 80  # characters of a line in the evidence
# What differs from run to run anyway, longest first: UUIDs, IPv6 and hardware addresses, hexadecimal numbers (a word
# such as `defaced` has no digit, and stays), names of days and months, numbers with their units.
_VARYING = re.compile(
    r"""(?ix)
      \b [0-9a-f]{8} (?: -[0-9a-f]{4} ){3} -[0-9a-f]{12} \b
    | (?<![\w:]) (?: [0-9a-f]{0,4} : ){2,7} [0-9a-f]{0,5} (?![\w:])
    | \b 0x[0-9a-f]+ \b
    | \b (?=[a-f]*[0-9]) (?: [0-9a-f]{8,} | (?=[0-9]*[a-f]) [0-9a-f]{2,} ) \b
    | \b (?: mon | tue | wed | thu | fri | sat | sun ) \b
    | \b (?: jan | feb | mar | apr | may | jun | jul | aug | sep | oct | nov | dec ) (?=\s)
    | [0-9][0-9.,:]* (?: \s? (?: [nuµm]?s | sec(?:ond)?s? | [kmgt]?i?b (?:/s)? | bytes? | [kmg]?bits?/s (?:ec)? ) \b )?
    """
)


def unvarying(text: str, service: str = "") -> str:
    """Return the text without times, numbers, ids, UUIDs, ports and addresses; `service` is the name of a port."""
    return _VARYING.sub("#", re.sub(rf"\b{re.escape(service)}\b", "0", text) if service else text)


@cache
def _service(port: int) -> str:
    """What a program may write for its own port, which with an echo is another: ssh for 22 (services(5))."""
    try:
        return socket.getservbyport(port, "tcp")
    except OSError:
        return ""


def differences(own: Sequence[Behaviour], echo: Sequence[Behaviour], port: int) -> list[str]:
    """Return in words what all runs with itself (`own`) have in common, and all runs with the echo have otherwise."""
    printed = _of_lines([run.output for run in own], [run.output for run in echo], port, "prints")
    left = _of_lines([run.files for run in own], [run.files for run in echo], port, "leaves in HOME or TMPDIR")
    return [words for words in (_of_connections(own, echo, port), _of_status(own, echo), printed, left) if words]


def unsteady(own: Sequence[Behaviour], echo: Sequence[Behaviour], port: int) -> str:
    """Return which of the things that weigh differs between runs of one world; "" if none does."""
    for world in (own, echo):
        if any(_parts(world[0], one, port) is not None for one in world):
            return "its connections"
        if len({_status(one) for one in world}) > 1:
            return "its exit status"
    here, there = ([_lines(run.output, port) for run in world] for world in (own, echo))
    return "what it prints with an echo" if _only_in(here, there) and _vary(there) else ""


def connection_that_differs(own: Sequence[Behaviour], echo: Sequence[Behaviour], port: int) -> int | None:
    """Return the place of the first connection, from 0, that is used otherwise with an echo; None if there is none."""
    place = _parts(own[0], echo[0], port)
    if place is None or any(len({_up_to(place, run, port) for run in world}) > 1 for world in (own, echo)):
        return None
    return place


def _up_to(place: int, run: Behaviour, port: int) -> tuple[str, ...]:
    """What it did with the connections up to that one, however much it wrote."""
    return tuple(re.sub("[0-9,]+ bytes?", "bytes", shape) for shape in _shapes(run, port)[: place + 1])


def _of_connections(own: Sequence[Behaviour], echo: Sequence[Behaviour], port: int) -> str:
    place = connection_that_differs(own, echo, port)
    if place is None:
        return ""
    here, there = (_at(_shapes(world[0], port), place) for world in (own, echo))
    return f"connection {place + 1}: with an echo it {there}; with itself it {here}"


def _parts(one: Behaviour, other: Behaviour, port: int) -> int | None:
    """The place of the first connection that differs, None if there is none.

    That one of two runs has more of them means nothing where the lab ended one: further ones might have come.
    """
    ended = one.ended is None and other.ended is None
    here, there = _shapes(one, port), _shapes(other, port)
    for place in range(max(len(here), len(there))):
        both = place < min(len(here), len(there))
        if both and _ANY in (here[place], there[place]):
            continue
        if here[place] != there[place] if both else ended:
            return place
    return None


def _shapes(run: Behaviour, port: int) -> list[str]:
    """What the program did with each connection to the port, in words, in their order."""
    tries = run.attempts(port)
    return [_ANY if is_beside(one, tries) else _shape(run, one) for one in tries]


def is_beside(attempt: Attempt, tries: Sequence[Attempt]) -> bool:
    """True if an attempt was refused because another one had the only port from which it would meet itself."""
    began = attempt.began
    there = (one for one in tries if one.to_itself and one.answer == "open")
    return attempt.answer == "refused" and any(
        one.began <= began and (one.closed is None or began < one.closed) for one in there
    )


def _shape(run: Behaviour, one: Attempt) -> str:
    if one.answer != "open":
        return {"none": "gets no answer", "refused": "is refused"}[one.answer]
    # Where it wrote, a reset tells only whether it read the answer.
    wrote = f"writes {counted(one.sent, 'byte')} and " if one.sent else ""
    return wrote + ("keeps it" if run.keeps(one) else "resets it" if one.reset and not wrote else "closes it")


def _at(shapes: Sequence[str], place: int) -> str:
    return shapes[place] if place < len(shapes) else "does not dial again"


def _status(run: Behaviour) -> str:
    if run.exit_status is None:
        return "goes on until it is ended"
    return f"ends with exit status {run.exit_status}" if run.exit_status >= 0 else f"ends by signal {-run.exit_status}"


def _of_status(own: Sequence[Behaviour], echo: Sequence[Behaviour]) -> str:
    ours, others = ({_status(run) for run in world} for world in (own, echo))
    if len(ours) > 1 or len(others) > 1 or ours == others:
        return ""
    return f"with an echo it {others.pop()}; with itself it {ours.pop()}"


def _of_lines(own: Sequence[str], echo: Sequence[str], port: int, does: str) -> str:
    """Lines that the texts of all runs of one world have, and no text of the other.

    With an echo the name of its own end is another in each run. So who puts that in words, encoded as may be, says
    now this and now that, and always the same with itself: that tells nothing (`_vary`).
    """
    ours, theirs = ([_lines(text, port) for text in world] for world in (own, echo))
    here, there = _first(own[0], _only_in(ours, theirs), port), _first(echo[0], _only_in(theirs, ours), port)
    if here and not there and _vary(theirs):
        return ""
    if here and there:
        return f"with an echo it {does} {there!r}; with itself {here!r}"
    if here or there:
        return f"only with {'itself' if here else 'an echo'} it {does} {here or there!r}"
    return ""


def _vary(texts: Sequence[_Lines]) -> bool:
    return any(lines != texts[0] for lines in texts)


def _only_in(texts: Sequence[_Lines], others: Sequence[_Lines]) -> _Lines:
    """The lines that are in all of these and none of the others."""
    return reduce(sub, others, reduce(and_, texts))


def _first(text: str, wanted: _Lines, port: int) -> str:
    """The first of these lines as it stands in a text, "" if there is none."""
    lines = map(str.strip, text.splitlines() if wanted else ())
    line = next((line for line in lines if unvarying(line, _service(port)) in wanted), "")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 4]} ..."


def _lines(text: str, port: int) -> _Lines:
    return Counter(unvarying(line.strip(), _service(port)) for line in text.splitlines() if line.strip())
