"""Several clients at once: processes of one namespace that dial the same dead port until one of them loops.

The clients are programs of their own. Their channels to the worker close when the worker ends, however it ends, and
they end with it.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import select
import socket
import subprocess
import sys
import time
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import WorkerDied
from ..stacks import wire
from ..stacks.linux import linux_stack
from ..stacks.task import Task, current_task, running
from ..tcp import closing
from .crowd_samples import TRAFFIC_PORT, CrowdSamples
from .dialling import NO_TRY, LoopOutcome
from .loop import LoopSpec, make_socket, run_loop

_STOP = 0  # a column of the table that all clients share; the others hold their tries so far
_LOOK_EVERY = 64  # tries between two looks of a client at the bounds and at the worker
_WAIT = 0.05  # seconds between two looks of the worker at the lab
SILENCE = 30.0  # seconds from the word to stop until all have answered, which takes a client one try
_END_TIMEOUT = 1.0  # seconds a client gets to end by itself
_BOOT = (
    "import sys; sys.path[:] = {path!r}; from tcploop_lab.testbed.crowd_processes import main; main({channel}, {table})"
)


@dataclass(frozen=True)
class Part:
    """What one client does in a sample. The tries of the columns `mates` together are bounded by the spec's."""

    spec: LoopSpec
    column: int
    mates: tuple[int, ...]


@dataclass(frozen=True)
class Ending:
    """How a client's loop ended, and when its last try began and ended, in ns."""

    outcome: LoopOutcome
    began: int
    ended: int


@contextlib.contextmanager
def processes(clients: int, other_traffic: bool) -> Iterator[Processes]:
    """Start so many clients; at the end of the block all have ended."""
    size = clients + other_traffic
    with contextlib.ExitStack() as stack:
        descriptor = os.memfd_create("tcploop-crowd")
        stack.callback(os.close, descriptor)
        os.truncate(descriptor, 8 * (1 + size))
        table = stack.enter_context(_table(descriptor))
        channels = [stack.enter_context(_client(descriptor)) for _ in range(size)]
        yield Processes(table, channels, other_traffic)


class Processes:
    """The clients, seen from the worker, which leads them through one sample after the other."""

    def __init__(self, table: memoryview, channels: list[socket.socket], other_traffic: bool) -> None:
        self._table, self._channels, self._traffic = table, channels, other_traffic

    def sample(self, clients: int, spec: LoopSpec, samples: CrowdSamples) -> None:
        """Draw one sample, unless the lab says stop meanwhile."""
        deadline = time.monotonic() + spec.timeout
        channels = self._channels[:clients] + self._channels[-1:] * self._traffic
        for column in range(len(self._table)):
            self._table[column] = 0
        self._ask(channels, self._parts(clients, spec), deadline)
        started = time.monotonic_ns()
        endings: list[Ending] = self._ask(channels, ["go"] * len(channels), deadline)
        outcomes = [ending.outcome.check(spec.port) for ending in endings[:clients]]
        winner = next((number for number, outcome in enumerate(outcomes) if outcome.stopped == "connected"), None)
        until = time.monotonic_ns() if winner is None else endings[winner].began
        counts: list[int] = self._ask(channels, [until] * len(channels), deadline)
        if winner is None and current_task().stopped():
            return  # cut off because the lab wished so: no sample
        notice = 0.0 if winner is None else (endings[winner].ended - until) / 1e9
        samples.add(counts[:clients], winner, sum(counts[clients:]), (until - started) / 1e9, notice)

    def _parts(self, clients: int, spec: LoopSpec) -> list[Part]:
        mates = tuple(range(1, clients + 1))
        traffic = Part(replace(spec, port=TRAFFIC_PORT, max_tries=sys.maxsize), len(self._table) - 1, ())
        return [Part(spec, column, mates) for column in mates] + [traffic] * self._traffic

    def _ask(self, channels: Sequence[socket.socket], words: Sequence[Any], deadline: float) -> list[Any]:
        """Tell each client its word and return what each answers; all stop at the deadline, or if the lab says so."""
        answers: dict[socket.socket, Any] = {}
        silent = 0.0  # when the clients that were told to stop must have answered
        try:
            for channel, word in zip(channels, words, strict=True):
                wire.send(channel, word)
            while waiting := [channel for channel in channels if channel not in answers]:
                for channel in select.select(waiting, [], [], _WAIT)[0]:
                    answers[channel] = wire.receive(channel)
                if current_task().stopped() or time.monotonic() > deadline:
                    self._table[_STOP] = 1
                    silent = silent or time.monotonic() + SILENCE
                if silent and time.monotonic() > silent:
                    raise WorkerDied(f"a client does not answer for {SILENCE:g} s: a signal stopped it, or it hangs")
        except (EOFError, OSError):
            raise WorkerDied("a client ended in the middle of a sample; run it again") from None
        return [answers[channel] for channel in channels]


