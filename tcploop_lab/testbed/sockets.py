"""The kernel's table of sockets, what ss and lsof say of a port, and the ports to reserve."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..ports.ranges import PortRange, parse_port
from ..results.shown import columns
from ..stacks import constants
from ..stacks.stack import SocketRow, Stack

LOOKS = Path(__file__).parents[1] / "recorded" / "looks.json"
_TOOLS = {"ss": ("ss", "-tanp", "sport = :{port}"), "lsof": ("lsof", "-w", "-nP", "-iTCP:{port}")}
_PACKAGES = {"ss": "iproute2", "lsof": "lsof"}
_HOLDER = ("sleep", "20")  # seconds; it is ended long before
_TOOL_TIMEOUT = 15.0  # seconds
WAIT_LIMIT = 60.0  # seconds that a call on a socket of the lab may wait


@dataclass(frozen=True)
class SocketTable:
    """The sockets that have `port` as their local port. One that only called bind() has no line in the kernel's."""

    port: int
    rows: tuple[SocketRow, ...]

    def __repr__(self) -> str:
        if not self.rows:
            return f"no socket in the table has the local port {self.port}"
        return columns([("local", "peer", "state"), *((row.local, row.peer or "-", row.state) for row in self.rows)])


@dataclass(frozen=True)
class Look:
    """What a tool printed, labelled with the command that made it; `label` says when it was recorded, "" if live."""

    command: str
    output: str
    label: str = ""

    def __repr__(self) -> str:
        head = f"{self.label}; what runs here is another kernel, which no tool can look at\n" if self.label else ""
        return f"{head}$ {self.command}\n{self.output}"


def limit_waiting(sock: socket.socket, python_too: bool = True) -> socket.socket:
    """Let no call on this socket wait for ever, and return it: TimeoutError after `WAIT_LIMIT` seconds.

    The kernel's own limit (SO_RCVTIMEO, socket(7)) goes over to sockets that it accepts, and stays with
    setblocking(True); there the error is BlockingIOError. Python's, `python_too`, is not for a socket that is to dial
    again after a refusal: it makes connect() one that does not block, after which each second one fails.
    """
    sock.setsockopt(constants.SOL_SOCKET, constants.SO_RCVTIMEO, constants.timeval(WAIT_LIMIT))
    if python_too:
        sock.settimeout(WAIT_LIMIT)
    return sock


def parse_reservation(ports: object) -> tuple[PortRange, ...]:
    """Return the ranges in 40100, "40100" or "40100,40200-40210"; ValueError for what is no port or range."""
    parts = str(ports).split(",")
    return tuple(PortRange.parse(part) if "-" in part else PortRange(*[parse_port(part)] * 2) for part in parts)


def socket_rows(stack: Stack, port: int) -> tuple[SocketRow, ...]:
    """Return the lines of the kernel's socket table whose local port is `port`."""
    return tuple(row for row in stack.socket_table() if row.port == port)


def command_of(tool: object, port: int) -> tuple[str, ...]:
    """Return the command that looks at `port` with `tool`; ValueError names the tools there are."""
    if tool not in _TOOLS:
        raise ValueError(f"tool {tool!r}: a tool is one of {', '.join(_TOOLS)}")
    return tuple(part.format(port=port) for part in _TOOLS[str(tool)])


def look(tool: str, port: int, lent: Sequence[socket.socket] = ()) -> Look:
    """Run ss or lsof on `port` and return what it printed.

    Both name the process that has a socket open, but only a process of this testbed. The sockets in `lent`
    are therefore held, while the tool runs, by a `sleep` that does nothing else. A tool that is not installed
    is no error: the text says so.
    """
    command = command_of(tool, port)
    shown = " ".join(f"'{part}'" if " " in part else part for part in command)
    if shutil.which(tool) is None:
        package = _PACKAGES[tool]
        return Look(shown, f"{tool} is not installed here; on Debian and Ubuntu: sudo apt install {package}")
    with _held_by_a_process(lent):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT, stdin=subprocess.DEVNULL)
    lines = [line.rstrip() for line in (done.stdout or done.stderr).splitlines()]
    return Look(shown, "\n".join(lines) or f"{tool} shows nothing on port {port}")


def recorded_look(tool: str) -> Look:
    """Return what the tool printed about a self-connection when that was recorded (`make record`)."""
    from ..results.stored import load

    return load(LOOKS, dict[str, Look])[tool]


@contextlib.contextmanager
def _held_by_a_process(lent: Sequence[socket.socket]) -> Iterator[None]:
    holders = []
    try:
        for sock in lent:
            holders.append(subprocess.Popen(_HOLDER, stdin=sock.fileno(), stdout=subprocess.DEVNULL))
            sock.close()  # the copy that came with the message: only the lab and the holder keep one
        yield
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
