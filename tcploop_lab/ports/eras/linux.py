"""The port allocators of Linux, from the rover of 2.2 to the step width of 7.1.

All but the first are one loop (net/ipv4/inet_hashtables.c, __inet_hash_connect): a table of 32-bit counters, a keyed
hash of the addresses that says which counter to use and where on the circle to begin, a scan past taken ports, and an
advance of the counter. The eras differ in the size of the table, the step of the scan and the noise of the advance.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Hashable, Mapping
from typing import ClassVar

from ..candidates import Candidates, Order, stride_bound, stride_for
from ..era import ONE_STEP, Era
from ..ranges import LINUX_DEFAULT_RANGE, PortRange

_U32 = 2**32
_MANY = 1 << 14  # destinations whose hash is remembered


class Rover(Era):
    """Linux 2.2 to early 2.6: tcp_port_rover, one counter for all connects of the host."""

    name = "rover"
    kernels = "Linux 2.2 to early 2.6"
    rule = "one counter for the whole host, tcp_port_rover: one port after another, for bind(0) and connect() alike"
    sources = ()
    default_range = PortRange(32768, 61000)
    since = (2, 2)
    bind_steps = ONE_STEP
    probed_as = "hashed-sequence"

    def __init__(self, seed: int | None = None, clock: Callable[[], float] | None = None) -> None:
        super().__init__(seed, clock)
        self._rover = self.random.getrandbits(16)

    def _pick(self, circle: Candidates, destination: Hashable, taken: Container[int]) -> int:
        """Return the port after the last one given, to whatever destination."""
        port, displacement = self._choose(circle, self._rover % circle.size, taken)
        self._rover = (self._rover + displacement + 1) % circle.size
        return port


class _HashTable(Era):
    """__inet_hash_connect: position = counter + hash, scan, advance the counter."""

    default_range: ClassVar[PortRange | None] = LINUX_DEFAULT_RANGE
    table_size = 1
    _halves = True

    def __init__(self, seed: int | None = None, clock: Callable[[], float] | None = None) -> None:
        super().__init__(seed, clock)
        self._table = self._first_table()
        self._places: dict[Hashable, tuple[int, int]] = {}

    def _first_table(self) -> array[int]:
        """The kernel fills the table with random numbers before its first use (net_get_random_once)."""
        return array("I", self.random.randbytes(4 * self.table_size))

    def _pick(self, circle: Candidates, destination: Hashable, taken: Container[int]) -> int:
        """Return the first free port from the place that the counter and the hash name."""
        index, start = self._place(destination)
        step = circle.step
        offset = (self._table[index] + start) % _U32 % (circle.size * step)
        port, displacement = self._choose(circle, offset // step, taken, self._stride(circle))
        self._table[index] = (self._table[index] + step * (self._noisy(displacement) + 1)) % _U32
        return port

    def _place(self, destination: Hashable) -> tuple[int, int]:
        """Return which counter serves the destination, and the part of the hash that is added to it."""
        place = self._places.get(destination)
        if place is None:
            if len(self._places) >= _MANY:
                self._places.clear()
            place = self._places[destination] = self._draw_place(destination)
        return place

    def _draw_place(self, destination: Hashable) -> tuple[int, int]:
        return 0, self._hash(destination, 32)

    def _noisy(self, displacement: int) -> int:
        """Return by how many candidates the counter passes over the port given, less one."""
        return displacement

    def _stride(self, circle: Candidates) -> int:
        return 1


class _Sequence(_HashTable):
    """A hash per destination, one shared hint, one candidate after another."""

    def _first_table(self) -> array[int]:
        return array("I", [0])  # static u32 hint


class HashedSequence(_Sequence):
    """Linux about 2.6.11 to 4.1: +1."""

    name = "hashed-sequence"
    kernels = "Linux about 2.6.11 to 4.1"
    rule = "hash(addresses, port, secret) + a hint that all share, one port after another"
    sources = ("https://github.com/torvalds/linux/blob/v4.1/net/ipv4/inet_hashtables.c",)
    default_range = PortRange(32768, 61000)
    since = (2, 6, 11)


class EvenSequence(_Sequence):
    """Linux 4.2 to 5.11: by steps of 2, low's parity first.

    This is the loop of 4.6 and later. 4.2 to 4.5 took the even offset modulo the width as it is, so that a
    range of odd width changed parity at each turn; and bind(0) took any parity.
    """

    name = "even-sequence"
    kernels = "Linux 4.2 to 5.11"
    rule = "as the hashed sequence by steps of 2: low's parity first, the other one when every port of it is taken"
    sources = (
        "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/commit/?id=07f4c90062f8",
        "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/commit/?id=1580ab63fc9a",
    )
    since = (4, 2)
    order = Order.LOW_PARITY
    bind_order = Order.OTHER_PARITY


class PerturbedEvenSequence(_HashTable):
    """Linux 5.12 to 5.17: 256 counters (190cc82489f4), now and then a candidate is skipped (c579bd1b4021)."""

    name = "perturbed-even-sequence"
    kernels = "Linux 5.12 to 5.17"
    rule = "as the even sequence with 256 counters, and in 1 of 16 cases a candidate is skipped"
    sources = ("https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/commit/?id=c579bd1b4021",)
    since = (5, 12)
    order = Order.LOW_PARITY
    steps = (15 / 16, 1 / 16)
    bind_order = Order.OTHER_PARITY
    table_size = 256

    def _draw_place(self, destination: Hashable) -> tuple[int, int]:
        start = self._hash(destination, 32)
        return start * 0x61C88647 % _U32 >> 24, start  # hash_32(port_offset, 8)

    def _noisy(self, displacement: int) -> int:
        return 1 if displacement == 0 and self.random.getrandbits(4) == 0 else displacement


class _Walk(_HashTable):
    """2^16 counters (4c2c8f03a5ab), an advance by 1 to 8 candidates (ca7af0402550), a new hash every 10 seconds."""

    steps = (1 / 8,) * 8  # i = max(displacement, U{0..7}), position += i + 1
    has_socket_range = True
    salt_period = 10.0  # EPHEMERAL_PORT_SHUFFLE_PERIOD, net/core/secure_seq.c (4dfa9b438ee3)
    table_size = 2**16

    def __init__(self, seed: int | None = None, clock: Callable[[], float] | None = None) -> None:
        super().__init__(seed, clock)
        self._epoch = 0

    def _place(self, destination: Hashable) -> tuple[int, int]:
        if self._clock is not None:
            epoch = int(self._clock() // self.salt_period)
            if epoch != self._epoch:
                self._epoch = epoch
                self._places.clear()
        return super()._place(destination)

    def _draw_place(self, destination: Hashable) -> tuple[int, int]:
        wide = self._hash((destination, self._epoch), 64)  # 64 bits: b2d057560b81
        return wide % self.table_size, wide >> 32

    def _noisy(self, displacement: int) -> int:
        return max(displacement, self.random.getrandbits(3))


class RandomWalk(_Walk):
    """Linux 5.18 on (b2d057560b81, ca7af0402550, 4c2c8f03a5ab, e8161345ddbb)."""

    name = "random-walk"
    kernels = "Linux 5.18 on, and most long-term kernels since 2022"
    rule = "as the even sequence by 1 to 8 candidates at random, with 2^16 counters and a new start every 10 seconds"
    sources = ("https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/commit/?id=ca7af0402550",)
    since = (5, 18)
    backports: ClassVar[Mapping[tuple[int, int], int]] = {(4, 9): 320, (4, 14): 285, (4, 19): 249, (5, 10): 125}
    order = Order.LOW_PARITY
    bind_order = Order.OTHER_PARITY


class SocketRange(_Walk):
    """Linux 6.8 on (207184853dbd), a socket with IP_LOCAL_PORT_RANGE (91d0b78c5177): the walk by steps of 1."""

    name = "socket-range"
    kernels = "Linux 6.8 on, a socket with IP_LOCAL_PORT_RANGE"
    rule = "the random walk by steps of 1 to 8 ports: neither parity goes first"
    sources = ("https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/commit/?id=207184853dbd",)


class StepWidth(_Walk):
    """Linux 7.1 on (7da62262ec96): the scan past taken ports goes by a random step, coprime to M.

    `step_width` is the sysctl ip_local_port_step_width; 0 is the kernel's default, off.
    """

    name = "step-width"
    kernels = "Linux 7.1 on, with ip_local_port_step_width set"
    rule = "the random walk, but the scan past taken ports goes by a random step"
    sources = ("https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/commit/?id=7da62262ec96",)
    order = Order.LOW_PARITY
    bind_order = Order.OTHER_PARITY
    strides = True
    probed_as = "random-walk"

    def __init__(
        self, seed: int | None = None, clock: Callable[[], float] | None = None, step_width: int = 1000
    ) -> None:
        super().__init__(seed, clock)
        if step_width < 0:
            raise ValueError(f"step width {step_width}: it is 0 (off) or more")
        self._width = step_width

    def _stride(self, circle: Candidates) -> int:
        """Draw a step from 1 to the bound; the next one that is coprime to M, or 1 if there is none."""
        bound = stride_bound(circle.size, self._width)
        return stride_for(self.random.randint(1, bound), bound, circle.size)
