"""How soon *someone* loops when several clients dial the same dead port at once.

Clients of one host that dial the same address share one counter of the kernel, so the tries of all together should
follow the law of a single client, and each client alone needs the fewer the more there are. How long it takes is
another question: it depends on how many of them the processors let dial at once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ports.clients import ClientKind
from ..ports.ranges import Port, PortRange, Range, parse_port
from ..results.description import Description, Item, Said, Table, plainly
from ..results.shown import Shown
from ..tcp.words import counted
from ..testbed.crowd import MAX_CLIENTS, draw_crowd
from ..testbed.crowd_samples import CrowdSamples
from ..testbed.limits import cores, parse_whole
from ..testbed.loop import LoopSpec
from ..testbed.testbed import Testbed
from ..testbed.waiting import wait_for
from ..tries.fit import Fit, fit
from ..tries.simulate import first_of
from ..tries.theory import TriesDistribution
from .engine import sampling_bar
from .pool import Pool, open_pool
from .result import CellPlan, provenance_note, standard_error
from .tasks import ADDRESSES, address

TIMEOUT = 60.0  # seconds for one sample, which takes some milliseconds
_SIMULATED = 20_000  # samples of the model
_STOP_GRACE = 3.0  # seconds that stopped clients get to hand back what they measured


@dataclass(frozen=True, eq=False)
class CrowdCell:
    """The samples of one number of clients.

    `together` are the tries of all clients up to the one that connected, `own` those of the client that connected,
    `busy` how many clients had made a try by then; `observed` is False where nobody connected within the bounds.
    `seconds` is the time until then, `notice` the seconds until that client knew. `law` is that of one client alone,
    `model_own` the mean of `own` if every try were made by any of the clients with equal chance.
    """

    clients: int
    law: TriesDistribution = field(repr=False)
    model_own: float
    together: NDArray[np.int64] = field(repr=False)
    own: NDArray[np.int64] = field(repr=False)
    busy: NDArray[np.int64] = field(repr=False)
    observed: NDArray[np.bool_] = field(repr=False)
    seconds: NDArray[np.float64] = field(repr=False)
    notice: NDArray[np.float64] = field(repr=False)

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self.together)

    @property
    def hits(self) -> int:
        """How many of them ended in a self-connection."""
        return int(self.observed.sum())

    @property
    def mean(self) -> float:
        """The mean tries of all clients together, over the hits; nan if there are none."""
        return _mean(self.together[self.observed])

    @property
    def standard_error(self) -> float:
        """The standard error of `mean`, in tries; nan for fewer than two hits."""
        return standard_error(self.together[self.observed])

    @property
    def mean_own(self) -> float:
        """The mean tries of the client that connected; nan if none did."""
        return _mean(self.own[self.observed])

    @property
    def mean_busy(self) -> float:
        """How many clients had made a try when one connected, in the mean."""
        return _mean(self.busy[self.observed])

    @property
    def mean_seconds(self) -> float:
        """The mean time until someone connected, in seconds; nan if nobody did."""
        return _mean(self.seconds[self.observed])

    @property
    def rate(self) -> float:
        """Tries of all clients together per second."""
        spent = float(self.seconds.sum())
        return float(self.together.sum()) / spent if spent else math.nan

    @cached_property
    def fit(self) -> Fit:
        """How well the law of one client explains the tries together; seeded, so the same at every call."""
        return fit(self.together, self.observed, self.law)


@dataclass(frozen=True, eq=False, repr=False)
class CrowdResult(Shown):
    """The samples of every number of clients, in the order asked for.

    `other_traffic` says whether one more client dialled another dead port of the same address meanwhile; `traffic` are
    its tries. `provenance` says where the samples come from (kernel, testbed, era, date, seed, cores).
    """

    port: int
    port_range: PortRange
    other_traffic: bool
    traffic: int
    cells: tuple[CrowdCell, ...]
    provenance: dict[str, str]
    figure = "crowd"

    def __getitem__(self, clients: int) -> CrowdCell:
        return next(cell for cell in self.cells if cell.clients == clients)

    @property
    def law(self) -> TriesDistribution:
        """The exact distribution of the tries of one client alone."""
        return self.cells[0].law

    def follows(self, level: float = 1e-6) -> bool:
        """True if no number of clients contradicts the law of one client. False for a right law at this rate."""
        return not any(cell.fit.rejected(level / len(self.cells)) for cell in self.cells)

    @property
    def summary(self) -> str:
        """One sentence: how many tries together, and how long, for each number of clients."""
        found = "; ".join(
            f"{counted(cell.clients, 'client')}: {cell.mean:,.0f} tries together, {1e3 * cell.mean_seconds:.1f} ms"
            for cell in self.cells
        )
        verdict = "follow" if self.follows() else "do not follow"
        law = f"the law of one client (mean {self.law.mean:,.0f})"
        return f"{found}; they {verdict} {law}, on {self.provenance['kernel']}"

    def describe(self) -> Description:
        """Return what was measured of each number of clients, beside the law of one."""
        items = (
            *plainly(self, "port", "other_traffic", "provenance"),
            Item("range", self.port_range),
        )
        columns = (
            ("clients", "clients"), ("samples", "samples"), ("hits", "hits"), ("mean", "tries together"),
            ("", "± 1 s.e."), ("", "theory"), ("p_value", "p-value"), ("mean_own", "own tries"),
            ("", "by model"), ("mean_busy", "dialled"), ("mean_ms", "ms"),
        )  # fmt: skip
        table = Table("cells", columns, [_row(cell) for cell in self.cells], _HEADS)
        return Description(self.summary, None, "", items, (table,), provenance_note(self.provenance))


_HEADS = "own tries: of the client that connects; by model: if all dialled alike; dialled: how many clients made a try"


def _row(cell: CrowdCell) -> tuple[object, ...]:
    p_value = Said(cell.fit.p_value, f"{cell.fit.p_value:.2g}")
    together = (cell.samples, cell.hits, cell.mean, cell.standard_error, cell.law.mean, p_value)
    return (cell.clients, *together, cell.mean_own, cell.model_own, cell.mean_busy, 1e3 * cell.mean_seconds)


def crowd(
    clients: int | Iterable[int] = (1, 2, 4, 8),
    samples: int = 200,
    port_range: Range = (40000, 40999),
    port: Port = 40500,
    other_traffic: bool = False,
    testbed: Testbed | None = None,
    seed: int = 0,
    progress: bool = True,
) -> CrowdResult:
    """Let several clients dial `port` at once, until one connects to itself, and return what happened.

    `clients` are the numbers of clients to try, `samples` how often each. All clients of a sample dial one fresh
    address, so the samples are independent; the numbers of clients take turns in a random order (`seed`), so that all
    meet the same machine. With `other_traffic` one more client dials another dead port meanwhile, as fast as it can.
    `testbed` names the kind to open (None: the best there is). An interrupt returns what was measured by then. Raises
    ValueError for what is not allowed, NotOnThisTestbed where such loops cannot be run.
    """
    counts = _parse_counts(clients)
    plan = CellPlan(parse_port(port), PortRange.parse(port_range), ClientKind.SAME_SOCKET)
    schedule = counts * parse_whole("samples", samples, 1)
    if len(schedule) > ADDRESSES:
        raise ValueError(f"samples {samples}: {len(schedule):,} in all, more than the {ADDRESSES:,} addresses")
    random.Random(parse_whole("seed", seed, 0)).shuffle(schedule)
    if isinstance(testbed, Executor):
        raise ValueError(f"testbed {testbed!r}: give a testbed, or nothing; the clients share one host")
    with open_pool(testbed, 1) as pool:
        law = _law(plan, pool)
        found = _draw(plan, law, pool, schedule, other_traffic, progress)
    cells = tuple(_cell(count, law, found, seed) for count in counts)
    where = {"kernel": found.kernel, "testbed": pool.kind, "era": law.era, "seed": str(seed), "cores": str(cores())}
    date = datetime.now(UTC).isoformat(timespec="seconds")
    traffic = int(sum(found.traffic))
    return CrowdResult(plan.port, plan.port_range, other_traffic, traffic, cells, {**where, "date": date})


def _parse_counts(clients: Any) -> list[int]:
    """The numbers of clients, each once."""
    given = clients if isinstance(clients, Iterable) else [clients]
    counts = [parse_whole("clients", value, 1) for value in dict.fromkeys(given)]
    if not counts:
        raise ValueError("clients: the list is empty; give at least one number of clients")
    if max(counts) > MAX_CLIENTS:
        raise ValueError(f"clients {max(counts)}: give 1 to {MAX_CLIENTS}")
    return counts


def _law(plan: CellPlan, pool: Pool) -> TriesDistribution:
    law = plan.law("socket-range" if pool.socket_ranges(plan.port_range) else pool.era)
    if not law.can_loop:
        raise ValueError(f"port {plan.port}: it cannot loop, however many dial it ({law.reason}); take another port")
    return law


def _draw(
    plan: CellPlan, law: TriesDistribution, pool: Pool, schedule: Sequence[int], other_traffic: bool, progress: bool
) -> CrowdSamples:
    """Draw all samples in one worker, or those there are at an interrupt."""
    own_range = pool.socket_ranges(plan.port_range)
    socket_range = plan.port_range if own_range else None
    namespace_range = plan.port_range if pool.kind != "host" and not own_range else None
    spec = LoopSpec("", plan.port, plan.client, plan.max_tries(law.era), TIMEOUT, socket_range=socket_range)
    first = random.SystemRandom().randrange(ADDRESSES)  # those of an earlier run are just past the port for 10 s
    addresses = [address(first + number) for number in range(len(schedule))]
    assert pool.own is not None, "a crowd is drawn on a testbed, never on a foreign executor"
    future = pool.own.on_stack(draw_crowd, spec, schedule, addresses, namespace_range, other_traffic)
    with sampling_bar(len(schedule), 0, progress) as bar:
        found: CrowdSamples = wait_for(pool.own, future, lambda done: bar.update(done - bar.n), _STOP_GRACE)
    return found


def _cell(clients: int, law: TriesDistribution, found: CrowdSamples, seed: int) -> CrowdCell:
    chosen = np.asarray(found.clients) == clients
    whole = {name: np.asarray(getattr(found, name))[chosen].astype(np.int64) for name in ("together", "own", "busy")}
    times = {name: np.asarray(getattr(found, name))[chosen] for name in ("seconds", "notice")}
    model = first_of(clients, law.era, law.port_range, law.port, samples=_SIMULATED, seed=seed)
    observed = np.asarray(found.hits)[chosen].astype(bool)
    return CrowdCell(clients, law, float(model.own.mean()), **whole, observed=observed, **times)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else math.nan
