"""One script: calls on the sockets a to d and on a `stack`, which a reader sees as lines of Python.

It stands apart from what makes scripts: another kernel plays them where hypothesis is not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from socket import AF_INET6
from typing import Any

from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks import constants as c
from tcploop_lab.tcp import closing

PORTS = (20000, 20001, 20002)
LINUX_RANGE = PortRange(32768, 60999)
_LEVELS = {c.SOL_SOCKET: "SOL_SOCKET", c.SOL_IP: "SOL_IP", c.SOL_TCP: "SOL_TCP", c.SOL_IPV6: "SOL_IPV6"}
_PREFIXES = {c.SOL_SOCKET: "SO_", c.SOL_IP: "IP_", c.SOL_TCP: "TCP_", c.SOL_IPV6: "IPV6_"}


@dataclass(frozen=True)
class NameOf:
    """An argument: the name of a socket, as getsockname() of this stack tells it."""

    letter: str

    def __repr__(self) -> str:
        return f"{self.letter}.getsockname()"


@dataclass(frozen=True)
class Call:
    """One line of a script: a method of a socket or of the stack, and the letter that its result gets.

    `timeout` is what settimeout() gets before: no socket waits but where it says so (None: SO_RCVTIMEO, SO_SNDTIMEO).
    """

    on: str
    method: str
    args: tuple[Any, ...] = ()
    into: str = ""
    timeout: float | None = 0.0

    def __str__(self) -> str:
        target = f"{self.into} = " if self.into else ""
        wait = "" if self.timeout == 0 else f"  # timeout {self.timeout}"
        return f"{target}{self.on}.{self.method}({', '.join(_written(self.method, self.args))}){wait}"


Script = tuple[Call, ...]


def _written(method: str, args: tuple[Any, ...]) -> list[str]:
    """Arguments as a reader would write them."""
    if method == "socket":
        return ["AF_INET6" if args[0] == AF_INET6 else "AF_INET"]
    if method.endswith("sockopt"):
        return [_LEVELS[args[0]], _option(*args[:2]), *map(_value, args[2:])]
    return [repr(argument) for argument in args]


def _option(level: int, number: int) -> str:
    return next(name for name, value in vars(c).items() if name.startswith(_PREFIXES[level]) and value == number)


def _value(value: Any) -> str:
    if value in (closing.RESET, closing.ORDERLY):
        return "RESET" if value == closing.RESET else "ORDERLY"
    if isinstance(value, bytes):
        word = int.from_bytes(value, sys.byteorder)
        return f"range_option({word & 0xFFFF}, {word >> 16})" if len(value) == 4 else repr(value)
    return repr(value)


def text(script: Iterable[Call]) -> str:
    """Return a script as Python."""
    return "\n".join(map(str, script))
