"""The eras: how the kernels that people meet pick the source port of connect().

One row per era. `steps` is the law of the position's advance from one connect() to the next when no port is
taken: steps[j] is the probability of an advance by j + 1 candidates. An empty `steps` means a fresh random
start for every port (memoryless).
"""

from __future__ import annotations

from dataclasses import dataclass

from .candidates import Candidates, Order
from .clients import ClientKind
from .ranges import PortRange

ONE_STEP = (1.0,)
FRESH_START: tuple[float, ...] = ()
WALK = (1 / 8,) * 8  # i = max(displacement, U{0..7}), position += i + 1 (ca7af0402550)
PERTURBED = (15 / 16, 1 / 16)  # "skip next candidate in 1/16 of cases" (c579bd1b4021)
RFC6056_N = 500
RANDOM_INCREMENTS = (1 / RFC6056_N,) * RFC6056_N  # RFC 6056 section 3.3.5


@dataclass(frozen=True)
class Era:
    """One generation of port allocators.

    `kernels` says where it runs, `source` cites the rule. `bind_order` and `bind_steps` are the same for
    bind(0). `redraws` is True where a taken port leads to a fresh draw and not to the port after it. `once`
    is True where a second connect() on one socket fails with EINVAL.
    """

    name: str
    kernels: str
    source: str
    order: Order
    steps: tuple[float, ...]
    bind_order: Order
    bind_steps: tuple[float, ...] = FRESH_START
    socket_range: bool = False
    redraws: bool = False
    once: bool = False

    def rule(self, client: ClientKind) -> tuple[Order, tuple[float, ...]]:
        """Return (order, steps) that hold for a client of this kind."""
        if client is ClientKind.SOCKET_RANGE and self.order is Order.LOW_PARITY:
            return Order.ALL, self.steps
        if client is ClientKind.BIND_ZERO:
            return self.bind_order, self.bind_steps
        return self.order, self.steps

    def candidates(self, port_range: PortRange, client: ClientKind = ClientKind.SAME_SOCKET) -> Candidates:
        """Return the circle of candidate ports of `port_range` for a client of this kind."""
        return Candidates(port_range, self.rule(client)[0])


def _linux(name: str, kernels: str, source: str, steps: tuple[float, ...], socket_range: bool = False) -> Era:
    return Era(name, kernels, source, Order.LOW_PARITY, steps, Order.OTHER_PARITY, socket_range=socket_range)


def _plain(name: str, source: str, steps: tuple[float, ...], redraws: bool = False) -> Era:
    """An algorithm of the literature: every port alike, bind(0) as connect(), any range."""
    return Era(name, "a model", source, Order.ALL, steps, Order.ALL, steps, socket_range=True, redraws=redraws)


_ALL = (
    Era(
        "rover",
        "Linux 2.2 to early 2.6",
        "tcp_v4_get_port: one tcp_port_rover for the whole host, for bind(0) and connect() alike",
        Order.ALL,
        ONE_STEP,
        Order.ALL,
        ONE_STEP,
    ),
    Era(
        "hashed-sequence",
        "Linux about 2.6.11 to 4.1",
        "__inet_hash_connect before 07f4c90062f8: hash(addresses, port, secret) + a shared hint",
        Order.ALL,
        ONE_STEP,
        Order.ALL,
    ),
    _linux("even-sequence", "Linux 4.2 to 5.11", "commits 07f4c90062f8, 1580ab63fc9a", ONE_STEP),
    _linux("perturbed-even-sequence", "Linux 5.12 to 5.17", "commits 190cc82489f4, c579bd1b4021", PERTURBED),
    _linux(
        "random-walk",
        "Linux 5.18 on, and most long-term kernels since 2022",
        "commits b2d057560b81, ca7af0402550, 4c2c8f03a5ab, e8161345ddbb",
        WALK,
        socket_range=True,
    ),
    Era(
        "socket-range",
        "Linux 6.8 on, a socket with IP_LOCAL_PORT_RANGE",
        "commits 91d0b78c5177, 207184853dbd, 41db7626b732",
        Order.ALL,
        WALK,
        Order.ALL,
        socket_range=True,
    ),
    _linux(
        "step-width",
        "Linux 7.1 on, with ip_local_port_step_width set",
        "commit 7da62262ec96: only the scan past taken ports differs from the random walk",
        WALK,
        socket_range=True,
    ),
    Era(
        "macos",
        "macOS, range 49152-65535",
        "XNU bsd/netinet/in_pcb.c, in_pcbbind: one counter, ipi_lastport",
        Order.ALL,
        ONE_STEP,
        Order.ALL,
        ONE_STEP,
        once=True,
    ),
    Era(
        "freebsd",
        "FreeBSD, range 10000-65535",
        "sys/netinet/in_pcb.c, in_pcb_lport_dest: first + arc4random() % (last - first), plus 1",
        Order.AFTER_LOW,
        FRESH_START,
        Order.AFTER_LOW,
        once=True,
    ),
    Era(
        "geometric",
        "none: the memoryless lottery, for comparison",
        "the candidates of today's Linux, a fresh random start for every port",
        Order.LOW_PARITY,
        FRESH_START,
        Order.OTHER_PARITY,
        socket_range=True,
    ),
    _plain("rfc6056-1", "RFC 6056 section 3.3.1, simple port randomization", FRESH_START),
    _plain("rfc6056-2", "RFC 6056 section 3.3.2, another simple port randomization", FRESH_START, redraws=True),
    _plain("rfc6056-3", "RFC 6056 section 3.3.3, simple hash-based port selection", ONE_STEP),
    _plain("rfc6056-4", "RFC 6056 section 3.3.4, double-hash port selection", ONE_STEP),
    _plain("rfc6056-5", "RFC 6056 section 3.3.5, random increments, N = 500", RANDOM_INCREMENTS, redraws=True),
)

BY_NAME = {era.name: era for era in _ALL}
ERAS: tuple[str, ...] = tuple(BY_NAME)


def parse_era(value: object) -> Era:
    """Return the era named `value` (or `value` itself); ValueError lists the eras there are."""
    if isinstance(value, Era):
        return value
    if isinstance(value, str) and value in BY_NAME:
        return BY_NAME[value]
    raise ValueError(f"era {value!r}: an era is one of {', '.join(ERAS)}")
