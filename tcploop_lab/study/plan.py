"""The plan of a study: which ports, in which ranges, by which clients, how many samples."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Self

from ..ports.clients import ClientKind, parse_client
from ..ports.ranges import PortRange, parse_ports, parse_ranges
from ..results.description import Description, Said, Table
from ..results.shown import Shown
from ..tcp.words import counted
from ..testbed.limits import default_max_tries, parse_tries, parse_whole
from ..tries.theory import STARTS, TriesDistribution, distribution
from .tasks import ADDRESSES

DEFAULT_ERA = "random-walk"  # what is assumed before a kernel was probed
CANNOT_LOOP_SWEEPS = 2  # tries, in multiples of M, after which a port that cannot loop by theory is left censored


@dataclass(frozen=True)
class CellPlan:
    """One cell of a study: one port in one range dialled by one kind of client."""

    port: int
    port_range: PortRange
    client: ClientKind

    def law(self, era: str = DEFAULT_ERA, start: str = "random") -> TriesDistribution:
        """Return the exact distribution of the tries in this cell, under this era."""
        return distribution(era, self.port_range, self.port, self.client, start)

    def max_tries(self, era: str = DEFAULT_ERA, start: str = "random") -> int:
        """Return the default bound of a sample.

        A port that can loop reaches it once in a million samples. One that cannot loop would reach any
        bound: two sweeps of the M candidates are enough to see that it is passed over, and the sample stays
        censored there.
        """
        law = self.law(era, start)
        if not law.can_loop:
            return CANNOT_LOOP_SWEEPS * law.candidates
        like = ClientKind.SOCKET_RANGE if era == "socket-range" else self.client  # all ports are candidates
        return default_max_tries(self.port_range, like)

    def __str__(self) -> str:
        return f"port {self.port} in {self.port_range}, {self.client}"


@dataclass(frozen=True, repr=False, eq=False)
class Plan(Shown):
    """What a study samples, as `Study` describes it."""

    ports: tuple[int, ...]
    ranges: tuple[PortRange, ...]
    clients: tuple[ClientKind, ...] = (ClientKind.SAME_SOCKET,)
    samples: int = 200
    start: str = "random"
    max_tries: int | None = None
    seed: int = 0
    figure = "predictions"

    def __post_init__(self) -> None:
        checked = {
            "ports": _once(parse_ports(self.ports)),
            "ranges": _once(parse_ranges(_one_pair_is_a_range(self.ranges))),
            "clients": _once(_parse_clients(self.clients)),
            "samples": parse_whole("samples", self.samples, 1),
            "seed": parse_whole("seed", self.seed, 0),
            "max_tries": None if self.max_tries is None else parse_tries(self.max_tries),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.start not in STARTS:
            raise ValueError(f"start {self.start!r}: a start is one of {', '.join(STARTS)}")
        if self.size > ADDRESSES:
            raise ValueError(f"samples {self.samples}: {self.size:,} in all, more than the {ADDRESSES:,} addresses")

    def __eq__(self, other: object) -> bool:
        """A plan that was read from a file is that of the study which wrote it."""
        return isinstance(other, Plan) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    @cached_property
    def cells(self) -> tuple[CellPlan, ...]:
        """Every combination of port, range and client, in this order."""
        return tuple(CellPlan(*parts) for parts in product(self.ports, self.ranges, self.clients))

    @property
    def size(self) -> int:
        """How many samples there are in all cells together."""
        return self.samples * len(self.ports) * len(self.ranges) * len(self.clients)

    def to_json(self) -> str:
        """Return the plan as JSON text, from which `from_json` makes an equal one."""
        plan = {
            "ports": self.ports,
            "ranges": [(item.low, item.high) for item in self.ranges],
            "clients": self.clients,
            "samples": self.samples,
            "start": self.start,
            "max_tries": self.max_tries,
            "seed": self.seed,
        }
        return json.dumps(plan)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the plan written by `to_json`. Raises ValueError if it is none."""
        try:
            return cls(**json.loads(text))
        except (TypeError, RecursionError) as error:
            raise ValueError(f"plan {text[:200]!r}: {error}") from None

    @property
    def summary(self) -> str:
        """One sentence: what is sampled, how often."""
        kinds = {"random": "first hits from a random start", "return": "returns to the port just left"}
        cells = counted(len(self.cells), "cell")
        return f"{counted(self.samples, 'sample')} in each of {cells}, {kinds[self.start]}"

    def describe(self) -> Description:
        """Return what theory expects of each cell."""
        laws = [cell.law(start=self.start) for cell in self.cells]
        columns = (
            ("port", "port"), ("range", "range"), ("client", "client"), ("candidates", "candidates"),
            ("can_loop", "can loop"), ("mean", "mean tries"), ("reason", "why"),
        )  # fmt: skip
        rows = [
            (Said(law.port, str(law.port)), law.port_range, law.client, law.candidates, law.can_loop, law.mean,
             law.reason)
            for law in laws
        ]  # fmt: skip
        title = f"{self.summary}; expected by the era {laws[0].era}"
        return Description(title, tables=(Table("cells", columns, rows),))


def _once(items: Iterable[Any]) -> tuple[Any, ...]:
    """The items in their order, each once: a cell that is named twice is still one cell."""
    return tuple(dict.fromkeys(items))


def _one_pair_is_a_range(value: Any) -> Any:
    """Let (40000, 40999), two whole numbers, mean one range and not two."""
    pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(end, int) for end in value)
    return [tuple(value)] if pair else value


def _parse_clients(value: Any) -> tuple[ClientKind, ...]:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, Iterable) else (value,)
    clients = tuple(parse_client(part.strip() if isinstance(part, str) else part) for part in parts)
    if not clients:
        raise ValueError(f"clients: the list is empty; give at least one of {', '.join(ClientKind)}")
    return clients
