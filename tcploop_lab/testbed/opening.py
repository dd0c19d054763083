"""Which testbed it is going to be: found out by trying one kind after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from ..errors import NotOnThisTestbed
from ..ports.ranges import LINUX_DEFAULT_RANGE, PortRange, Range
from ..stacks.executor import NamespaceExecutor
from ..stacks.in_place import InPlaceExecutor
from ..stacks.namespace import NamespaceRefused
from .base import MISSING
from .loop import why_unsuitable
from .testbed import Testbed

TODAY = "6.18"  # the kernel that is simulated where none is asked for
KIND_WANTED = "TCPLOOP_TESTBED"  # the name of an environment variable: the kind to open where a call names none


def open_testbed(
    port_range: Range | None = None,
    workers: int = 1,
    kind: str | None = None,
    *,
    kernel: str | None = None,
    real: bool = False,
    needs: str | Sequence[str] = (),
    seed: int | None = None,
) -> Testbed:
    """Open a testbed: a private network namespace if the system allows one, else the host's own loopback.

        testbed = lab.open_testbed(port_range=(40000, 40999), needs="capture")

    Where neither can do it, a simulated kernel of this day does. `port_range` is the ephemeral range to use (None: the
    kernel's default); `kind` asks for one of namespace, host, simulated; `kernel` for a simulated one by version or
    era ("4.1", "freebsd-13"), `seed` for one that does the same again; with `real` it is that kernel itself, as a
    process of yours ("5.10"; `real_kernels()` lists those to be had). `needs` names what it must be able to do, of
    capture, any-range (for the loops), port-range (its own, for all sockets), reserve, counters, two-hosts: a testbed
    that cannot is left out of the choice. Found out by trying.

    Raises ValueError for bad arguments, NotOnThisTestbed if what was asked for is refused.
    """
    own_range = None if port_range is None else PortRange.parse(port_range)
    wants = (needs,) if isinstance(needs, str) else tuple(needs)
    for need in wants:
        if need not in _NEEDS:
            raise ValueError(f"need {need!r}: what a testbed may need to do is {', '.join(_NEEDS)}")
    if real:
        return _in_a_real_kernel(own_range, workers, kind, kernel, wants, seed)
    if kernel is not None or seed is not None:
        if kind not in (None, "simulated"):
            raise ValueError(f"kernel {kernel!r}: only the simulated testbed has kernels to choose from, not {kind!r}")
        kind = "simulated"
    wanted = wanted_kind(kind)
    reasons: list[str] = []
    for name, make in _openers(own_range, workers, TODAY if kernel is None else kernel, seed):
        if wanted not in (None, name):
            continue
        try:
            testbed = make("asked for" if wanted else "; ".join(reasons))
        except NotOnThisTestbed as refusal:
            reasons.append(str(refusal))
            continue
        if not (lacking := _lacking(testbed, wants)):
            return testbed
        reasons.append(f"the {name} testbed cannot do {lacking}")
        testbed.close()
    raise NotOnThisTestbed(f"{'; '.join(reasons)}; {way_out(kind)} to get the best testbed there is")


def way_out(kind: str | None) -> str:
    """Return what whoever asked for a kind of testbed may do about it: the call, or else the environment."""
    return "leave the kind out" if kind else f"unset {KIND_WANTED}"


def _in_a_real_kernel(
    port_range: PortRange | None,
    workers: int,
    kind: str | None,
    kernel: object,
    needs: tuple[str, ...],
    seed: int | None,
) -> Testbed:
    if kernel is None or kind not in (None, "namespace") or seed is not None:
        raise ValueError('a real kernel is asked for by its version alone: open_testbed(kernel="5.10", real=True)')
    from ..stacks.kernels.executor import KernelExecutor

    executor = KernelExecutor(kernel, workers, port_range)
    testbed = Testbed("namespace", "private network inside that kernel, a process of yours", executor, port_range)
    if lacking := _lacking(testbed, needs):
        testbed.close()
        raise NotOnThisTestbed(f"kernel {executor.version} cannot do {lacking} here; leave `real` out")
    return testbed


def wanted_kind(kind: str | None) -> str | None:
    """Return the kind that a call asks for, or the environment; None if neither does. ValueError if there is none."""
    wanted = kind or os.environ.get(KIND_WANTED) or None
    if wanted is not None and wanted not in MISSING:
        kinds = ", ".join(MISSING)
        raise ValueError(f"testbed {wanted!r}: a testbed is {kinds}; leave it out to get the best there is")
    return wanted


def _openers(
    port_range: PortRange | None, workers: int, kernel: object, seed: int | None
) -> Iterator[tuple[str, Callable[[str], Testbed]]]:
    """Yield the kinds from best to last, each with what opens it, or raises NotOnThisTestbed with the reason."""

    def namespace(why: str) -> Testbed:
        try:
            executor = NamespaceExecutor(workers, port_range)
        except NamespaceRefused as refusal:
            raise NotOnThisTestbed(f"no private namespace: {refusal.strerror}") from None
        who = "root" if os.geteuid() == 0 else "an ordinary user"
        return Testbed("namespace", f"private network, made as {who}", executor, port_range)

    def host(why: str) -> Testbed:
        try:
            testbed = Testbed("host", why, NamespaceExecutor(workers, port_range, private=False), port_range)
        except (OSError, AttributeError) as error:
            raise NotOnThisTestbed(f"no live testbed: {error}") from None
        if why != "asked for" and (unsuitable := testbed.submit(why_unsuitable, port_range).result()):
            testbed.close()
            raise NotOnThisTestbed(f"on the host {unsuitable}")
        return testbed

    def simulated(why: str) -> Testbed:
        from ..stacks.simulated import SimulatedStack

        stack = SimulatedStack(kernel, seed=seed, port_range=port_range)
        return Testbed("simulated", why, InPlaceExecutor(stack), None)

    yield from (("namespace", namespace), ("host", host), ("simulated", simulated))


def _own_range(testbed: Testbed) -> None:
    if testbed.kind == "host" or not testbed.executor.info["range_set"]:
        raise NotOnThisTestbed("each socket gets a range here, which has no parity since Linux 6.8")
    try:
        testbed.use_range(testbed.port_range).close()
    except OSError as error:
        raise NotOnThisTestbed(f"the range cannot be set here ({error.strerror})") from None


def _any_range(testbed: Testbed) -> None:
    try:
        _own_range(testbed)
    except NotOnThisTestbed:
        if unsuitable := testbed.submit(why_unsuitable, LINUX_DEFAULT_RANGE).result():
            raise NotOnThisTestbed(unsuitable) from None


def _counters(testbed: Testbed) -> None:
    if testbed.kind == "host":
        raise NotOnThisTestbed("on the host all programs count together")
    testbed.counters()


_NEEDS: dict[str, Callable[[Testbed], None]] = {
    "capture": lambda testbed: testbed.capture(1).close(),
    "any-range": _any_range,
    "port-range": _own_range,
    "reserve": lambda testbed: testbed.reserve(1).close(),
    "counters": _counters,
    "two-hosts": lambda testbed: testbed.crossing().close(),
}


def _lacking(testbed: Testbed, needs: tuple[str, ...]) -> str:
    """The first need that this testbed does not meet, found out by doing; "" if it meets all."""
    for need in needs:
        try:
            _NEEDS[need](testbed)
        except NotOnThisTestbed:
            return need
    return ""
