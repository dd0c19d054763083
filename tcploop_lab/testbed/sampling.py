"""Samples of the tries to success, drawn on a stack: loop after loop, each ended by a reset.

A reset leaves no TIME-WAIT, which would keep the next loop on the same address from its port for a second
or more (socket(7), SO_LINGER; RFC 9293 section 3.5.3).
"""

from __future__ import annotations

import contextlib
import math
import platform
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..errors import NotOnThisTestbed
from ..ports.clients import ClientKind
from ..ports.ranges import LINUX_DEFAULT_RANGE, PortRange
from ..stacks import constants
from ..stacks.stack import Stack
from ..stacks.task import current_task
from ..tcp import closing
from .check import sample_source_ports
from .dialling import LoopOutcome
from .loop import LoopSpec, run_loop


@dataclass
class Samples:
    """Some samples, in the order in which they were drawn: tries, whether the last one hit, seconds."""

    host: str
    kernel: str
    tries: array[int] = field(default_factory=lambda: array("Q"))
    hits: array[int] = field(default_factory=lambda: array("B"))
    seconds: array[float] = field(default_factory=lambda: array("d"))

    def add(self, outcome: LoopOutcome) -> None:
        """Append what one loop measured."""
        self.tries.append(outcome.tries)
        self.hits.append(outcome.stopped == "connected")
        self.seconds.append(outcome.seconds)


@dataclass(frozen=True)
class Place:
    """Where a worker is: machine, kernel, ephemeral range, and the source ports of some refused tries.

    `settable` says whether the range can be set there: a private namespace, and /proc/sys not read-only.
    `port_range` is the range the source ports come from; where nothing is settable, the only one there is. `is_shared`
    says whether others use this kernel, too: on one's own, seeded, the same comes out again.
    """

    host: str
    kernel: str
    port_range: PortRange
    settable: bool
    source_ports: tuple[int, ...]
    is_shared: bool = True


def describe_place(stack: Stack, tries: int, private: bool) -> Place:
    """Return where this process is, with the source ports of `tries` refused tries of one socket.

    In a `private` namespace they come from Linux's default range, whatever the namespace's is: one port tells
    nothing. Raises NotOnThisTestbed where the system has no ephemeral range to read.
    """
    try:
        in_force = stack.port_range()
    except FileNotFoundError as missing:
        raise NotOnThisTestbed(
            f"a study reads {missing.filename}, which is not there (is /proc mounted?), and needs Linux, where every "
            "address of 127.0.0.0/8 is one's own; elsewhere look at a stored study with StudyResult.load(path)"
        ) from None
    settable = private and _can_set(stack, in_force)
    probed = LINUX_DEFAULT_RANGE if settable else in_force
    spec = LoopSpec("127.0.0.1", 1, ClientKind.SAME_SOCKET, tries, timeout=30.0)
    with in_port_range(stack, probed):
        return Place(*here(stack), probed, settable, tuple(sample_alone(stack, spec, tries)), stack.is_shared)


def sample_alone(stack: Stack, spec: LoopSpec, tries: int) -> array[int]:
    """Return the source ports of refused tries where no other testbed's tries move them: on the stack's own address.

    Where nobody else can, or an address cannot be bound without a port, it is the address in `spec`.
    """
    if stack.is_shared and binds_alone(stack):
        spec = replace(spec, host=stack.address, source=stack.address)
    return sample_source_ports(stack, spec, tries)


def _can_set(stack: Stack, port_range: PortRange) -> bool:
    try:
        stack.set_port_range(port_range)
    except OSError:
        return False
    return True


def draw_first_hits(
    stack: Stack, spec: LoopSpec, addresses: Iterable[str], port_range: PortRange | None, seconds: float = math.inf
) -> Samples:
    """Run one loop from and to each address and return what was measured; less where the lab says stop.

    After so many `seconds` no other loop begins. `spec` tells all but the addresses. `port_range` is the range of the
    stack's network meanwhile; None leaves it as it is. Raises NotOnThisTestbed where a loop cannot be run, or somebody
    else answers.
    """
    alone = binds_alone(stack)
    with in_port_range(stack, port_range):
        return _collect(stack, (_one_loop(stack, _at(stack, spec, address, alone)) for address in addresses), seconds)


def draw_returns(
    stack: Stack,
    spec: LoopSpec,
    address: str,
    count: int,
    lead_tries: int,
    port_range: PortRange | None,
    seconds: float = math.inf,
) -> Samples:
    """Run `count` loops that each start just past the port, after a loop that led there. The rest as above.

    Where a loop missed, another one of at most `lead_tries` leads back. A lead that never arrives stands
    for the sample that it was to begin: both are censored.
    """
    there = _at(stack, spec, address, binds_alone(stack))
    with in_port_range(stack, port_range):
        return _collect(stack, _returns(stack, there, count, lead_tries), seconds)


def _returns(stack: Stack, spec: LoopSpec, count: int, lead_tries: int) -> Iterator[LoopOutcome]:
    at_port = False
    for _ in range(count):
        lead = None if at_port else _one_loop(stack, replace(spec, max_tries=lead_tries))
        outcome = _one_loop(stack, spec) if lead is None or lead.stopped == "connected" else lead
        at_port = outcome.stopped == "connected"
        yield outcome


def _collect(stack: Stack, outcomes: Iterable[LoopOutcome], seconds: float) -> Samples:
    samples, end = Samples(*here(stack)), stack.monotonic() + seconds
    for outcome in outcomes:
        if outcome.stopped != "interrupted":  # cut off because the lab wished so: no sample
            samples.add(outcome)
        if current_task().stopped() or stack.monotonic() > end:
            break
    return samples


def binds_alone(stack: Stack) -> bool:
    """Return whether a socket can bind an address and leave the port to connect(): since Linux 4.2, found by doing."""
    with stack.socket() as sock, contextlib.suppress(OSError):
        sock.setsockopt(constants.SOL_IP, constants.IP_BIND_ADDRESS_NO_PORT, 1)
        return True
    return False


def _at(stack: Stack, spec: LoopSpec, address: str, alone: bool) -> LoopSpec:
    """The loop from and to an address. Where it cannot be bound alone, lo is given it, and then sends from it."""
    if alone:
        return replace(spec, host=address, source=address)
    stack.add_address(address)
    return replace(spec, host=address)


def here(stack: Stack) -> tuple[str, str]:
    """Return the names of this machine and of the stack's kernel."""
    return platform.node(), stack.kernel


@contextlib.contextmanager
def in_port_range(stack: Stack, wanted: PortRange | None) -> Iterator[None]:
    """Give the stack's network another range for a while; None leaves it as it is."""
    before = stack.port_range() if wanted is not None else None
    if wanted is None or before is None or wanted == before:
        yield
        return
    stack.set_port_range(wanted)
    try:
        yield
    finally:
        stack.set_port_range(before)


def _one_loop(stack: Stack, spec: LoopSpec) -> LoopOutcome:
    outcome, sock = run_loop(stack, spec)
    if sock is not None:
        closing.by_reset(sock)
        sock.close()
    return outcome.check(spec.port)