@contextlib.contextmanager
def _table(descriptor: int) -> Iterator[memoryview]:
    """Map the table that all clients share: one whole number of 64 bits per column."""
    with mmap.mmap(descriptor, 0) as shared, memoryview(shared) as raw, raw.cast("q") as table:
        yield table


@contextlib.contextmanager
def _client(table: int) -> Iterator[socket.socket]:
    """Start a client and yield the channel to it; at the end of the block it has ended."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            boot = _BOOT.format(path=sys.path, channel=theirs.fileno(), table=table)
            descriptors = [theirs.fileno(), table]
            process = subprocess.Popen([sys.executable, "-c", boot], pass_fds=descriptors, stdin=subprocess.DEVNULL)
        try:
            yield ours
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(descriptor: int, table: int) -> None:
    """Run as a client on the channel `descriptor`: one part after another, until the worker lets go."""
    channel = socket.socket(fileno=descriptor)
    with contextlib.suppress(EOFError, OSError), _table(table) as shared:
        while True:
            _play(wire.receive(channel), channel, shared)


def _play(part: Part, channel: socket.socket, table: memoryview) -> None:
    """Dial with the others. Who connects stays connected until all have stopped, so that only one can."""
    stack = linux_stack()
    with make_socket(stack, part.spec) as sock:
        closing.by_reset(sock)
        wire.send(channel, "ready")
        wire.receive(channel)
        dialler = _Noting(sock, table)
        with running(_Together(part, channel, table)):
            outcome, _ = run_loop(stack, part.spec, dialler)
        table[_STOP] = 1
        began = dialler.began
        wire.send(channel, Ending(outcome, began[-1] if began else 0, time.monotonic_ns()))
        wire.send(channel, bisect_right(began, wire.receive(channel)))


class _Noting:
    """A dialler that notes when each try began, and dials no more once the loop was stopped.

    The times tell afterwards which tries came before the one that connected: a client may connect and lose its
    processor before it can say so, while the others go on.
    """

    waits_for_ports, look_every = True, _LOOK_EVERY

    def __init__(self, sock: socket.socket, table: memoryview) -> None:
        self.socket, self.began = sock, array("q")
        self._table = table

    def dial(self, address: tuple[str, int]) -> int:
        """Make one try."""
        if self._table[_STOP]:
            return errno.ECANCELED
        self.began.append(time.monotonic_ns())
        error = self.socket.connect_ex(address)
        if error in NO_TRY:
            self.began.pop()
        return error


class _Together(Task):
    """The task of one client: all stop where the tries of its mates together are used up; it ends with the worker."""

    def __init__(self, part: Part, channel: socket.socket, table: memoryview) -> None:
        self._part, self._channel, self._table = part, channel, table

    def report(self, value: Any) -> None:
        """Tell the others the tries so far."""
        table, part = self._table, self._part
        table[part.column] = value
        if part.mates and sum(table[column] for column in part.mates) >= part.spec.max_tries:
            table[_STOP] = 1

    def stopped(self) -> bool:
        """True once one of them ended the loop. Raises EOFError without the worker, which says nothing meanwhile."""
        if select.select([self._channel], [], [], 0)[0]:
            raise EOFError("the worker is gone")
        return bool(self._table[_STOP])
