"""Several clients at once: processes of one namespace that dial the same dead port until one of them loops.

The clients are programs of their own that share a small table of counts. Their channels to the worker close when the
worker ends, however it ends, and they end with it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
import os
import select
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..model.ports import PortRange
from . import wire
from .errors import NotOnThisTestbed
from .loop import LoopSpec, make_socket
from .results import RESET
from .sampling import here, in_port_range
from .worker import current_task

MAX_CLIENTS = 64
TRAFFIC_PORT = 1  # what the other traffic dials: dead, and outside of every ephemeral range

# The columns of the shared table; the counts of the clients follow, that of the other traffic is the last.
_STOP, _WINNER, _TOGETHER, _NANOSECONDS, _ERROR, _COUNTS = range(6)
_LOOK_EVERY = 64  # tries between two looks of a client at the bounds and at the worker
_WAIT = 0.05  # seconds between two looks of the worker at the lab
_END_TIMEOUT = 1.0  # seconds a client gets to end by itself
_BOOT = "import sys; sys.path[:] = {path!r}; from tcploop_lab.testbed.crowd import main; main({channel}, {table})"


@dataclass
class CrowdSamples:
    """Some samples, in the order in which they were drawn.

    `clients` dialled at once; `together` are their tries, `own` those of the client that connected (0 if none did),
    `busy` how many of them made a try at all, `traffic` the tries of the other traffic, `seconds` the time until one
    connected.
    """

    host: str
    kernel: str
    clients: array[int] = field(default_factory=lambda: array("Q"))
    together: array[int] = field(default_factory=lambda: array("Q"))
    own: array[int] = field(default_factory=lambda: array("Q"))
    busy: array[int] = field(default_factory=lambda: array("Q"))
    traffic: array[int] = field(default_factory=lambda: array("Q"))
    hits: array[int] = field(default_factory=lambda: array("B"))
    seconds: array[float] = field(default_factory=lambda: array("d"))


@dataclass(frozen=True)
class Part:
    """What one client does in a sample: `index` is its place in the table, `clients` how many share its port."""

    spec: LoopSpec
    index: int
    clients: int


def draw_crowd(
    spec: LoopSpec,
    schedule: Sequence[int],
    addresses: Iterable[str],
    port_range: PortRange | None,
    other_traffic: bool,
) -> CrowdSamples:
    """Draw one sample for each number of clients in `schedule`; less where the lab says stop.

    Each sample has the next address, from which and to which its clients dial. `spec` tells all but the addresses;
    its `max_tries` bounds the tries together, its `timeout` the seconds of a sample. With `other_traffic` one more
    client dials another dead port of that address meanwhile. Raises NotOnThisTestbed where a loop cannot be run.
    """
    samples = CrowdSamples(*here())
    with in_port_range(port_range), _Crowd(max(schedule), other_traffic) as crowd:
        for clients, address in zip(schedule, addresses, strict=False):
            crowd.sample(clients, replace(spec, host=address, source=address), samples)
            if current_task().stopped():
                break
            current_task().report(len(samples.hits))
    return samples


class _Crowd:
    """The clients, seen from the worker: started once, and led through one sample after the other."""

    def __init__(self, clients: int, other_traffic: bool) -> None:
        self._traffic = other_traffic
        self._size = clients + other_traffic
        self._ended = contextlib.ExitStack()

    def __enter__(self) -> _Crowd:
        with contextlib.ExitStack() as stack:
            descriptor = os.memfd_create("tcploop-crowd")
            stack.callback(os.close, descriptor)
            os.truncate(descriptor, 8 * (_COUNTS + self._size))
            self._table = stack.enter_context(_table(descriptor))
            self._channels = [stack.enter_context(_client(descriptor)) for _ in range(self._size)]
            self._ended = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.close()

    def sample(self, clients: int, spec: LoopSpec, samples: CrowdSamples) -> None:
        """Draw one sample, unless the lab says stop meanwhile."""
        self._table[:] = memoryview(array("q", bytes(8 * len(self._table))))
        channels, deadline = self._send_parts(clients, spec), time.monotonic() + spec.timeout
        _wait(channels, self._table, deadline)
        began = time.monotonic_ns()
        _tell(channels, "go")
        _wait(channels, self._table, deadline)
        _tell(channels, "close")
        if self._table[_ERROR]:
            raise NotOnThisTestbed(f"port {spec.port}: {_reason(self._table[_ERROR])}")
        if self._table[_WINNER] or not current_task().stopped():
            self._note(clients, began, samples)

    def _send_parts(self, clients: int, spec: LoopSpec) -> list[socket.socket]:
        parts = [Part(spec, _COUNTS + index, clients) for index in range(clients)]
        channels = self._channels[:clients]
        if self._traffic:
            parts.append(Part(replace(spec, port=TRAFFIC_PORT), _COUNTS + self._size - 1, 0))
            channels = [*channels, self._channels[-1]]
        for channel, part in zip(channels, parts, strict=True):
            wire.send(channel, part)
        return channels

    def _note(self, clients: int, began: int, samples: CrowdSamples) -> None:
        counts = list(self._table[_COUNTS : _COUNTS + clients])
        winner = self._table[_WINNER]
        ended = self._table[_NANOSECONDS] if winner else time.monotonic_ns()
        samples.clients.append(clients)
        samples.together.append(self._table[_TOGETHER] if winner else sum(counts))
        samples.own.append(self._table[winner] if winner else 0)
        samples.busy.append(sum(count > 0 for count in counts))
        samples.traffic.append(self._table[len(self._table) - 1] if self._traffic else 0)
        samples.hits.append(winner > 0)
        samples.seconds.append((ended - began) / 1e9)


@contextlib.contextmanager
def _table(descriptor: int) -> Iterator[memoryview]:
    """Map the table that all clients share: one whole number of 64 bits per column."""
    with mmap.mmap(descriptor, 0) as shared, memoryview(shared) as raw, raw.cast("q") as table:
        yield table


@contextlib.contextmanager
def _client(table: int) -> Iterator[socket.socket]:
    """Start a client and yield the channel to it; at the end of the block it has ended."""
    ours, theirs = socket.socketpair()
    with theirs:
        boot = _BOOT.format(path=sys.path, channel=theirs.fileno(), table=table)
        process = subprocess.Popen(
            [sys.executable, "-c", boot], pass_fds=[theirs.fileno(), table], stdin=subprocess.DEVNULL
        )
    try:
        yield ours
    finally:
        ours.close()
        try:
            process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tell(channels: Sequence[socket.socket], word: str) -> None:
    for channel in channels:
        wire.send(channel, word)


def _wait(channels: Sequence[socket.socket], table: memoryview, deadline: float) -> None:
    """Wait until every client has reported; tell them to stop when the lab does, or at the deadline."""
    waiting = list(channels)
    while waiting:
        for channel in select.select(waiting, [], [], _WAIT)[0]:
            wire.receive(channel)
            waiting.remove(channel)
        if current_task().stopped() or time.monotonic() > deadline:
            table[_STOP] = 1


def _reason(number: int) -> str:
    if number == errno.EISCONN:
        return "a program listens on it, so it cannot loop; end it or take another port"
    return f"the loop could not be run: {errno.errorcode.get(number, number)} ({os.strerror(number)})"


def main(descriptor: int, table: int) -> None:
    """Run as a client on the channel `descriptor`: one part after another, until the worker lets go."""
    channel = socket.socket(fileno=descriptor)
    with contextlib.suppress(EOFError, OSError), _table(table) as shared:
        while True:
            _play(wire.receive(channel), channel, shared)


def _play(part: Part, channel: socket.socket, table: memoryview) -> None:
    """Dial with the others. Who connects keeps the connection until all have stopped, so that only one can."""
    with make_socket(part.spec) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        wire.send(channel, "ready")
        wire.receive(channel)
        _dial(part, sock, channel, table)
        wire.send(channel, "done")
        wire.receive(channel)


def _dial(part: Part, sock: socket.socket, channel: socket.socket, table: memoryview) -> None:
    """Dial until somebody connects. Every try is counted at once, so that the winner finds those of all."""
    connect, refused, taken, me = sock.connect_ex, errno.ECONNREFUSED, errno.EADDRNOTAVAIL, part.index
    target, count = (part.spec.host, part.spec.port), 0
    for dialled in itertools.count(1):
        error = connect(target)
        if error != taken:  # else others hold every port just now, and nothing was sent: this was no try
            table[me] = count = count + 1
        if error not in (refused, taken):
            _end(part, error, sock, table)
        if dialled % _LOOK_EVERY == 0:
            _look(part, channel, table)
        if table[_STOP]:
            break


def _end(part: Part, error: int, sock: socket.socket, table: memoryview) -> None:
    """Note who connected, when, and after how many tries of all; or what went wrong."""
    if error == 0 and sock.getsockname() == sock.getpeername():
        table[_NANOSECONDS] = time.monotonic_ns()
        table[_TOGETHER] = sum(table[_COUNTS : _COUNTS + part.clients])
        table[_WINNER] = part.index
    elif error not in (errno.EINPROGRESS, errno.EAGAIN):  # these two: nobody answered in time
        table[_ERROR] = error or errno.EISCONN
    table[_STOP] = 1


def _look(part: Part, channel: socket.socket, table: memoryview) -> None:
    """Stop all where the tries are used up; end with the worker."""
    if part.clients and sum(table[_COUNTS : _COUNTS + part.clients]) >= part.spec.max_tries:
        table[_STOP] = 1
    if select.select([channel], [], [], 0)[0]:  # the worker says nothing meanwhile, so it is gone
        raise EOFError("the worker is gone")
