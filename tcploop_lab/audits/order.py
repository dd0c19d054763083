"""What the lab asks of the worker that runs a program for an audit, what the worker saw, and which runs are made.

What is left to chance stands here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Literal

from ..stacks.stack import Frame, SocketRow
from ..testbed.hosts import Target
from .attempts import Behaviour
from .comparison import PAIRS
from .sandbox.wanted import Sandbox
from .scene import callers_of

INTERRUPT = "an interrupt"
Held = Literal["never", "always", "since the dial"]

_AT_ONCE = 3  # workers that repeat
_LONGER = 2.0  # seconds by which a program must stay longer with an echo to behave otherwise
_WAYS: tuple[Held, ...] = ("never", "always", "since the dial")


@dataclass(frozen=True)
class Order:
    """What to run and how long. With a `caller` there is an echo on the port, for comparison, which is dialled from
    that one: nobody meets itself then. With `held` nobody else can have the port either, before and after the dial, or
    after it alone.

    `attempts` is how many self-connections may come about; `enough` ends the run that many seconds after the program
    dialled. `sandbox` is what users chose of it, `own` are files that the command reads, `lab` has the numbers of the
    lab's namespaces.
    """

    command: tuple[str, ...]
    target: Target
    port: int
    timeout: float
    attempts: int
    folder: str
    environment: Mapping[str, str]
    sandbox: Sandbox
    lab: Mapping[str, str]
    own: tuple[str, ...] = ()
    caller: int | None = None
    held: Held = "never"
    enough: float | None = None

    @property
    def control(self) -> bool:
        """True if it is run with an echo."""
        return self.caller is not None


@dataclass
class Report(Behaviour):
    """What the worker saw: the program's behaviour, its segments as `frames` that are still to be read, and more.

    `control` is the order's; `omitted` counts frames that were not kept; `failed` is the errno of a command that could
    not be started. `layers` are those of the sandbox, `missing` says by name why others were not there.
    """

    control: bool = False
    frames: list[Frame] = field(default_factory=list)
    omitted: int = 0
    sockets: tuple[SocketRow, ...] = ()
    failed: int | None = None
    layers: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)


Plan = Sequence[Sequence[Order]]  # for each worker what it runs, one after another


def comparison(order: Order, first: Report) -> Iterator[Plan]:
    """Yield what to run to compare with an echo: that once, both once more, and then all the rest.

    Their order is left to chance, in some 97,000 ways: so who counts its runs, and does this or that by turns, does not
    seem to know the world either. In some of those with an echo its port is held, as it is by a connection with itself:
    whether it can be had tells nobody of that.
    """
    # So long that whoever does the same has ended by then.
    enough = 2 * first.seconds + _LONGER if first.ended is None else None
    control = replace(order, enough=enough, timeout=order.timeout + (enough or 0))
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
