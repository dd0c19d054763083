"""Every defence against self-connections, measured: in its own situation, and in those in which it may fail.

lab.defences()                                  all of them, in some seconds
lab.measure_defence("other-parity")             one
lab.measure_client(my_dial)                     a client of one's own
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..errors import NotOnThisTestbed
from ..ports.ranges import LINUX_DEFAULT_RANGE, PortRange
from ..testbed.limits import parse_tries
from ..testbed.testbed import Testbed
from ..thief.thief import place
from . import clients as code
from .results import UNDEFENDED, DefenceResult, DefenceTable, Situation
from .trials import (
    HOST,
    HUNDRED,
    ONE,
    PORT,
    Dial,
    Ground,
    dead_port,
    fresh_hosts,
    is_own,
    meets_a_redirect,
    meets_a_server,
    meets_itself,
    meets_itself_on,
)

TRIES = 5000  # of a dead port: 1 in 1e+44 if each still connected with chance 1/50
MEETINGS = 300  # of a client with itself: a failure in 22 would have shown
_SOME = 20  # trials of what happens always or never
_MANY = 100  # a failure in 8 would have shown
_DIALS = 2000  # of a real server behind a redirect
_LOOPS = 100  # of a mean
_OUTSIDE = PORT - 1000
_ODD = PORT + 1
_ELSEWHERE = PORT + 2
_TWENTY = PortRange(PORT - 10, PORT + 9)
_LONG = 100 * _TWENTY.width  # tries: none of a billion loops takes so many
_WAIT = 3e-5  # seconds of the first back-off


@dataclass
class _Measured:
    situations: list[Situation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Defence:
    """One defence: its name, what it does in one line, and how it is measured."""

    name: str
    title: str
    measure: Callable[[Ground, int, _Measured], None]


DEFENCES: dict[str, Defence] = {}


def _defence(name: str, title: str) -> Callable[[Callable[[Ground, int, _Measured], None]], None]:
    def register(measure: Callable[[Ground, int, _Measured], None]) -> None:
        DEFENCES[name] = Defence(name, title, measure)

    return register


def measure_defence(name: str, testbed: Testbed | None = None, tries: int | None = None) -> DefenceResult:
    """Measure one defence and return what it is worth, with the numbers.

    `tries` is how often the dead port is dialled or the client meets itself (None: so often that seconds are enough
    and luck is out of the question).

    Raises ValueError for an unknown name or a bad number, NotOnThisTestbed where the range cannot be set.
    """
    if name not in DEFENCES:
        raise ValueError(f"defence {name!r}: a defence is one of {', '.join(DEFENCES)}")
    number = None if tries is None else parse_tries(tries)
    defence = DEFENCES[name]
    with place(testbed, needs="port-range") as where:
        return _measure(name, defence.title, lambda ground, seen: defence.measure(ground, number or 0, seen), where)


def measure_client(dial: Dial, testbed: Testbed | None = None, tries: int = MEETINGS) -> DefenceResult:
    """Measure a client of one's own: `dial(address, new_socket)` returns a connected socket or raises OSError.

    It meets itself `tries` times, a server starts after each, and then it dials real servers. It runs in this process,
    so it may be defined in a notebook. Raises ValueError for a client that cannot be called or does not dial.
    """
    if not callable(dial):
        raise ValueError(f"client {dial!r}: give a function, dial(address, new_socket)")
    number = parse_tries(tries)
    name = getattr(dial, "__name__", "client")
    with place(testbed, needs="port-range") as where:
        return _measure(name, "a client of one's own", lambda ground, seen: _client(ground, dial, number, seen), where)


def defences(testbed: Testbed | None = None) -> DefenceTable:
    """Measure every defence and return the table. Raises NotOnThisTestbed as `measure_defence` does."""
    with place(testbed, needs="port-range") as where:
        return DefenceTable(tuple(measure_defence(name, where) for name in DEFENCES))


def _measure(name: str, title: str, measure: Callable[[Ground, _Measured], None], testbed: Testbed) -> DefenceResult:
    began, seen = time.monotonic(), _Measured()
    ground = Ground(testbed)
    with ground.range(HUNDRED):
        measure(ground, seen)
    seconds = time.monotonic() - began
    told = tuple(seen.situations), tuple(seen.notes)
    return DefenceResult(name, title, *told, seconds, testbed.kernel, testbed.stack)


def _client(ground: Ground, dial: Dial, tries: int, seen: _Measured) -> None:
    seen.situations += [*meets_itself(ground, dial, tries), meets_a_server(ground, dial, _MANY)]


@_defence(UNDEFENDED, "connect, and use the connection")
def _nothing(ground: Ground, tries: int, seen: _Measured) -> None:
    seen.situations += meets_itself(ground, code.dial, tries or MEETINGS)
    seen.situations.append(dead_port(ground, "a range of 100 ports", tries or TRIES))


@_defence("detect-reset", "compare the two names, reset")
def _detect_reset(ground: Ground, tries: int, seen: _Measured) -> None:
    _client(ground, code.dial_and_compare, tries or MEETINGS, seen)
    ipv6 = meets_itself_on(ground, code.dial_and_compare, _MANY, "::1")
    seen.situations += [ipv6] if ipv6 else []
    seen.notes.append(_false_alarms(ground, code.dial_and_compare))


def _false_alarms(ground: Ground, dial: Dial) -> str:
    """How often equal names are no self-connection: behind a redirect of the port to a real server."""
    try:
        certain, rare = (meets_a_redirect(ground, dial, *case) for case in ((_SOME, ONE), (_DIALS, HUNDRED)))
    except NotOnThisTestbed as refused:
        return f"behind a redirect of the port to a real server (NAT): not measured, {refused}"
    return (
        f"behind a redirect of the port to a real server (NAT) the names can be equal as well: from a range of one "
        f"port it refuses the server in {certain} of {_SOME} dials, from {HUNDRED.width} ports in {rare} of {_DIALS:,}"
    )


@_defence("detect-close", "compare the two names, close in order")
def _detect_close(ground: Ground, tries: int, seen: _Measured) -> None:
    _client(ground, code.dial_and_close, tries or MEETINGS, seen)


@_defence("identity-check", "ask who is there; only a server knows the answer")
def _identity(ground: Ground, tries: int, seen: _Measured) -> None:
    _client(ground, code.dial_and_greet, tries or MEETINGS, seen)


@_defence("ping-check", "ask whether anybody is there; the ping comes back")
def _ping(ground: Ground, tries: int, seen: _Measured) -> None:
    _client(ground, code.dial_and_ping, tries or MEETINGS, seen)


@_defence("outside-range", "the server's port is outside the ephemeral range")
def _outside(ground: Ground, tries: int, seen: _Measured) -> None:
    for client in ("same-socket", "bind-zero"):
        seen.situations.append(dead_port(ground, f"{client} client", tries or TRIES, _OUTSIDE, client))
    with ground.range(PortRange(_OUTSIDE - 50, HUNDRED.high)):
        seen.notes.append(f"once the range is widened to reach it, try {_first(ground, _OUTSIDE):,} connects")


@_defence("reserved-port", "the server's port is in ip_local_reserved_ports")
def _reserved(ground: Ground, tries: int, seen: _Measured) -> None:
    with ground.testbed.reserve(f"{PORT}-{_ODD}"):
        seen.situations.append(dead_port(ground, "same-socket client", tries or TRIES))
        seen.situations.append(dead_port(ground, "bind-zero client", tries or TRIES, _ODD, "bind-zero"))
        seen.situations.append(_starts(ground, reuse=False))


@_defence("held-port", "a process that outlives the server holds the port with bind()")
def _held(ground: Ground, tries: int, seen: _Measured) -> None:
    with code.hold((HOST, PORT), ground.new_socket()), code.hold((HOST, _ODD), ground.new_socket()):
        seen.situations.append(dead_port(ground, "same-socket client", tries or TRIES))
        seen.situations.append(dead_port(ground, "bind-zero client", tries or TRIES, _ODD, "bind-zero"))
        seen.situations.append(_starts(ground, reuse=True))
        with ground.testbed.hold(_ELSEWHERE, next(fresh_hosts)):
            seen.situations.append(dead_port(ground, "held on another address", tries or TRIES, _ELSEWHERE))
        without = _starts(ground, reuse=False)
        seen.notes.append(
            f"a server without SO_REUSEADDR cannot start beside the holder: {without.failures} of {_SOME}"
        )


@_defence("server-reuse", "SO_REUSEADDR on the server")
def _server_reuse(ground: Ground, tries: int, seen: _Measured) -> None:
    seen.situations.append(_starts_beside_a_thief(ground, tries or _SOME, client_reuse=False))


@_defence("both-reuse", "SO_REUSEADDR on the server and on its clients")
def _both_reuse(ground: Ground, tries: int, seen: _Measured) -> None:
    seen.situations.append(_starts_beside_a_thief(ground, tries or _SOME, client_reuse=True))
    seen.situations.append(meets_itself(ground, _dial_reusing, tries or _SOME)[0])


@_defence("other-parity", "the server's port is odd where the range begins even")
def _other_parity(ground: Ground, tries: int, seen: _Measured) -> None:
    seen.situations.append(dead_port(ground, "same-socket client", tries or TRIES, _ODD))
    with ground.range(PortRange(HUNDRED.low + 1, HUNDRED.high + 1)):
        seen.situations.append(dead_port(ground, "the range begins odd", tries or TRIES, _ODD))
    with contextlib.ExitStack() as all_even:
        for port in range(HUNDRED.low, HUNDRED.high, 2):
            all_even.enter_context(ground.testbed.hold(port, next(fresh_hosts)))  # on any address
        seen.situations.append(dead_port(ground, "every even port is bound", tries or TRIES, _ODD))
    seen.situations.append(dead_port(ground, "the client binds port 0", tries or TRIES, _ODD, "bind-zero"))


@_defence("back-off", "wait after each refusal, each time longer")
def _back_off(ground: Ground, tries: int, seen: _Measured) -> None:
    loops, used, failures = tries or _LOOPS, [], 0
    with ground.range(_TWENTY):
        for _ in range(loops):
            opened = ground.testbed.counters()["ActiveOpens"]
            failures += _meets_itself_in_the_end(ground)
            used.append(ground.testbed.counters()["ActiveOpens"] - opened)
        plain = [_first(ground, PORT) for _ in range(loops)]
    seen.situations.append(Situation("connects to itself in the end", loops, failures))
    seen.notes.append(f"{_mean(used)} tries in the mean; without back-off {_mean(plain)} (± the standard error)")
    hours = LINUX_DEFAULT_RANGE.width // 2 / 3600
    seen.notes.append(f"with one try a second and the default range the mean is {hours:.1f} hours")


def _mean(tries: Sequence[int]) -> str:
    """The mean with its standard error, which one number alone has not."""
    if len(tries) < 2:
        return f"{tries[0]}"
    return f"{statistics.fmean(tries):.1f} ± {statistics.stdev(tries) / len(tries) ** 0.5:.1f}"


def _meets_itself_in_the_end(ground: Ground) -> bool:
    sock = code.dial_with_back_off((HOST, PORT), ground.new_socket(), _LONG, _WAIT, ground.testbed.wait)
    own = is_own(sock)
    code.close_with_reset(sock)
    return own


def _dial_reusing(address: code.Address, new_socket: code.NewSocket) -> socket.socket:
    """Dial as a client without a defence that sets SO_REUSEADDR."""

    def make() -> socket.socket:
        sock = new_socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock

    return code.dial(address, make)


def _starts_beside_a_thief(ground: Ground, trials: int, client_reuse: bool) -> Situation:
    """Start a server with SO_REUSEADDR while a client holds its port; a failure is one that cannot start."""
    dial, failures = _dial_reusing if client_reuse else code.dial, 0
    with ground.range(ONE):
        for _ in range(trials):
            thief = dial((HOST, PORT), ground.new_socket())
            failures += not ground.can_start((HOST, PORT), reuse=True)
            code.close_with_reset(thief)
    return Situation("the server cannot start", trials, failures)


def _starts(ground: Ground, reuse: bool) -> Situation:
    failures = sum(not ground.can_start((HOST, PORT), reuse) for _ in range(_SOME))
    return Situation("the server cannot start", _SOME, failures)


def _first(ground: Ground, port: int) -> int:
    """Return the try at which an undefended client connects to itself."""
    return dead_port(ground, "", 100 * HUNDRED.width, port).trials
