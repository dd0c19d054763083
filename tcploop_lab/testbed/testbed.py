"""A testbed is a place where tries happen. All code above it is the same, whichever one it is."""

from __future__ import annotations

import contextlib
import errno
import socket
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import NotOnThisTestbed
from ..ports.clients import Client, parse_client, tells_clients
from ..ports.preconditions import Verdict, judge
from ..ports.ranges import Port, PortRange, Range, parse_port
from ..results.run import Run
from ..stacks.networks import owners
from ..stacks.stack import SocketRow
from . import sockets
from .base import TestbedBase
from .capture import Exchange, why_no_capture
from .check import collect, dial, held_by_another_user
from .crossing import Crossing, open_crossing
from .exposure import look
from .find import Found, found
from .limits import default_max_tries, parse_delay, parse_timeout, parse_tries
from .loop import make_socket
from .sampling import binds_alone, sample_alone
from .sockets import Look, SocketTable
from .waiting import ends_its_cell, wait_for

if TYPE_CHECKING:
    from ..ports.identify import ProbeResult

_STOP_GRACE = 2.0  # seconds a stopped loop gets to hand back what it measured


class Testbed(TestbedBase):
    """A place where tries happen. Make one with `open_testbed()`; close it, or use it in a `with` block.

    `kind` is namespace, host or simulated, `why` says why it is that one, `missing` lists what it cannot do.
    """

    def check(self, port: Port, host: str = "127.0.0.1", client: Client = "same-socket") -> Verdict:
        """Return which preconditions hold for dialling `port` on `host`, each with its evidence.

        Raises ValueError for a bad port, host or client.
        """
        spec = self._spec(port, host, client, max_tries=1, timeout=10.0)
        return replace(judge(self.submit(collect, spec).result()), label=self.label)

    def find(self) -> Found:
        """Return the self-connections of this testbed's network, and the ports that could make one; it only reads."""
        network = self.submit(look).result()
        name = self.executor.info["network"]
        enter = f"nsenter --net=/proc/{self.executor.info['pid']}/ns/net " if self.kind == "namespace" else ""
        return found({name: network}, owners(network.inodes), (), self.stack, self.label, {name: enter})

    @tells_clients
    @ends_its_cell
    def connect_loop(
        self,
        port: Port,
        host: str | None = None,
        client: Client = "same-socket",
        max_tries: int | None = None,
        timeout: float = 60.0,
        trace: bool = False,
        source: str | None = None,
        progress: bool | Callable[[int], None] = True,
    ) -> Run:
        """Dial `port` until a connect succeeds, and return what happened.

            run = testbed.connect_loop(33334, client="new-socket", trace=True)

        `port` is a number or text, `host` an address of this machine: 127.0.0.1 unless named, or this testbed's own
        `address` where, on the host's loopback, another user keeps a self-connection of that port open. `client` is how
        the sockets are made:

            CLIENTS

        `max_tries` None means as many as a port that can loop needs but once in a million; `timeout` is in seconds;
        `trace` keeps the source port of every try; `source` is an address of this host to dial from; `progress` shows
        a bar when it takes long, or is a function that is told the tries so far, some times a second. An interrupt
        ends the loop and returns what was measured; a notebook's cell begins no further one. A self-connection of an
        earlier run on the same port is reset first, since it would hold the port. A call that waits on the run's socket
        ends after 60 s with TimeoutError. Raises ValueError for arguments that are not allowed.
        """
        port_range, kind = self.port_range, parse_client(client)
        tries = default_max_tries(port_range, kind) if max_tries is None else parse_tries(max_tries)
        if host is None:
            host, source = self._undisturbed(port, source)
        spec = self._spec(port, host, kind, tries, parse_timeout(timeout), trace, source)
        if (earlier := self._runs.pop((spec.host, spec.port), lambda: None)()) is not None:
            earlier.close(reset=True)
        future = self.submit(dial, spec)
        show = progress if callable(progress) else spec.max_tries if progress else None
        outcome, sock, held_by = wait_for(self.executor, future, show, _STOP_GRACE)
        seen: dict[str, Any] = vars(outcome) | {"errors": dict(outcome.errors), "held_by": held_by, "socket": sock}
        run = Run(spec.port, spec.host, kind, port_range, max_tries=tries, kernel=self.kernel, stack=self.stack, **seen)
        if sock is not None:
            sockets.limit_waiting(sock)
            run.arm_reset()
            self._runs[spec.host, spec.port] = weakref.ref(run)
            self._latest = run  # or a capture around a run that nobody keeps would show how it is reset
        return run

    def capture(self, port: Port, both_ends: bool = True) -> Exchange:
        """Begin to capture the segments of `port` on loopback; use it in a `with` block.

            with testbed.capture(40000) as exchange:
                testbed.connect_loop(40000)

        `both_ends` keeps only segments from the port to the same port: a self-connection, without the refused tries.
        Raises NotOnThisTestbed where capturing is not allowed.
        """
        number = parse_port(port)
        try:
            packets = self.ask("open_packet_socket", number, both_ends)
        except (OSError, AttributeError) as error:
            raise NotOnThisTestbed(why_no_capture(error, self.kind == "namespace")) from None
        return Exchange(number, packets, self.kernel, self.label)

    def probe(self, tries: int = 400, client: Client = "same-socket") -> ProbeResult:
        """Return which allocator the kernel uses, found from the source ports of refused tries alone."""
        from ..ports.identify import classify

        spec = self._spec(1, "127.0.0.1", client, parse_tries(tries), 30.0)
        ports = self.submit(sample_alone, spec, spec.max_tries).result()
        return replace(classify(ports, spec.socket_range or self.port_range), label=self.label)

    def crossing(self) -> Crossing:
        """Return two new hosts and the cable between them, to use in a `with` block.

        Raises NotOnThisTestbed where namespaces, netlink or packet sockets are refused.
        """
        return open_crossing(self.executor)

    def cross(self, delay: float = 0.05) -> Crossing:
        """Let two hosts connect to each other at once over a cable that takes `delay` seconds, and return it.

        Raises ValueError for a delay that is negative or over 30 s, NotOnThisTestbed as `crossing` does.
        """
        return self.crossing().open().run(parse_delay(delay))

    def tcp_socket(self, host: str = "127.0.0.1") -> socket.socket:
        """Return a new TCP socket of this testbed, neither bound nor connected, to use by hand.

        It belongs to the testbed's network, whichever process uses it. A call that waits ends after 60 s, with
        BlockingIOError.
        """
        spec = self._spec(1, host, "same-socket", max_tries=1, timeout=60.0)
        made: socket.socket = self.submit(make_socket, spec).result()
        return sockets.limit_waiting(made, python_too=False)

    def hold(self, port: Port, host: str = "127.0.0.1") -> socket.socket:
        """Return a socket that holds `port` with bind() and does not listen. Close it to let go of the port.

        Raises ValueError for a bad port or host, OSError (EADDRINUSE) if the port is taken, which names the sockets.
        """
        number, sock = parse_port(port), self.tcp_socket(host)
        try:
            sock.bind((self._own(host).address, number))
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE:
                raise
            rows = [f"{row.local} {row.peer} {row.state}" for row in self.sockets(number).rows]
            there = "; ".join(rows) or f"a socket has port {number} by bind() alone"
            raise OSError(error.errno, error.strerror, there) from None
        return sock

    def listen(self, port: Port, host: str = "127.0.0.1") -> socket.socket:
        """Return a socket that listens on `port`. Close it to end the listening. Raises as `hold` does.

        accept() ends after 60 s with TimeoutError, a call on what it returns with BlockingIOError.
        """
        sock = sockets.limit_waiting(self.hold(port, host))
        sock.listen()
        return sock

    def reserve(self, ports: int | str) -> contextlib.ExitStack:
        """Reserve ports (40100, or "40100,40200-40210"): connect() no longer picks them, bind() may.

        They stay reserved until the end of the `with` block, or until `.close()` of what this returns. Raises
        ValueError for bad ports, NotOnThisTestbed where it is refused.
        """
        wanted = sockets.parse_reservation(ports)
        if self.kind == "host":
            why = (
                "reserved ports are a setting of the whole host, which the lab never changes: use the namespace testbed"
            )
            raise NotOnThisTestbed(why)
        try:
            before = self.ask("reserved")
            self.ask("set_reserved", wanted)
        except OSError as error:
            why = f"ports cannot be reserved here ({error.strerror}); tcploop doctor says what to do"
            raise NotOnThisTestbed(why) from None
        undo = contextlib.ExitStack()
        undo.callback(self.ask, "set_reserved", before)
        return undo

    def use_range(self, port_range: Range) -> contextlib.ExitStack:
        """Use another ephemeral range; that before comes back with the end of the `with` block, or with `.close()`.

        A private network gets it as its own; elsewhere each socket of a loop gets it. Raises ValueError.
        """
        wanted, undo = PortRange.parse(port_range), contextlib.ExitStack()
        if self.kind != "host" and self._socket_range is None:
            before = self.ask("port_range")
            self.ask("set_port_range", wanted)
            undo.callback(self.ask, "set_port_range", before)
        else:
            undo.callback(setattr, self, "_socket_range", self._socket_range)
            self._socket_range = wanted
        return undo

    def redirect(self, port: Port, to: Port) -> contextlib.ExitStack:
        """Lead who dials `port` to the port `to` (NAT), until the end of the `with` block, or until `.close()`.

        Raises ValueError for what is no port, NotOnThisTestbed where it is refused.
        """
        dialled, server = parse_port(port), parse_port(to)
        if self.kind == "host":
            raise NotOnThisTestbed("the lab never changes the NAT of the host: use the namespace testbed")
        try:
            self.ask("redirect", dialled, server)
        except OSError as error:
            raise NotOnThisTestbed(f"a port cannot be redirected here ({error.strerror})") from None
        undo = contextlib.ExitStack()
        undo.callback(self.ask, "redirect", dialled, None)
        return undo

    def sockets(self, port: Port) -> SocketTable:
        """Return the kernel's table of sockets, those with this local port."""
        number = parse_port(port)
        return SocketTable(number, self.submit(sockets.socket_rows, number).result())

    def holders(self, port: Port) -> SocketTable:
        """Return the sockets that only hold `port`: they called bind() and nothing else, so `sockets` has no line.

        Raises ValueError for a bad port, NotOnThisTestbed where the kernel does not tell.
        """
        number = parse_port(port)
        names = self.ask("bound_only", number)
        if names is None:
            raise NotOnThisTestbed("this kernel does not tell which sockets are only bound; Linux 6.8 and later do")
        return SocketTable(number, tuple(SocketRow(name, "", "only bound") for name in names))

    def counters(self) -> dict[str, int]:
        """Return the TCP counters of the testbed's network, such as ActiveOpens, AttemptFails, OutRsts.

        In a namespace nobody else counts there. Raises NotOnThisTestbed where there is no /proc.
        """
        try:
            found: dict[str, int] = self.ask("counters")
            return found
        except FileNotFoundError:
            raise NotOnThisTestbed("the counters are read from /proc/net/snmp, which only Linux has") from None

    def look(self, port: Port, tool: str = "ss") -> Look:
        """Return what ss or lsof prints about `port` inside the testbed, with the command that made it.

        The live socket of a run is lent to a process inside (`sleep`): the tools name no process outside. No tool can
        look into a simulated kernel: there it is what was recorded of a self-connection elsewhere, and says so.
        """
        number = parse_port(port)
        sockets.command_of(tool, number)
        if not self.executor.here.is_shared:
            return sockets.recorded_look(tool)
        found: Look = self.executor.submit(sockets.look, tool, number, self._live_sockets(number)).result()
        return found

    def _live_sockets(self, port: int) -> list[socket.socket]:
        """The open sockets of runs on `port`. On the host none need be lent: the tools see this process."""
        if self.kind != "namespace":
            return []
        runs = [found() for (_, number), found in self._runs.items() if number == port]
        held = [run.socket for run in runs if run is not None and run.socket is not None]
        return [sock for sock in held if sock.fileno() >= 0]

    def _undisturbed(self, port: Port, source: str | None) -> tuple[str, str | None]:
        """Where a loop dials that names no host, and from where."""
        usual = "127.0.0.1"
        shared = source is None and self.kind == "host"
        held = shared and self.submit(held_by_another_user, usual, parse_port(port)).result()
        if held and self.submit(binds_alone).result():
            return self.address, self.address
        return usual, source
