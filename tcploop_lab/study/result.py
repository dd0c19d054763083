"""A cell of a study: what it is to measure, and the samples, where they come from, and the law they should follow."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ports.clients import ClientKind
from ..ports.ranges import PortRange
from ..testbed.limits import default_max_tries
from ..testbed.sampling import Samples
from ..tries.theory import TriesDistribution, distribution

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


def standard_error(values: NDArray[Any]) -> float:
    """Return the standard error of the mean of `values`, in their unit; nan for fewer than two."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


@dataclass(frozen=True, eq=False)
class Cell:
    """The samples of one port in one range by one kind of client.

    `tries` holds the tries of every sample; `observed` is False where a sample is censored: it was stopped
    there without a hit, at `max_tries`. `numbers` are the samples' numbers, `seconds` the times of their
    loops, `machine` the index of (host, kernel) in StudyResult.machines. `law` is the distribution that
    theory expects.
    """

    plan: CellPlan
    max_tries: int
    law: TriesDistribution = field(repr=False)
    tries: NDArray[np.int64] = field(repr=False)
    observed: NDArray[np.bool_] = field(repr=False)
    seconds: NDArray[np.float64] = field(repr=False)
    numbers: NDArray[np.int64] = field(repr=False)
    machine: NDArray[np.int16] = field(repr=False)

    @property
    def port(self) -> int:
        """The port that was dialled."""
        return self.plan.port

    @property
    def port_range(self) -> PortRange:
        """The ephemeral port range."""
        return self.plan.port_range

    @property
    def client(self) -> ClientKind:
        """The kind of client."""
        return self.plan.client

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self.tries)

    @property
    def hits(self) -> int:
        """How many samples ended in a self-connection."""
        return int(self.observed.sum())

    @property
    def mean(self) -> float | None:
        """The mean tries of the samples that hit, None if none did."""
        return float(self.tries[self.observed].mean()) if self.hits else None

    @property
    def expected(self) -> float:
        """What theory expects of `mean`: the mean tries of those loops that happen within `max_tries`."""
        return self.law.mean_of_hits(self.max_tries)

    @property
    def standard_error(self) -> float | None:
        """The standard error of `mean`, in tries; None for fewer than two hits."""
        return standard_error(self.tries[self.observed]) if self.hits > 1 else None

    def __str__(self) -> str:
        return str(self.plan)


def provenance_note(provenance: Mapping[str, str]) -> tuple[str, ...]:
    """Return where samples come from as one line, or none."""
    told = [f"{key}: {value}" for key, value in provenance.items() if key != "lab_version"]
    return (" · ".join(told),) if told else ()


def cell_of(plan: CellPlan, start: str, setting: tuple[str, int], rows: NDArray[np.void]) -> Cell:
    """Return the cell whose samples are these rows of a study file."""
    era, max_tries = setting
    columns = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
    return Cell(
        plan,
        max_tries,
        plan.law(era, start),
        tries=columns["tries"],
        observed=columns["hit"],
        seconds=columns["seconds"],
        numbers=columns["sample"],
        machine=columns["machine"],
    )


def as_samples(machine: tuple[str, str], cell: Cell, chosen: NDArray[np.bool_]) -> Samples:
    """Return some samples of a cell, all of one machine, as they are stored."""
    columns: Mapping[str, Any] = {
        "tries": array("Q", cell.tries[chosen].tolist()),
        "hits": array("B", cell.observed[chosen].tolist()),
        "seconds": array("d", cell.seconds[chosen].tolist()),
    }
    return Samples(*machine, **columns)
