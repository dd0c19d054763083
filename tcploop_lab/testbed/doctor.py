"""What this machine can do for the course, found out by doing it, and the way out where it cannot.

Nothing of the host is changed: settings are written, and links made, in private namespaces only.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import NotOnThisTestbed
from ..ports.clients import ClientKind
from ..ports.ranges import PortRange
from ..results.description import Description, Table, plainly
from ..results.shown import Shown
from ..stacks import namespace
from ..stacks.executor import NamespaceExecutor
from ..stacks.two_hosts import make_two_hosts
from ..tcp.words import counted
from . import advice
from .check import sample_source_ports
from .limits import cores
from .loop import LoopSpec, free_port
from .opening import open_testbed
from .testbed import Testbed

_OLDEST_PYTHON = (3, 11)
_ONE_PORT = PortRange(40500, 40500)
_HI = b"hi"


@dataclass(frozen=True)
class Capability:
    """One thing the course uses: is it there, what was seen, and what to do if it is not.

    `fix` is empty where `ok`. The course does not work without what is `needed`; the rest opens a part each.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    needed: bool = False


@dataclass(frozen=True, repr=False)
class Doctor(Shown):
    """What this machine can do. `testbed` is the kind it gets, `why` says why it is that one."""

    kernel: str
    testbed: str
    why: str
    capabilities: tuple[Capability, ...]

    @property
    def ok(self) -> bool:
        """True if the course works here with tries of its own, whatever parts of it are missing."""
        return all(item.ok for item in self.capabilities if item.needed)

    @property
    def missing(self) -> tuple[Capability, ...]:
        """The capabilities that are not there."""
        return tuple(item for item in self.capabilities if not item.ok)

    @property
    def summary(self) -> str:
        """One sentence: does the course work here, and what is missing."""
        lacks = ", ".join(item.name for item in self.missing) or "nothing"
        verdict = "the course works here" if self.ok else "the course does not work here"
        if self.testbed == "simulated":
            verdict = "the course runs on a simulated kernel here"
        return f"{verdict}: {self.testbed} testbed ({self.why}) on {self.kernel}; missing: {lacks}"

    def describe(self) -> Description:
        """Return every capability, and the way out for those that are not there."""
        columns = (("name", "capability"), ("ok", "here"), ("detail", "what was seen"), ("fix", ""), ("needed", ""))
        rows = [(item.name, item.ok, item.detail, item.fix, item.needed) for item in self.capabilities]
        return Description(
            self.summary,
            self.ok,
            items=plainly(self, "ok", "kernel", "testbed", "why"),
            tables=(Table("capabilities", columns, rows),),
            notes=tuple(f"{item.name}: {item.fix}" for item in self.missing),
        )


def doctor(kind: str | None = None) -> Doctor:
    """Return what this machine can do, each capability tried out.

    `kind` asks for one of namespace, host, simulated (None: the best there is). Raises ValueError for another kind,
    NotOnThisTestbed if the kind asked for is refused.
    """
    with open_testbed(kind=kind) as testbed:
        capabilities = (*_machine(), *_private_network(), *_on_testbed(testbed), *_programs(), _real_kernels())
        return Doctor(testbed.kernel, testbed.kind, testbed.why, capabilities)


def _capability(name: str, ok: bool, detail: str, fix: str, needed: bool = False) -> Capability:
    return Capability(name, ok, detail, "" if ok else fix, needed)


def _machine() -> Iterator[Capability]:
    new_enough = sys.version_info >= _OLDEST_PYTHON
    yield _capability("python", new_enough, platform.python_version(), advice.PYTHON, needed=True)
    yield _capability("cores", True, f"{counted(cores(), 'core')}: a study keeps as many workers busy", "")


def _private_network() -> Iterator[Capability]:
    try:
        executor = NamespaceExecutor()
    except namespace.NamespaceRefused as refusal:
        way_out = advice.Machine().for_namespace(refusal.errno or 0, refusal.made)
        yield _capability("private namespace", False, refusal.strerror or str(refusal), way_out)
        for name in ("own port range", "two hosts"):
            yield _capability(name, False, "needs a private namespace", advice.NEEDS_NAMESPACE)
        return
    with executor:
        detail = f"{executor.info['network']}, made as {'root' if os.geteuid() == 0 else 'an ordinary user'}"
        yield _capability("private namespace", True, detail, "")
        yield _own_range(executor)
        yield _two_hosts(executor)


