"""What a testbed is, whatever is done on it: a kind, a kernel, a range, and functions that run on its stack."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from concurrent.futures import Future
from operator import attrgetter, methodcaller
from typing import Any, Self

from ..errors import NotOnThisTestbed
from ..ports.clients import parse_client
from ..ports.ranges import LINUX_DEFAULT_RANGE, Port, PortRange, Range, parse_port
from ..results.description import Description, Item, Said
from ..results.run import Run, label_of
from ..results.shown import Shown
from ..stacks.namespace import NamespaceRefused
from ..stacks.stack import CLOSED, Stack, StackExecutor
from ..stacks.task import current_task
from .hosts import Target, resolve_own
from .limits import MAX_TIMEOUT, parse_delay
from .loop import LoopSpec

MISSING: dict[str, tuple[str, ...]] = {
    "namespace": (),
    "host": ("a port range of its own", "capture, unless you may capture"),
    "simulated": ("real programs",),
}

_OWN_ADDRESS = "192.0.2.7"
_AT_ONCE = 1.0  # seconds of a wait until it looks whether it was stopped


class TestbedBase(Shown):
    """A place where functions run on a stack."""

    of_the_lab = frozenset({"ask", "executor", "label", "sibling", "submit"})
    __test__ = False  # the name is no test case

    def __init__(self, kind: str, why: str, executor: StackExecutor, port_range: PortRange | None) -> None:
        self.kind = kind
        self.why = why
        self.executor = executor
        self._address: str
        of_the_stack = attrgetter("provenance", "kernel", "address")
        self.stack, self.kernel, self._address = executor.on_stack(of_the_stack).result()
        # Where the sysctl is not ours to write, a range is given to each socket instead.
        self._socket_range = None if executor.info["range_set"] else port_range
        self._given = ""  # the address that own_address() gave to this network
        self._runs: dict[tuple[str, int], weakref.ref[Run]] = {}
        self._latest: Run | None = None  # kept until the testbed is asked for something else

    @property
    def port_range(self) -> PortRange:
        """The ephemeral port range that loops on this testbed use."""
        if self._socket_range is not None:
            return self._socket_range
        try:
            found: PortRange = self.ask("port_range")
            return found
        except FileNotFoundError:  # no /proc
            return LINUX_DEFAULT_RANGE

    @property
    def address(self) -> str:
        """This testbed's own address of 127.0.0.0/8, for steps that nobody else's tries disturb.

            testbed.connect_loop(33334, host=testbed.address, source=testbed.address, trace=True)

        The kernel has one table for the walks of all its networks, private ones too (net/ipv4/inet_hashtables.c,
        table_perturb), and its index is made of both addresses and the dialled port: who dials 127.0.0.1 on your port
        moves your walk as well.
        """
        return self._address

    def own_address(self) -> str:
        """Return an address of this testbed's machine that is not loopback, to be dialled as the `host` of a loop.

        A private network and a simulated kernel get one of TEST-NET-1 (RFC 5737), which is nobody's. On the host's
        loopback it is the machine's own. Raises NotOnThisTestbed where the machine has none.
        """
        if self.kind != "host":
            self.ask("add_address", _OWN_ADDRESS)
            self._given = _OWN_ADDRESS
            return _OWN_ADDRESS
        own = self.executor.here.source_for(_OWN_ADDRESS)
        if not own:
            raise NotOnThisTestbed("this machine has no address but loopback; a private network is given one")
        return own

    @property
    def label(self) -> str:
        """What a result of this testbed must be shown with; "" if it is live."""
        return label_of(self.stack, self.kernel)

    @property
    def missing(self) -> tuple[str, ...]:
        """What this testbed cannot do, in words."""
        return MISSING[self.kind]

    @property
    def summary(self) -> str:
        """One line: which testbed, why, on which kernel, with which range."""
        lacks = f"; missing: {', '.join(self.missing)}" if self.missing else ""
        return f"{self.kind} testbed ({self.why}) on {self.kernel}, ephemeral ports {self.port_range}{lacks}"

    def describe(self) -> Description:
        """Return which testbed it is, and why."""
        if self.closed:
            return Description(CLOSED)
        items = (
            Item("testbed", Said(self.kind, f"{self.kind} ({self.why})"), "testbed"),
            Item("stack", self.stack),
            Item("kernel", self.kernel, "kernel"),
            Item("", self.port_range, "ephemeral ports"),
            Item("", ", ".join(self.missing) or "nothing", "missing"),
        )
        return Description("", None, self.label, items)

    def __repr__(self) -> str:
        state = "of another process" if self.executor.elsewhere else "closed" if self.closed else ""
        return f"<Testbed: {state or self.summary}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """True once the testbed was closed."""
        return self.executor.closed

    def close(self) -> None:
        """End the worker and with it the namespace. Runs that are still held keep their sockets."""
        self._latest = None
        self.executor.shutdown(wait=False, cancel_futures=True)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(stack, *args, **kwargs)`, which must be importable, on this testbed and return its future."""
        self._latest = None
        return self.executor.on_stack(function, *args, **kwargs)

    def ask(self, method: str, *args: Any) -> Any:
        """Return what a method of this testbed's stack answers; what it raises is raised."""
        return self.submit(methodcaller(method, *args)).result()

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass: by the clock on the wall, or at once by that of a simulated kernel."""
        future = self.submit(_sleep, parse_delay(seconds, "seconds", MAX_TIMEOUT))
        try:
            future.result()
        except KeyboardInterrupt:
            self.executor.stop(future)  # or the next call would wait for its end
            raise

    def sibling(self, port_range: Range | None = None, workers: int = 1) -> Self:
        """Open one more testbed of this kind and kernel, with workers of its own, for long work beside this one's."""
        wanted = None if port_range is None else PortRange.parse(port_range)
        try:
            return type(self)(self.kind, self.why, self.executor.sibling(workers, wanted), wanted)
        except NamespaceRefused as refusal:
            raise NotOnThisTestbed(f"no private namespace: {refusal.strerror}") from None

    def _spec(
        self,
        port: Port,
        host: str,
        client: object,
        max_tries: int,
        timeout: float,
        trace: bool = False,
        source: str | None = None,
    ) -> LoopSpec:
        target = self._reachable(self._own(host))
        from_address = None if source is None else self._reachable(self._own(source)).address
        kind = parse_client(client)
        socket_range = self._socket_range
        if kind.own_range and socket_range is None:
            socket_range = self.port_range
        return LoopSpec(target.address, parse_port(port), kind, max_tries, timeout, trace, from_address, socket_range)

    def _own(self, host: object) -> Target:
        """The address that is dialled for `host`: one of this machine, or of this testbed's network."""
        if self._given and host == self._given:  # "" before one was given
            return Target(self._given, self._given)
        return resolve_own(host, self.executor.here.source_for)

    def _reachable(self, target: Target) -> Target:
        """In a namespace only loopback exists; give it the host's own address that is to be dialled."""
        if self.kind == "namespace" and not target.is_loopback:
            self.ask("add_address", target.address)
        return target


def _sleep(stack: Stack, seconds: float) -> None:
    while seconds > 0 and not current_task().stopped():
        part = min(seconds, _AT_ONCE)
        stack.sleep(part)
        seconds -= part
