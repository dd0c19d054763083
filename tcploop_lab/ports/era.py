"""What an era is: one generation of port allocators, told by a class and run by its objects.

The class says how the kernels of the era pick ports (order, steps), which they are, and where that is written. An
object is one kernel's memory: it gives the ports.

    kernel = parse_era("random-walk")(seed=1)
    [kernel.connect_port(LINUX_DEFAULT_RANGE) for _ in range(5)]
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Hashable, Mapping
from functools import lru_cache
from typing import ClassVar

from .candidates import Candidates, Order
from .clients import Binds, ClientKind
from .ranges import PortRange

HERE: Hashable = ("127.0.0.1", "127.0.0.1", 33334)  # source address, destination address and port
NO_PORTS: frozenset[int] = frozenset()
ONE_STEP = (1.0,)
FRESH_START: tuple[float, ...] = ()


class PortsExhausted(OSError):
    """No candidate is free: what a program sees as EADDRNOTAVAIL (or EADDRINUSE from bind())."""


class Era:
    """One generation of port allocators. A subclass that has a `name` is an era, and is found by it.

    `steps` is the law of the position's advance from one connect() to the next when no port is taken: steps[j] is the
    probability of an advance by j + 1 candidates. Empty means a fresh random start for every port (memoryless).
    """

    name: ClassVar[str] = ""
    kernels: ClassVar[str]  # where it runs, in words
    rule: ClassVar[str]  # how connect() picks the port, in one sentence
    sources: ClassVar[tuple[str, ...]]  # where that is written
    default_range: ClassVar[PortRange | None] = None  # of a model there is none
    since: ClassVar[tuple[int, ...] | None] = None  # the first Linux with it, where a version tells
    backports: ClassVar[Mapping[tuple[int, int], int]] = {}  # long-term kernels: the first release with it

    order: ClassVar[Order] = Order.ALL
    steps: ClassVar[tuple[float, ...]] = ONE_STEP
    bind_steps: ClassVar[tuple[float, ...]] = FRESH_START  # the same of bind(0)
    has_socket_range: ClassVar[bool] = False  # IP_LOCAL_PORT_RANGE, Linux 6.3
    redraws: ClassVar[bool] = False  # a taken port leads to a fresh draw, not to the port after it
    strides: ClassVar[bool] = False  # taken ports are passed by a random stride
    connects_once: ClassVar[str] = ""  # the errno of every second connect() of a socket, where it fails
    never: ClassVar[str] = ""  # why no socket can connect to itself, where that is so
    salt_period: ClassVar[float | None] = None  # seconds after which the kernel draws a new start
    probed_as: ClassVar[str] = ""  # the era that a probe names in its place: one destination shows no difference
    guessed: ClassVar[bool] = False  # nobody publishes the rule: the lab's stand-in, which a probe never names

    bind_order: Order = Order.ALL  # of bind(0); Linux before 4.6 took any parity: Order.ALL set on the object
    _halves = False  # SO_REUSEADDR: bind(0) takes the lower half of the range first
    _found: ClassVar[dict[str, type[Era]]] = {}

    def __init_subclass__(cls) -> None:
        """Note the era by its name, in the order in which eras are written."""
        if cls.__dict__.get("name"):
            cls._found[cls.name] = cls

    def __init__(self, seed: int | None = None, clock: Callable[[], float] | None = None) -> None:
        """Make a kernel. `seed` makes it repeatable, its secret too; `clock` gives seconds (without it none pass)."""
        self.random = random.Random(seed)
        self._clock = clock
        self._asked: tuple[PortRange, bool] | None = None
        self._secret = self.random.randbytes(16)

    @classmethod
    def law_of(cls, client: ClientKind) -> tuple[Order, tuple[float, ...]]:
        """Return (order, steps) that hold for a client of this kind."""
        if client.own_range and cls.order is Order.LOW_PARITY:
            return Order.ALL, cls.steps
        return (cls.bind_order, cls.bind_steps) if client.binds is Binds.ZERO else (cls.order, cls.steps)

    @classmethod
    def candidates(cls, port_range: PortRange, client: ClientKind = ClientKind.SAME_SOCKET) -> Candidates:
        """Return the circle of candidate ports of `port_range` for a client of this kind."""
        return circle_of(port_range, cls.law_of(client)[0])

    def connect_port(
        self,
        port_range: PortRange,
        destination: Hashable = HERE,
        taken: Container[int] = NO_PORTS,
        own_range: bool = False,
    ) -> int:
        """Return the source port of the next connect() to `destination`, and advance.

        `taken` are the ports that may not be given: bound, reserved, or with these very four numbers in use. A port
        given is free again at once, as after a refused try. `own_range` is True for a socket with IP_LOCAL_PORT_RANGE,
        `port_range` being what it leaves. Raises PortsExhausted if no port is free.
        """
        if self._asked is None or self._asked[0] is not port_range or self._asked[1] is not own_range:
            self._asked = port_range, own_range
            by_parity = self.order is Order.LOW_PARITY
            self._circle = circle_of(port_range, Order.ALL if own_range and by_parity else self.order)
        return self._pick(self._circle, destination, taken)

    def _pick(self, circle: Candidates, destination: Hashable, taken: Container[int]) -> int:
        """Return the next port of the circle that is not taken, and advance. Raises PortsExhausted."""
        raise NotImplementedError

    def bind_port(self, port_range: PortRange, taken: Container[int] = NO_PORTS, reuse_address: bool = False) -> int:
        """Return the port of the next bind() to port 0: a fresh start, unless the era has one rule for both.

        Raises PortsExhausted if no port is free.
        """
        if self.bind_steps:
            return self.connect_port(port_range, HERE, taken)
        for part in _halves(port_range) if reuse_address and self._halves else (port_range,):
            circle = circle_of(part, self.bind_order)
            choice = circle.choose(self.random.randrange(circle.size), taken)
            if choice:
                return choice[0]
        raise self._exhausted(port_range)

    def _choose(self, circle: Candidates, position: int, taken: Container[int], stride: int = 1) -> tuple[int, int]:
        """Return (port, displacement) of the first free port from `position` on, or raise PortsExhausted."""
        choice = circle.choose(position, taken, stride)
        if choice is None:
            raise self._exhausted(circle.port_range)
        return choice

    def _exhausted(self, port_range: PortRange) -> PortsExhausted:
        return PortsExhausted(f"range {port_range}: no port is free for the era {self.name}")

    def _hash(self, key: object, bits: int) -> int:
        """A keyed hash of `key`, as the kernel's siphash with the secret of the boot."""
        from hashlib import blake2b  # with it comes OpenSSL, which few commands need

        digest = blake2b(repr(key).encode(), digest_size=bits // 8, key=self._secret).digest()
        return int.from_bytes(digest, "little")


@lru_cache(maxsize=256)
def circle_of(port_range: PortRange, order: Order) -> Candidates:
    """Return the shared Candidates of a range."""
    return Candidates(port_range, order)


def _halves(port_range: PortRange) -> tuple[PortRange, ...]:
    """inet_csk_find_open_port: from 4 ports on, the lower half and then the upper one."""
    if port_range.width < 4:
        return (port_range,)
    half = port_range.low + port_range.width // 4 * 2
    return PortRange(port_range.low, half - 1), PortRange(half, port_range.high)
