"""Tasks: the small pieces a study is cut into. A task runs in any process that can import this module.

In a worker of a testbed `run_task` draws the samples on the spot. A process of somebody else's executor (a
process pool, dask) has threads and cannot enter a namespace; there `run_task_nested` keeps a testbed of its
own, one per thread, and passes the task on. This module is what workers import: it needs the standard
library only.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NotOnThisTestbed
from ..ports.clients import ClientKind
from ..ports.ranges import PortRange
from ..stacks.stack import Stack
from ..testbed.loop import LoopSpec
from ..testbed.sampling import Place, Samples, binds_alone, describe_place, draw_first_hits, draw_returns

if TYPE_CHECKING:
    from ..testbed.testbed import Testbed

PROBE_TRIES = 400
TIMEOUT = 3600.0  # seconds for one sample: a bound that only a kernel that does not answer reaches

# Addresses 127.1.0.1 to 127.254.255.254 without those that end in 0 or 255.
_SECOND, _THIRD, _FOURTH = 254, 256, 254
ADDRESSES = _SECOND * _THIRD * _FOURTH


def address(number: int) -> str:
    """Return loopback address `number`, counted round the ADDRESSES there are."""
    rest, fourth = divmod(number % ADDRESSES, _FOURTH)
    second, third = divmod(rest, _THIRD)
    return f"127.{second + 1}.{third}.{fourth + 1}"


@dataclass(frozen=True)
class Task:
    """Some samples of one cell: those with these numbers.

    `first_address` is the number of the address of the first one. With `lead_tries` all stay on that
    address and are returns, led to the port by a loop of at most so many tries; with 0 every sample has the
    next address. `kind` is that of the testbed: in a namespace the task sets its range; on the host nothing
    is ever set, and `socket_ranges` gives the range to each socket instead. After `seconds` it hands back the samples
    that are finished, one at least.
    """

    cell: int
    port: int
    port_range: PortRange
    client: ClientKind
    max_tries: int
    numbers: Sequence[int]
    first_address: int
    lead_tries: int = 0
    kind: str = "namespace"
    socket_ranges: bool = False
    seconds: float = math.inf

    @property
    def spec(self) -> LoopSpec:
        """How each sample dials."""
        own_range = self.client.own_range or self.socket_ranges
        socket_range = self.port_range if own_range else None
        return LoopSpec("", self.port, self.client, self.max_tries, TIMEOUT, socket_range=socket_range)


def run_task(stack: Stack, task: Task) -> Samples:
    """Draw the samples of a task on a stack. Raises what draw_first_hits does."""
    if task.kind == "host" and not binds_alone(stack):  # there no address is added: the host's settings stay
        raise NotOnThisTestbed("on the host a study needs IP_BIND_ADDRESS_NO_PORT, which Linux has since 4.2")
    namespace_range = task.port_range if task.kind != "host" and not task.socket_ranges else None
    count, first = len(task.numbers), task.first_address
    addresses = (address(first + i) for i in range(count))
    if task.lead_tries:
        return draw_returns(stack, task.spec, address(first), count, task.lead_tries, namespace_range, task.seconds)
    return draw_first_hits(stack, task.spec, addresses, namespace_range, task.seconds)


def probe_place(stack: Stack, kind: str) -> Place:
    """Return where a worker of a testbed of this kind is, with the source ports of some refused tries."""
    return describe_place(stack, PROBE_TRIES, private=kind != "host")


class _Nested:
    """A testbed that lives as long as its thread does, in the process that made it."""

    def __init__(self, kind: str | None) -> None:
        from ..testbed.opening import open_testbed

        self.process = os.getpid()
        self.testbed: Testbed = open_testbed(kind=kind)
        weakref.finalize(self, _close, self.testbed, self.process)

    def serves(self, kind: str | None) -> bool:
        """True for this very process (a fork has its parent's) and this kind."""
        return self.process == os.getpid() and kind in (None, self.testbed.kind)


def _close(testbed: Testbed, process: int) -> None:
    if process == os.getpid():  # a fork must leave its parent's worker alone
        testbed.close()


_local = threading.local()


def _nested(kind: str | None = None) -> Testbed:
    held: _Nested | None = getattr(_local, "nested", None)
    if held is None or not held.serves(kind):
        held = _local.nested = _Nested(kind)
    return held.testbed


def probe_place_nested() -> tuple[str, Place]:
    """Return which kind of testbed a process of another executor can open, and where it is."""
    testbed = _nested()
    return testbed.kind, testbed.submit(probe_place, testbed.kind).result()


def run_task_nested(task: Task) -> Samples:
    """Run a task in the testbed of this thread. Raises as `run_task`, and WorkerDied."""
    samples: Samples = _nested(task.kind).submit(run_task, task).result()
    return samples
