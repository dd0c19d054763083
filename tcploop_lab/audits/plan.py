"""Which runs an audit makes after the first one, and in which order: what is left to chance stands here."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle

from .comparison import PAIRS
from .order import Held, Order, Report
from .scene import callers_of

Plan = Sequence[Sequence[Order]]  # for each worker what it runs, one after another

_AT_ONCE = 3  # workers that repeat
_LONGER = 2.0  # seconds by which a program must stay longer with an echo to behave otherwise
_WAYS: tuple[Held, ...] = ("never", "always", "since the dial")


def comparison(order: Order, first: Report) -> Iterator[Plan]:
    """Yield what to run to compare with an echo: that once, both once more, and then all the rest.

    Their order is left to chance, in some 97,000 ways: so who counts its runs, and does this or that by turns, does not
    seem to know the world either. In some of those with an echo its port is held, as it is by a connection with itself:
    whether it can be had tells nobody of that.
    """
    control = _with_an_echo(order, first)
    ports = callers_of(order.port, PAIRS)
    ways = zip(ports, cycle(_WAYS), strict=False)
    once, other, *rest = (replace(control, caller=port, held=way) for port, way in ways)
    rest += [order] * len(rest)
    random.shuffle(rest)
    yield [[once]]
    yield [random.sample((order, other), 2)]
    yield [rest[number::_AT_ONCE] for number in range(_AT_ONCE)]


def repetition(order: Order, first: Report) -> Iterator[Plan]:
    """Yield what to run of a program that was refused: the same, as often as a comparison runs another one.

    So who tosses a coin before it binds a port of its own is overlooked once in four million times.
    """
    again = order if first.ended is None else replace(order, enough=_LONGER)
    yield [[again] * ((2 * PAIRS - 1) // _AT_ONCE)] * _AT_ONCE


def _with_an_echo(order: Order, report: Report) -> Order:
    """The same program with an echo, for so long that whoever does the same has ended by then."""
    enough = 2 * report.seconds + _LONGER if report.ended is None else None
    return replace(order, enough=enough, timeout=order.timeout + (enough or 0))
