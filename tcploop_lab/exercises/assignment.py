"""The data of the assignments: every student gets their own, made from the name by which they hand in.

A course may have a key besides; then the instructor makes them and hands them out (`handout.py`).

    data = preconditions("ada")

Pure, and the same on every machine: what is graded does not depend on the student's kernel, nor on the version of
Python or NumPy (their random numbers may change from version to version, SHA-256 does not). Nothing here says what
the answers are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import accumulate, count
from typing import TYPE_CHECKING, TypeVar
from unicodedata import normalize

import numpy as np

from ..ports.ranges import PortRange
from ..tcp.segments import Segment
from ..tries.theory import TriesDistribution, distribution
from . import handout
from .lesson_03 import NUMBERS, segment_table, whole_life
from .lesson_05 import walk_table

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

NOBODY = "your name here"  # what a notebook says before its student wrote a name
TRIES = 20_000  # of a trace: its walk comes by every candidate more than a hundred times
SAMPLES = 5_000  # of loops: their mean is known to 1.5 %, and the laws differ by 11 % or more
LIMIT = 4  # a sample is cut off after LIMIT * M tries
WORDS = (b"loop", b"mirror", b"echo", b"hello, me", b"same socket", b"who is there?", b"both ends", b"myself")
LAWS = ("random-walk", "even-sequence", "geometric")


class Draws:
    """Random draws from a text: the same text, the same draws."""

    def __init__(self, text: str) -> None:
        self._words = _words(text)

    def below(self, n: int) -> int:
        """Return a whole number from 0 to n - 1."""
        return next(self._words) * n >> 64

    def fraction(self) -> float:
        """Return a number from [0, 1)."""
        return (next(self._words) >> 11) / 2**53

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in another order, all orders alike."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in items]


def _words(text: str) -> Iterator[int]:
    for block in count():
        digest = sha256(f"{text}/{block}".encode()).digest()
        yield from (int.from_bytes(digest[i : i + 8]) for i in range(0, 32, 8))


def name_of(student: object) -> str:
    """Return the name as it counts; what is no name becomes NOBODY.

    Case and blanks at the ends do not count, nor whether an accent is a character of its own, as in the file names of
    macOS (Unicode Standard Annex 15, NFC).
    """
    name = normalize("NFC", student).strip().lower() if isinstance(student, str) else ""
    return name or NOBODY


def draws(student: object, assignment: str, key: str = "") -> Draws:
    """Return the draws of one student for one assignment, in a course with this key."""
    return Draws("/".join(filter(None, ("tcploop-lab", assignment, name_of(student), key))))


def _handed_out(student: object, key: str, assignment: str, kind: type[T]) -> T | None:
    """Return what a course with a key handed out; None for who has the key, and for nobody."""
    name = name_of(student)
    return None if key or name == NOBODY else handout.found(name, assignment, kind)


@dataclass(frozen=True)
class Preconditions:
    """Assignment 1: a machine of one's own.

    `ports` has eight ports by letter; `reserved` is a port of ip_local_reserved_ports. `trace` holds the source ports
    of a client (simulated) that dialled `dialled` and was refused every time. `refusals` says how many tries a
    connect() of one's own needs.
    """

    port_range: PortRange
    reserved: int
    ports: Mapping[str, int]
    dialled: int
    trace: tuple[int, ...]
    refusals: int


def preconditions(student: object, key: str = "") -> Preconditions:
    """Return the data of assignment 1: those handed out, else those of the name and of the key."""
    if (handed_out := _handed_out(student, key, "preconditions", Preconditions)) is not None:
        return handed_out
    draw = draws(student, "preconditions", key)
    low = 20_000 + draw.below(20_000)
    ports = PortRange(low, low + 2 * (200 + draw.below(300)) - 1)
    reserved, good, *inner = draw.shuffled(range(low + 2, ports.high - 1, 2))
    goods = 1 + draw.below(3)
    chosen = [low - 2, low, ports.high, ports.high + 1, reserved]
    chosen += inner[:goods] + [port + 1 for port in inner[goods:3]]
    letters = dict(zip("abcdefgh", draw.shuffled(chosen), strict=True))
    why = draw.below(3)  # the client of the trace was refused: parity, a held port, or another address
    trace = _walk(draw, ports, good if why == 1 else None)
    return Preconditions(ports, reserved, letters, good + (why == 0), trace, 99 + draw.below(900))


def _walk(draw: Draws, ports: PortRange, held: int | None) -> tuple[int, ...]:
    """The source ports of Linux 5.18 and later: on by 2 to 16, past a held port to the next of its parity."""
    many = ports.width // 2
    trace, place = [], draw.below(many)
    for _ in range(TRIES):
        place = (place + 1 + draw.below(8)) % many
        if ports.low + 2 * place == held:
            place = (place + 1) % many
        trace.append(ports.low + 2 * place)
    return tuple(trace)


@dataclass(frozen=True)
class Wire:
    """Assignment 2: a self-connection of one's own, constructed, and its segments by letter, shuffled.

    `first` and `word` belong to a second one: it begins with that sequence number and writes that word. Of a third
    one the capture stops after `stops` segments.
    """

    port: int
    shuffled: Mapping[str, Segment]
    first: int
    word: bytes
    stops: int

    def table(self) -> pd.DataFrame:
        """Return the shuffled segments as a table."""
        return segment_table(self.shuffled).rename_axis(columns="letter")


def wire(student: object, key: str = "") -> Wire:
    """Return the data of assignment 2: those handed out, else those of the name and of the key."""
    if (handed_out := _handed_out(student, key, "wire", Wire)) is not None:
        return handed_out
    draw = draws(student, "wire", key)
    port = 32_768 + draw.below(28_000)
    word, other = draw.shuffled(WORDS)[:2]
    life = [replace(segment, time=0.0) for segment in whole_life(draw.below(NUMBERS), word, port)]
    letters = dict(zip("abcdefg", draw.shuffled(life), strict=True))
    first = NUMBERS - 2 - draw.below(len(other))  # the numbers wrap before or within the word
    return Wire(port, letters, first, other, draw.shuffled((1, 3, 6, 7))[0])


@dataclass(frozen=True)
class Probability:
    """Assignment 3: a range and a port that can loop, a chance to reach, and what four kernels did, all simulated.

    `walks` has ten source ports in a row by letter, for four eras. `tries` says how many tries each of 5,000 loops to
    `port` took, `observed` whether it succeeded then, or (False) was given up at `limit` tries.
    """

    port_range: PortRange
    port: int
    chance: float
    walks: Mapping[str, tuple[int, ...]]
    limit: int
    tries: tuple[int, ...]
    observed: tuple[bool, ...]

    def table(self) -> pd.DataFrame:
        """Return the source ports of the four kernels as a table."""
        return walk_table(self.walks)


def probability(student: object, key: str = "") -> Probability:
    """Return the data of assignment 3: those handed out, else those of the name and of the key."""
    if (handed_out := _handed_out(student, key, "probability", Probability)) is not None:
        return handed_out
    draw = draws(student, "probability", key)
    low = 20_000 + draw.below(20_000)
    many = 250 + draw.below(500)
    ports = PortRange(low, low + 2 * many - 1)
    eras = draw.shuffled((*LAWS, "hashed-sequence"))
    walks = {letter: _ports(draw, era, ports) for letter, era in zip("PQRS", eras, strict=True)}
    chance = (900 + draw.below(99)) / 1000
    port, limit = low + 2 * draw.below(many), LIMIT * many
    law = distribution(draw.shuffled(LAWS)[0], ports, port)
    tries = _loops(law, limit, [draw.fraction() for _ in range(SAMPLES)])
    observed = tuple(one <= limit for one in tries)
    return Probability(ports, port, chance, walks, limit, tuple(min(one, limit) for one in tries), observed)


def _ports(draw: Draws, era: str, ports: PortRange) -> tuple[int, ...]:
    """Ten source ports in a row, none past the end of the range."""
    many = ports.width // 2
    if era == "geometric":
        return tuple(ports.low + 2 * draw.below(many) for _ in range(10))
    steps: dict[str, Callable[[], int]] = {
        "hashed-sequence": lambda: 1,
        "even-sequence": lambda: 2,
        "random-walk": lambda: 2 + 2 * draw.below(8),
    }
    first = ports.low + 2 * draw.below(many - 80)
    return tuple(accumulate((steps[era]() for _ in range(9)), initial=first))


def _loops(law: TriesDistribution, limit: int, fractions: list[float]) -> list[int]:
    """The law's quantiles of these fractions, limit + 1 for those beyond the limit."""
    reached = law.cdf(np.arange(1, limit + 1))
    return [1 + int(place) for place in np.searchsorted(reached, fractions)]
