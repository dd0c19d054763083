"""The port allocators of Linux, from the rover of 2.2 to the step width of 7.1.

All but the first are one loop (net/ipv4/inet_hashtables.c, __inet_hash_connect): a table of 32-bit
counters, a keyed hash of the addresses that says which counter to use and where on the circle to begin, a
scan past taken ports, and an advance of the counter. The eras differ in the size of the table, the step of
the scan and the noise of the advance.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Hashable

from .allocators_base import Allocator, PortsExhausted
from .candidates import Candidates, Order, stride_bound, stride_for
from .ranges import PortRange

_U32 = 2**32
SALT_PERIOD = 10.0  # seconds: EPHEMERAL_PORT_SHUFFLE_PERIOD, net/core/secure_seq.c (4c2c8f03a5ab)


class Rover(Allocator):
    """Linux 2.2 to early 2.6: tcp_port_rover, one counter for all connects of the host."""

    era = "rover"

    def __init__(self, port_range: PortRange, seed: int | None = None) -> None:
        super().__init__(port_range, seed)
        self._rover = self.random.randrange(port_range.width)

    def _pick(self, destination: Hashable, taken: Collection[int]) -> int:
        """Return the port after the last one given, to whatever destination."""
        port, displacement = self._choose(self._rover, taken)
        self._rover = (self._rover + displacement + 1) % self.port_range.width
        return port


class _HashTable(Allocator):
    """__inet_hash_connect: position = counter + hash, scan, advance the counter."""

    table_size = 1

    def __init__(self, port_range: PortRange, seed: int | None = None) -> None:
        super().__init__(port_range, seed)
        self._step = 2 if self.candidates.order is Order.LOW_PARITY else 1
        self._remaining = (port_range.width & ~1 if self._step == 2 else port_range.width) or 1
        self._table = self._first_table()

    def _first_table(self) -> array[int]:
        """The kernel fills the table with random numbers before its first use (net_get_random_once)."""
        return array("I", self.random.randbytes(4 * self.table_size))

    def _pick(self, destination: Hashable, taken: Collection[int]) -> int:
        """Return the first free port from the place that the counter and the hash name."""
        index, start = self._place(destination)
        offset = (self._table[index] + start) % _U32 % self._remaining
        port, displacement = self._choose(offset // self._step, taken, self._stride())
        advance = self._step * (self._noisy(displacement) + 1)
        self._table[index] = (self._table[index] + advance) % _U32
        return port

    def _place(self, destination: Hashable) -> tuple[int, int]:
        """Return which counter serves the destination, and the part of the hash that is added to it."""
        return 0, self._hash(destination, 32)

    def _noisy(self, displacement: int) -> int:
        """Return by how many candidates the counter passes over the port given, less one."""
        return displacement

    def _stride(self) -> int:
        return 1


class HashedSequence(_HashTable):
    """Linux about 2.6.11 to 4.1: a hash per destination, one shared hint, +1."""

    era = "hashed-sequence"

    def _first_table(self) -> array[int]:
        return array("I", [0])  # static u32 hint


class EvenSequence(HashedSequence):
    """Linux 4.2 to 5.11 (07f4c90062f8, 1580ab63fc9a): as before by steps of 2, low's parity first.

    This is the loop of 4.6 and later. 4.2 to 4.5 took the even offset modulo the width as it is, so that a
    range of odd width changed parity at each turn.
    """

    era = "even-sequence"


class PerturbedEvenSequence(_HashTable):
    """Linux 5.12 to 5.17: 256 counters (190cc82489f4), now and then a candidate is skipped (c579bd1b4021)."""

    era = "perturbed-even-sequence"
    table_size = 256

    def _place(self, destination: Hashable) -> tuple[int, int]:
        start = self._hash(destination, 32)
        return start * 0x61C88647 % _U32 >> 24, start  # hash_32(port_offset, 8)

    def _noisy(self, displacement: int) -> int:
        return 1 if displacement == 0 and self.random.getrandbits(4) == 0 else displacement


class RandomWalk(_HashTable):
    """Linux 5.18 on: 2^16 counters (4c2c8f03a5ab), an advance by 1 to 8 candidates (ca7af0402550).

    `clock` returns seconds; the hash changes every 10 of them. Without a clock it never does.
    """

    era = "random-walk"
    table_size = 2**16

    def __init__(
        self, port_range: PortRange, seed: int | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        super().__init__(port_range, seed)
        self._clock = clock

    def _place(self, destination: Hashable) -> tuple[int, int]:
        epoch = int(self._clock() // SALT_PERIOD) if self._clock else 0
        wide = self._hash((destination, epoch), 64)  # 64 bits: b2d057560b81
        return wide % self.table_size, wide >> 32

    def _noisy(self, displacement: int) -> int:
        return max(displacement, self.random.getrandbits(3))


class SocketRange(RandomWalk):
    """Linux 6.8 on, IP_LOCAL_PORT_RANGE (91d0b78c5177, 207184853dbd): the walk by steps of 1."""

    era = "socket-range"


class StepWidth(RandomWalk):
    """Linux 7.1 on (7da62262ec96): the scan past taken ports goes by a random step, coprime to M.

    `step_width` is the sysctl ip_local_port_step_width; 0 is the kernel's default, off.
    """

    era = "step-width"

    def __init__(
        self,
        port_range: PortRange,
        seed: int | None = None,
        clock: Callable[[], float] | None = None,
        step_width: int = 1000,
    ) -> None:
        super().__init__(port_range, seed, clock)
        if step_width < 0:
            raise ValueError(f"step width {step_width}: it is 0 (off) or more")
        self._bound = stride_bound(self.candidates.size, step_width)

    def _stride(self) -> int:
        """Draw a step from 1 to the bound; the next one that is coprime to M, or 1 if there is none."""
        return stride_for(self.random.randint(1, self._bound), self._bound, self.candidates.size)


class BindZero(Allocator):
    """bind() to port 0 on Linux 4.6 on (inet_csk_find_open_port): a fresh start, the other parity first.

    Before 4.6 any parity came first, also where connect() had one already (4.2 to 4.5). With `reuse_address`
    (SO_REUSEADDR) the lower half of the range comes first, then the upper one.
    """

    era = "bind-zero"

    def __init__(self, port_range: PortRange, seed: int | None = None, reuse_address: bool = False) -> None:
        super().__init__(port_range, seed)
        self._parts = [self.candidates]
        if reuse_address and port_range.width >= 4:
            half = port_range.low + port_range.width // 4 * 2
            self._parts = [
                Candidates(part, Order.OTHER_PARITY)
                for part in (PortRange(port_range.low, half - 1), PortRange(half, port_range.high))
            ]

    def _circle(self) -> Candidates:
        return Candidates(self.port_range, Order.OTHER_PARITY)

    def _pick(self, destination: Hashable, taken: Collection[int]) -> int:
        """Return a port that has nothing to do with the one before."""
        for part in self._parts:
            choice = part.choose(self.random.randrange(part.size), taken)
            if choice:
                return choice[0]
        raise PortsExhausted(f"range {self.port_range}: no port is free for bind() to port 0")
