"""What one kernel does, measured by the lab's own functions; and what other kernels did, recorded by the same ones."""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import NotOnThisTestbed
from ..ports.identify import ProbeResult
from ..ports.preconditions import parity_of
from ..ports.ranges import PortRange
from ..results.description import Description, Table
from ..results.shown import Shown
from ..results.stored import load
from ..stacks import constants
from ..stacks.kernels import table
from ..stacks.stack import Stack
from ..tcp import closing
from ..tcp.words import counted
from ..testbed.opening import open_testbed
from ..testbed.sampling import in_port_range
from ..testbed.testbed import Testbed

RECORD = Path(__file__).parents[1] / "recorded" / "kernels.json"
PROBES = RECORD.with_name("probes.json")
RANGE, PORT = PortRange(40000, 40099), 40050
SAMPLES = 500
_BINDS = 60  # of both parities with a chance of one in 2**59 to see one only
_LOOK_EVERY, _LOOKS = 0.1, 30  # seconds, and how often: one second of TIME-WAIT is seen, a minute is not waited for
_ELSEWHERE = "192.0.2.7"  # an address for documentation (RFC 5737), given to lo of a private network
_TRIES = 20_000
_HELD = 40037  # odd, which no other measurement leaves in TIME-WAIT
_RESERVED = PortRange(40010, 40059)
_WIDTHS, _CROWD = (0, 1000), 2_000  # of so many tries a share is exact to 2 % in 19 of 20 cases


@dataclass(frozen=True)
class KernelRow:
    """One kernel. `steps` are those of the probe, `first_hit` and `back` p-values of 500 samples against the law.

    `own_range` is the parity with IP_LOCAL_PORT_RANGE, `third` what the third segment of a self-connection is,
    `shared` whether connect() picks a port that is connected elsewhere, `waits` and `waits_elsewhere` how many seconds
    an orderly close keeps the port on 127.0.0.1 and on another own address ("over 3" where it was longer). `released`
    tells whether connect() takes a port that is connected elsewhere once a socket that was bound to it has left;
    `crowding` is the share of tries on the first three free ports after a reserved stretch, by step width.
    """

    kernel: str
    era: str
    steps: tuple[int, ...]
    parity: str
    own_range: str
    first_hit: float
    back: float
    third: str
    shared: bool
    waits: str
    waits_elsewhere: str
    bind_zero: str
    released: bool
    crowding: str
    rate: int
    recorded_on: str = ""


@dataclass(frozen=True, repr=False)
class KernelTable(Shown):
    """Kernels side by side; those with a date are recorded."""

    rows: tuple[KernelRow, ...]

    @property
    def summary(self) -> str:
        """One sentence: how many kernels, and how many walks."""
        walks = sum(row.era == "random-walk" for row in self.rows)
        return f"{counted(len(self.rows), 'kernel')}; {walks} of them take random even steps"

    def describe(self) -> Description:
        """Return two tables with a row for each kernel: how it picks a port, and what it does with one."""
        told = list(map(_told, self.rows))
        tables = (
            Table(key, columns, [[row[name] for name, _ in columns] for row in told], caption)
            for key, columns, caption in (
                ("kernels", _PICKS, "How connect() picks a port"),
                ("states", _STATES, "What is sent, what waits, what is free again"),
            )
        )
        return Description(self.summary, tables=tuple(tables))


_PICKS = (
    ("kernel", "kernel"), ("era", "era"), ("steps", "steps"), ("parity", "parity"),
    ("own_range", "with a range of the socket's own"), ("first_hit", "p, first hits"), ("back", "p, returns"),
    ("rate", "tries/s"), ("recorded_on", "recorded"),
)  # fmt: skip
_STATES = (
    ("kernel", "kernel"), ("third", "third segment"), ("shared", "port in use elsewhere"), ("waits", "TIME-WAIT, s"),
    ("waits_elsewhere", "not on 127/8"), ("bind_zero", "bind(0)"), ("released", "port once held"),
    ("crowding", "after reserved ports"),
)  # fmt: skip


