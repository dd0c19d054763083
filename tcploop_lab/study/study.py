"""A study: which ports, in which ranges, by which clients, how many samples; and what came of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..ports.clients import ClientKind, parse_client
from ..ports.ranges import PortRange, parse_ports, parse_ranges
from ..results.description import Description, Item, Said, Table, plainly
from ..results.shown import Shown
from ..tcp.words import counted
from ..testbed.limits import parse_tries, parse_whole
from ..testbed.testbed import Testbed
from ..testbed.waiting import ends_its_cell
from ..tries.theory import STARTS
from . import engine
from .reading import Content
from .result import DEFAULT_ERA, Cell, CellPlan, as_samples, cell_of, provenance_note
from .store import Store
from .tasks import ADDRESSES


@dataclass(frozen=True, repr=False)
class Study(Shown):
    """Samples of the tries to success, in every combination of ports, ranges and clients.

        result = lab.Study(ports=[40500], ranges=[(40000, 40999)], samples=300).run(testbed)

    `ports`, `ranges` and `clients` take what one would write: 33334, "33334,40000", [(40000, 40999)],
    "same-socket". `samples` is the number per cell. `start` "random" samples independent first hits, each
    from a fresh address and so from a random place of the kernel's counter; "return" samples returns to a
    port that was just left. `max_tries` bounds a sample, which is then censored (None: by theory, see
    `CellPlan.max_tries`). `seed` orders the tasks; the tries themselves depend on the kernel's own secret
    and cannot be repeated. Raises ValueError, in one line, for what is not allowed.
    """

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

    @ends_its_cell
    def run(
        self,
        testbed: Testbed | Executor | None = None,
        out: str | Path | None = None,
        resume: bool = False,
        workers: int | None = None,
        progress: bool = True,
    ) -> StudyResult:
        """Draw the samples and return the result; an interrupt (Ctrl-C) returns what there is by then.

        `testbed` None opens one; a Testbed names the kind to open; any concurrent.futures Executor is used
        as it is, and its processes make namespaces of their own. `workers` is how many work at once (None:
        one per core). `out` is a file that gets every finished task at once (None: memory only); with
        `resume` an earlier file of this very study is continued. Raises ValueError for bad arguments or
        files, NotOnThisTestbed where such a study cannot be run, StudyStopped (with `.result`) where it
        could not go on.
        """
        try:
            return StudyResult.of(*engine.run(self, testbed, out, resume, workers, progress))
        except engine.StudyStopped as stopped:
            stopped.result = None if stopped.content is None else StudyResult.of(stopped.content)
            raise

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
        plan = {one.name: getattr(self, one.name) for one in fields(self)}
        return json.dumps(plan | {"ranges": [(item.low, item.high) for item in self.ranges]})

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


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult(Shown):
    """The samples of a study.

    `cells` are in the plan's order; `provenance` says where they come from (kernel, testbed, era, date,
    seed, start, lab version); `interrupted` is True where the run was stopped by hand.
    """

    study: Study
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
                    store.add(index, cell.numbers[chosen].tolist(), as_samples(machine, cell, chosen))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StudyResult:
        """Read a study file, finished or not. Raises ValueError if it is none, or damaged."""
        with Store.open(path, Study.from_json) as store:
            return cls.of(store.read())

    @classmethod
    def of(cls, content: Content, interrupted: bool = False) -> StudyResult:
        """Return what a study file says."""
        study = content.study
        settings = content.settings or [(DEFAULT_ERA, 0)] * len(study.cells)
        cells = tuple(
            cell_of(plan, study.start, setting, content.of(index))
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


def _row(cell: Cell) -> tuple[object, ...]:
    theory = cell.expected if cell.law.can_loop else "never"
    measured = (cell.samples, cell.hits, cell.mean, cell.standard_error)
    return (Said(cell.port, str(cell.port)), cell.port_range, cell.client, *measured, theory, cell.max_tries)


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
