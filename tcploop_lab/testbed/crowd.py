"""Several clients at once that dial the same dead port until one of them loops.

On a stack that other processes can use, each client is a process (`crowd_processes`). On a simulated one they take
turns, one try each, in an order drawn at random.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..ports.ranges import PortRange
from ..stacks.stack import Stack
from ..stacks.task import current_task
from ..tcp import closing
from .crowd_samples import TRAFFIC_PORT, CrowdSamples
from .dialling import NO_TRY
from .loop import LoopSpec, make_socket, run_loop
from .sampling import here, in_port_range

if TYPE_CHECKING:
    from .crowd_processes import Processes

MAX_CLIENTS = 64


def draw_crowd(
    stack: Stack,
    spec: LoopSpec,
    schedule: Sequence[int],
    addresses: Iterable[str],
    port_range: PortRange | None,
    other_traffic: bool,
) -> CrowdSamples:
    """Draw one sample for each number of clients in `schedule`; less where the lab says stop.

    Each sample has the next address, from which and to which its clients dial. `spec` tells all but the addresses;
    its `max_tries` bounds the tries together, its `timeout` the seconds of a sample. With `other_traffic` one more
    client dials another dead port of that address meanwhile. Raises NotOnThisTestbed where a loop cannot be run, or
    somebody else answers, and WorkerDied if a client does.
    """
    samples = CrowdSamples(*here(stack))
    with in_port_range(stack, port_range), _crowd_of(stack, max(schedule), other_traffic) as crowd:
        for clients, address in zip(schedule, addresses, strict=False):
            crowd.sample(clients, replace(spec, host=address, source=address), samples)
            if current_task().stopped():
                break
            current_task().report(len(samples.hits))
    return samples


def _crowd_of(stack: Stack, clients: int, other_traffic: bool) -> AbstractContextManager[Processes | _Turns]:
    if stack.is_shared:
        from .crowd_processes import processes

        return processes(clients, other_traffic)
    return contextlib.nullcontext(_Turns(stack, other_traffic))


class _Turns:
    """Clients that share this process: whose turn it is, is drawn at random."""

    def __init__(self, stack: Stack, other_traffic: bool) -> None:
        self._stack, self._traffic = stack, other_traffic
        self._draw = random.Random(0)

    def sample(self, clients: int, spec: LoopSpec, samples: CrowdSamples) -> None:
        """Let the clients take turns until one connects, or the tries together or the time are used up."""
        with _sockets(self._stack, spec, clients + self._traffic) as sockets:
            turns = _InTurn(sockets, clients, self._draw)
            outcome, _ = run_loop(self._stack, spec, turns)
            winner = turns.last if outcome.check(spec.port).stopped == "connected" else None
        if outcome.stopped != "interrupted":
            samples.add(turns.counts[:clients], winner, sum(turns.counts[clients:]), outcome.seconds, 0.0)


class _InTurn:
    """A dialler of several sockets. Those after the first `clients` are the other traffic, whose tries are not counted.

    `last` is the number of the socket that dialled last.
    """

    waits_for_ports, look_every = True, 256

    def __init__(self, sockets: Sequence[socket.socket], clients: int, draw: random.Random) -> None:
        self.counts, self.last = [0] * len(sockets), 0
        self._sockets, self._clients = sockets, clients
        everybody = range(len(sockets))
        self._turns = itertools.chain.from_iterable(draw.choices(everybody, k=256) for _ in itertools.count())

    @property
    def socket(self) -> socket.socket:
        """The socket that dialled last."""
        return self._sockets[self.last]

    def dial(self, address: tuple[str, int]) -> int:
        """Let the other traffic dial until it is a client's turn, and that client once."""
        for turn in self._turns:
            traffic = turn >= self._clients
            error = self._sockets[turn].connect_ex((address[0], TRAFFIC_PORT) if traffic else address)
            self.counts[turn] += error not in NO_TRY
            if not traffic:
                break
        self.last = turn
        return error


@contextlib.contextmanager
def _sockets(stack: Stack, spec: LoopSpec, number: int) -> Iterator[list[socket.socket]]:
    """Yield so many sockets, which end by a reset."""
    made = [make_socket(stack, spec) for _ in range(number)]
    try:
        yield made
    finally:
        for sock in made:
            closing.by_reset(sock)
            sock.close()