def _in_short(steps: tuple[int, ...]) -> str:
    """Steps in words: of the multiples of the first, in a row, the first two and the last."""
    row = [step for number, step in enumerate(steps, 1) if step == number * steps[0]]
    ends = [f"{row[0]}, {row[1]} … {row[-1]}"] if len(row) > 3 else list(map(str, row))
    return ", ".join([*ends, *map(str, steps[len(row) :])])


def _told(row: KernelRow) -> dict[str, object]:
    return vars(row) | {
        "steps": _in_short(row.steps),
        "first_hit": f"{row.first_hit:.2g}",
        "back": f"{row.back:.2g}",
        "shared": "picked" if row.shared else "not picked",
        "released": "picked" if row.released else "not picked",
        "recorded_on": row.recorded_on or "now",
    }


def measured_kernels(testbed: Testbed | None = None) -> KernelTable:
    """Return the kernels that were measured when `make kernels` ran last, after a row of this testbed's.

    That takes some seconds. Raises ValueError for what is no testbed, NotOnThisTestbed on the host.
    """
    if testbed is not None and not isinstance(testbed, Testbed):
        raise ValueError(f"testbed {testbed!r}: give a testbed, or nothing")
    own = () if testbed is None else (measure(testbed),)
    return KernelTable((*own, *load(RECORD, tuple[KernelRow, ...])))


def probe_kernel(version: str, or_recorded: bool = False) -> ProbeResult:
    """Return what `probe` finds inside a real kernel that is started for it (`real_kernels()` lists those to be had).

    With `or_recorded`, where it was not fetched or cannot run, it is what was recorded there, which says so. Raises
    ValueError for a version that is not to be had, NotOnThisTestbed with the reason where there is neither.
    """
    release = table.named(version)
    try:
        with open_testbed(kernel=release.version, real=True) as testbed:
            return testbed.probe()
    except NotOnThisTestbed:
        recorded = load(PROBES, dict[str, ProbeResult]) if or_recorded else {}
        if release.version not in recorded:
            raise
        return recorded[release.version]


def measure(testbed: Testbed) -> KernelRow:
    """Return the row of the kernel of this testbed. NotOnThisTestbed on the host, whose range is never set."""
    if testbed.kind == "host":
        raise NotOnThisTestbed("a kernel is measured with a port range of its own: use the namespace testbed")
    probe = testbed.probe()
    steps = tuple(sorted(probe.increments))
    return KernelRow(
        testbed.kernel, probe.era, steps, probe.parity, _own_range(testbed),
        _p_value(testbed, probe.era, "random"), _p_value(testbed, probe.era, "return"), _third(testbed),
        testbed.submit(_is_shared).result(), testbed.submit(_waits, "127.0.0.1").result(),
        testbed.submit(_waits, _ELSEWHERE).result(), testbed.submit(_bind_zero).result(),
        testbed.submit(_is_released).result(), testbed.submit(_crowding).result(), _rate(testbed),
    )  # fmt: skip


def _own_range(testbed: Testbed) -> str:
    with contextlib.suppress(OSError, ValueError):
        with testbed.use_range(RANGE):
            parity = testbed.probe(client="socket-range").parity
        return parity
    return "no such option"


def _p_value(testbed: Testbed, era: str, start: str) -> float:
    from ..tries.fit import fit
    from ..tries.theory import distribution
    from .study import Study

    result = Study(ports=(PORT,), ranges=(RANGE,), samples=SAMPLES, start=start).run(testbed, progress=False)
    [cell] = result.cells
    return fit(cell.tries, cell.observed, distribution(era, RANGE, PORT, start=start)).p_value


def _third(testbed: Testbed) -> str:
    try:
        with testbed.use_range(PortRange(PORT, PORT)), testbed.capture(PORT) as exchange:
            testbed.connect_loop(PORT, progress=False).close(reset=True)
    except NotOnThisTestbed:
        return "not seen"
    options = dict(exchange.segments[2].options)
    return "D-SACK" if "SAck" in options else "challenge ACK"