def _own_range(executor: NamespaceExecutor) -> Capability:
    name = "own port range"
    try:
        executor.submit(namespace.write_port_range, _ONE_PORT).result()
        seen = executor.submit(namespace.read_port_range).result()
    except OSError as error:
        return _capability(name, False, f"ip_local_port_range: {error.strerror}", advice.Machine().for_own_range())
    detail = f"wrote {_ONE_PORT} in a namespace, read {seen}"
    return _capability(name, seen == _ONE_PORT, detail, advice.Machine().for_own_range())


def _two_hosts(executor: NamespaceExecutor) -> Capability:
    try:
        hosts = executor.submit(make_two_hosts).result()
    except OSError as refusal:
        reason, _, way_out = advice.Machine().for_two_hosts(refusal).partition("; ")
        return _capability("two hosts", False, reason, way_out)
    for host in hosts:
        host.close()
    return _capability("two hosts", True, f"made {len(hosts)}, each with a veth pair of its own", "")


def _on_testbed(testbed: Testbed) -> Iterator[Capability]:
    if not testbed.executor.here.is_shared:
        none = f"no try is made: {testbed.why}"
        yield _capability("self-connection", False, none, advice.NEEDS_NAMESPACE, needed=True)
        return
    port = testbed.submit(free_port).result()
    yield _talks_to_itself(testbed, "self-connection", "127.0.0.1", port, advice.SELF_CONNECTION, needed=True)
    yield _talks_to_itself(testbed, "IPv6 loopback", "::1", port, advice.IPV6)
    yield _source_port(testbed, "range per socket", ClientKind.SOCKET_RANGE, port, advice.SOCKET_RANGE)
    yield _source_port(testbed, "IP_BIND_ADDRESS_NO_PORT", ClientKind.BIND_NO_PORT, port, advice.BIND_NO_PORT)
    yield _capture(testbed, port)


def _talks_to_itself(testbed: Testbed, name: str, host: str, port: int, fix: str, needed: bool = False) -> Capability:
    run = testbed.connect_loop(port, host, "bind-self", max_tries=1, timeout=5.0, progress=False)
    if not run.self_connected:
        return _capability(name, False, run.summary, fix, needed)
    echo = run.echo(_HI)
    run.close()
    detail = f"port {port} of {host} connected to itself, and {echo!r} came back"
    return _capability(name, echo == _HI, detail, fix, needed)


def _source_port(testbed: Testbed, name: str, client: ClientKind, port: int, fix: str) -> Capability:
    asked = PortRange(port, port) if client is ClientKind.SOCKET_RANGE else None
    spec = LoopSpec("127.0.0.1", port, client, max_tries=1, timeout=5.0, socket_range=asked)
    used = list(testbed.submit(sample_source_ports, spec, 1).result())
    if not used:
        return _capability(name, False, "the kernel refuses the option", fix)
    how = f"asked for {port}" if asked else "bind() left it to connect()"
    return _capability(name, asked is None or used == [port], f"{how}, a try used source port {used[0]}", fix)


def _capture(testbed: Testbed, port: int) -> Capability:
    try:
        with testbed.capture(port) as exchange:
            run = testbed.connect_loop(port, client="bind-self", max_tries=1, timeout=5.0, progress=False)
    except NotOnThisTestbed as refusal:
        return _capability("capture", False, str(refusal), advice.CAPTURE)
    run.close()
    count = sum(frame.outgoing for frame in exchange.copies)
    return _capability(
        "capture", count > 0, f"saw the {counted(count, 'segment')} of a self-connection", advice.CAPTURE
    )


def _programs() -> Iterator[Capability]:
    for name, (names, fix) in advice.PROGRAMS.items():
        path = next(filter(None, map(shutil.which, names)), None)
        yield _capability(name, path is not None, path or "not found; the course works without it", fix)


def _real_kernels() -> Capability:
    from .kernels import real_kernels

    found = real_kernels()
    here = ", ".join(found.here) or "none was fetched yet"
    detail = found.refusal or f"they can run here; {here} (tcploop kernels)"
    return _capability("real kernels", not found.refusal, detail, advice.REAL_KERNELS)
