"""What a study measured: the samples of every cell, where they come from, and the law they should follow."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LabError
from ..ports.clients import ClientKind
from ..ports.ranges import PortRange
from ..results.description import Description, Item, Said, Table, plainly
from ..results.shown import Shown
from ..tcp.words import counted
from ..testbed.sampling import Samples
from ..tries.theory import TriesDistribution
from .plan import DEFAULT_ERA, CellPlan, Plan
from .store import Store


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


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult(Shown):
    """The samples of a study.

    `cells` are in the plan's order; `provenance` says where they come from (kernel, testbed, era, date,
    seed, start, lab version); `interrupted` is True where the run was stopped by hand.
    """

    study: Plan
    cells: tuple[Cell, ...]
    provenance: dict[str, str]
    machines: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    interrupted: bool = False
    figure = "ecdf"

    @property
    def label(self) -> str:
        """What the study must be shown with; "" if it is live."""
        kernel = self.provenance.get("kernel", "")
        return kernel if self.provenance.get("testbed") == "simulated" else ""

    @property
    def samples(self) -> int:
        """How many samples there are in all cells."""
        return sum(cell.samples for cell in self.cells)

    @property
    def hits(self) -> int:
        """How many of them ended in a self-connection."""
        return sum(cell.hits for cell in self.cells)

    @property
    def tries(self) -> int:
        """How many connect calls were made for them."""
        return sum(int(cell.tries.sum()) for cell in self.cells)

    @property
    def seconds(self) -> float:
        """How long their loops took together, in seconds: with two workers about twice the wall clock's."""
        return sum(float(cell.seconds.sum()) for cell in self.cells)

    @property
    def complete(self) -> bool:
        """True if every sample of the plan is there."""
        return self.samples == self.study.size

    def frame(self) -> Any:
        """Return a pandas DataFrame with one row per sample: its cell, number, tries, hit, seconds, place."""
        import pandas as pd

        return pd.concat([pd.DataFrame(self._columns(cell)) for cell in self.cells], ignore_index=True)

    def _columns(self, cell: Cell) -> dict[str, Any]:
        places = [self.machines[code] for code in cell.machine]
        return {
            "port": np.full(cell.samples, cell.port),
            "low": cell.port_range.low,
            "high": cell.port_range.high,
            "client": str(cell.client),
            "sample": cell.numbers,
            "tries": cell.tries,
            "hit": cell.observed,
            "seconds": cell.seconds,
            "host": [host for host, _ in places],
            "kernel": [kernel for _, kernel in places],
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a study file. Raises ValueError if the path exists or cannot be written."""
        with Store.create(path, self.study) as store:
            store.set_facts(self.provenance, [(cell.law.era, cell.max_tries) for cell in self.cells])
            for index, cell in enumerate(self.cells):
                for code, machine in enumerate(self.machines):
                    chosen = cell.machine == code
                    store.add(index, cell.numbers[chosen].tolist(), _as_samples(machine, cell, chosen))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StudyResult:
        """Read a study file, finished or not. Raises ValueError if it is none, or damaged."""
        with Store.open(path) as store:
            return cls.read(store)

    @classmethod
    def read(cls, store: Store, interrupted: bool = False) -> StudyResult:
        """Return everything in an open study file. Raises ValueError if a value in it cannot be."""
        content = store.read()
        study = content.study
        settings = content.settings or [(DEFAULT_ERA, 0)] * len(study.cells)
        cells = tuple(
            _cell(plan, study.start, setting, content.of(index))
            for index, (plan, setting) in enumerate(zip(study.cells, settings, strict=True))
        )
        facts = dict(content.facts)
        if content.machines:  # a resumed study may have met another kernel
            facts["kernel"] = ", ".join(sorted({kernel for _, kernel in content.machines}))
        return cls(study, cells, facts, content.machines, interrupted)

    @property
    def summary(self) -> str:
        """One sentence: how many samples, how many hits, on which kernel."""
        done = "" if self.complete else f"{self.samples:,} of "
        samples = counted(self.samples if self.complete else self.study.size, "sample")
        cells = counted(len(self.cells), "cell")
        where = f" on {self.provenance['kernel']}" if "kernel" in self.provenance else ""
        return f"{done}{samples} in {cells}, {counted(self.hits, 'hit')}, {counted(self.tries, 'try')}{where}"

    def describe(self) -> Description:
        """Return the cells, measured beside theory; `loop_seconds` adds up the time of all loops."""
        items = (
            *plainly(self, "samples", "tries", "provenance"),
            Item("loop_seconds", self.seconds),
            Item("stack", "simulated" if self.label else "live"),
        )
        columns = (
            ("port", "port"), ("range", "range"), ("client", "client"), ("samples", "samples"), ("hits", "hits"),
            ("mean", "mean tries of the hits"), ("", "± 1 s.e."), ("", "theory"), ("", "stopped at"),
        )  # fmt: skip
        rows = [_row(cell) for cell in self.cells]
        note = provenance_note(self.provenance)
        return Description(self.summary, self.complete, self.label, items, (Table("cells", columns, rows),), note)


def provenance_note(provenance: Mapping[str, str]) -> tuple[str, ...]:
    """Return where samples come from as one line, or none."""
    told = [f"{key}: {value}" for key, value in provenance.items() if key != "lab_version"]
    return (" · ".join(told),) if told else ()


def _row(cell: Cell) -> tuple[object, ...]:
    theory = cell.expected if cell.law.can_loop else "never"
    measured = (cell.samples, cell.hits, cell.mean, cell.standard_error)
    return (Said(cell.port, str(cell.port)), cell.port_range, cell.client, *measured, theory, cell.max_tries)


class StudyStopped(LabError):
    """A study could not go on. The text says why and the way out; `result` holds what is there, or None.

    `reason` is the text without the way out, which is another one on the command line.
    """

    def __init__(self, reason: str, result: StudyResult | None = None, way_out: str = "") -> None:
        super().__init__("; ".join(filter(None, (reason, way_out))))
        self.result = result
        self.reason = reason


def _cell(plan: CellPlan, start: str, setting: tuple[str, int], rows: NDArray[np.void]) -> Cell:
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


def _as_samples(machine: tuple[str, str], cell: Cell, chosen: NDArray[np.bool_]) -> Samples:
    columns: Mapping[str, Any] = {
        "tries": array("Q", cell.tries[chosen].tolist()),
        "hits": array("B", cell.observed[chosen].tolist()),
        "seconds": array("d", cell.seconds[chosen].tolist()),
    }
    return Samples(*machine, **columns)