def _rate(testbed: Testbed) -> int:
    run = testbed.connect_loop(PORT + 1, max_tries=_TRIES, progress=False)
    return round(run.tries / run.seconds)


def _bind_zero(stack: Stack) -> str:
    with contextlib.ExitStack() as opened:
        socks = [opened.enter_context(stack.socket()) for _ in range(_BINDS)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        return parity_of(sock.getsockname()[1] for sock in socks)


def _is_shared(stack: Stack) -> bool:
    """Connect to two listeners from a range of two ports: is the first connection's port taken again?"""
    with contextlib.ExitStack() as opened:
        listeners = [_listener(opened.enter_context(stack.socket())) for _ in range(2)]
        socks = [opened.enter_context(stack.socket()) for _ in listeners]
        with in_port_range(stack, PortRange(PORT, PORT + 1)):
            for sock, listener in zip(socks, listeners, strict=True):
                sock.connect(listener.getsockname())
        return bool(socks[0].getsockname()[1] == socks[1].getsockname()[1])


def _is_released(stack: Stack) -> bool:
    """Have a port connected elsewhere, bind another address to it and let go: does connect() take it again?"""
    with contextlib.ExitStack() as opened:
        listeners = [_listener(opened.enter_context(stack.socket())) for _ in range(2)]
        first, again = (opened.enter_context(stack.socket()) for _ in listeners)
        try:
            with in_port_range(stack, PortRange(_HELD, _HELD)):
                first.connect(listeners[0].getsockname())
                with stack.socket() as holder:
                    holder.bind(("127.0.0.2", _HELD))
                again.connect(listeners[1].getsockname())
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return False
        return True


def _crowding(stack: Stack) -> str:
    """The share of tries on the three even ports after a reserved stretch, for each step width that can be set."""
    reserved, shares = stack.reserved(), []
    with in_port_range(stack, RANGE):
        stack.set_reserved((_RESERVED,))
        try:
            for width in _WIDTHS:
                with contextlib.suppress(FileNotFoundError):
                    stack.set_step_width(width)
                    shares.append(f"{_share(stack):.0%} at {width}")
                    stack.set_step_width(0)
            return ", ".join(shares) or f"{_share(stack):.0%}"
        finally:
            stack.set_reserved(reserved)


def _share(stack: Stack) -> float:
    first, hits = range(_RESERVED.high + 1, _RESERVED.high + 6, 2), 0
    with stack.socket() as sock:
        for _ in range(_CROWD):
            with contextlib.suppress(OSError):
                sock.connect(("127.0.0.1", 9))
            hits += sock.getsockname()[1] in first
    return hits / _CROWD


def _listener(sock: Any) -> Any:
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


def _waits(stack: Stack, host: str) -> str:
    """How long after an orderly close a port of `host` can connect to itself again, in seconds of the stack."""
    if not host.startswith("127."):
        stack.add_address(host)
    for port in range(PORT + 2, RANGE.high, 2):  # one that no measurement before has left in TIME-WAIT
        with contextlib.suppress(OSError):
            _dial(stack, host, port).close()
            break
    for look in range(_LOOKS):
        with contextlib.suppress(OSError):
            again = _dial(stack, host, port)
            closing.by_reset(again)
            again.close()
            return f"{look * _LOOK_EVERY:.1f}"
        stack.sleep(_LOOK_EVERY)
    return f"over {_LOOKS * _LOOK_EVERY:.0f}"


def _dial(stack: Stack, host: str, port: int) -> Any:
    """Return a socket of `host` that is connected to itself, from this port, the only one of the range meanwhile."""
    sock = stack.socket()
    try:
        with in_port_range(stack, PortRange(port, port)):
            sock.setsockopt(constants.SOL_IP, constants.IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((host, 0))
            sock.connect((host, port))
    except OSError:
        sock.close()
        raise
    return sock
