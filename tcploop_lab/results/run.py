"""What the lab hands back: plain values that show themselves."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ports.clients import ClientKind
from ..ports.ranges import PortRange
from ..tcp import closing
from ..tcp.endpoint import Endpoint
from ..tcp.words import counted
from .description import Description, Item, Said, plainly
from .shown import Shown


def label_of(stack: str, kernel: str) -> str:
    """Return what a result must be shown with: the kernel where it is not live, "" where it is."""
    return "" if stack == "live" else kernel


def labelled(text: str, label: str) -> str:
    """Return a text with its label in brackets behind it; a live result has none."""
    return f"{text} ({label})" if label else text


@dataclass(frozen=True, repr=False)
class Run(Shown):
    """One connect loop, as it went.

    `tries` counts connect calls, the successful one included; `seconds` is the loop's own time; `errors` counts
    the failures per errno name; `stopped` is connected, max-tries, timeout, interrupted or error; `held_by` says whose
    sockets held the port of a loop that did not connect; `trace` holds the source port of every try, if it was asked
    for; `socket` is live where the loop connected.
    """

    port: int
    host: str
    client: ClientKind
    port_range: PortRange
    tries: int
    seconds: float
    stopped: str
    errors: Mapping[str, int]
    local: Endpoint | None
    peer: Endpoint | None
    max_tries: int
    kernel: str
    trace: array[int] | None = field(default=None, repr=False)
    socket: Any = field(default=None, repr=False, compare=False)
    stack: str = "live"
    held_by: tuple[str, ...] = ()

    figure = "walk"
    of_the_lab = frozenset({"arm_reset"})

    @property
    def connected(self) -> bool:
        """True if a connect() returned 0, whoever answered."""
        return self.stopped == "connected"

    @property
    def self_connected(self) -> bool:
        """True if both ends have the same name: the socket talks to itself, as long as no NAT rewrites names here."""
        return self.connected and self.local == self.peer

    @property
    def interrupted(self) -> bool:
        """True if an interrupt ended the loop."""
        return self.stopped == "interrupted"

    @property
    def label(self) -> str:
        """What the run must be shown with; "" if it is live."""
        return label_of(self.stack, self.kernel)

    @property
    def rate(self) -> float:
        """Tries per second."""
        return self.tries / self.seconds if self.seconds else 0.0

    def echo(self, data: bytes = b"hello, me") -> bytes:
        """Write `data` to the socket and return what comes back on it within two seconds.

        Raises RuntimeError if there is no live socket, TimeoutError if nothing comes back.
        """
        sock = self.socket
        if sock is None or sock.fileno() < 0:
            raise RuntimeError(f"this run has no open socket (it ended: {self.stopped}); run connect_loop again")
        before = sock.gettimeout()
        sock.settimeout(2.0)
        try:
            sock.sendall(data)
            received = b""
            while len(received) < len(data) and (chunk := sock.recv(len(data) - len(received))):
                received += chunk
        finally:
            sock.settimeout(before)
        return received

    def close(self, reset: bool = True) -> None:
        """Close the connection: by a reset, which frees the port at once, or in order, which leaves TIME-WAIT."""
        self._linger(closing.RESET if reset else closing.ORDERLY)
        if self.socket is not None:
            self.socket.close()

    def arm_reset(self) -> None:
        """Let a socket that is merely forgotten end by a reset, so that no TIME-WAIT blocks the next loop."""
        self._linger(closing.RESET)

    def _linger(self, setting: bytes) -> None:
        if self.socket is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                self.socket.setsockopt(closing.SOL_SOCKET, closing.SO_LINGER, setting)

    @property
    def summary(self) -> str:
        """One sentence: how the loop ended, after how many tries, at which rate, and where if that is not live."""
        return f"{self.label}: {self._story}" if self.label else self._story

    def describe(self) -> Description:
        """Return what the run says; `seconds` is the loop's own time, `rate` is in tries per second."""
        pace = f"{self.seconds:.3f} ({self.rate:,.0f} tries/s)"
        failed = ", ".join(f"{count:,} x {name}" for name, count in self.errors.items()) or "none"
        items = (
            *plainly(self, "port", "host", "connected", "max_tries", "rate", "held_by", "reason", "stopped", "stack"),
            Item("self_connected", self.self_connected, "connected to itself"),
            Item("tries", self.tries, "tries"),
            Item("seconds", Said(self.seconds, pace), "seconds"),
            Item("local", self.local, "local"),
            Item("peer", self.peer, "peer"),
            Item("errors", Said(self.errors, failed), "failed tries"),
            Item("client", Said(self.client, f"{self.client}, {self.client.description}"), "client"),
            Item("range", self.port_range, "range"),
            Item("kernel", self.kernel, "kernel"),
        )
        return Description(self.summary, self.self_connected, self.label, items)

    @property
    def _story(self) -> str:
        tries = counted(self.tries, "try")
        pace = f"{tries} ({self.seconds:.2f} s, {self.rate:,.0f} tries/s)"
        if self.self_connected:
            return f"connected to itself: {self.local} = {self.peer} after {pace}"
        if self.connected:
            return f"a listener answered: {self.local} -> {self.peer} after {pace}"
        return f"no self-connection on {self.host} port {self.port} within {pace}; {self._ending}"

    @property
    def reason(self) -> str:
        """Why connect() failed with EINVAL, in words, as macOS does; "" for any other end."""
        if self.stopped != "error" or "EINVAL" not in self.errors:
            return ""
        if self.client.new_socket or self.tries == 1:
            return "this kernel refuses a socket its own address and port"
        return "on this kernel only the first connect() of a socket counts; --client new-socket makes one for each try"

    @property
    def _ending(self) -> str:
        others = [f"{name} x {count}" for name, count in self.errors.items() if name != "ECONNREFUSED"]
        cause = "an interrupt" if self.interrupted else self.stopped.replace("-", " ")
        stopped = "stopped by " + ", ".join([cause, *others])
        stopped = f"{stopped}: {self.reason}" if self.reason else stopped
        return f"{stopped}; the port is held by {' and '.join(self.held_by)}" if self.held_by else stopped
