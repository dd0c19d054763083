"""What the lab asks of the worker that runs a program for an audit, and what the worker saw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..stacks.stack import Frame, SocketRow
from ..testbed.hosts import Target
from .sandbox.wanted import Sandbox

INTERRUPT = "an interrupt"
Held = Literal["never", "always", "since the dial"]


@dataclass(frozen=True)
class Order:
    """What to run and how long. With a `caller` there is an echo on the port, for comparison, which is dialled from
    that one: nobody meets itself then. With `held` nobody else can have the port either, before and after the dial, or
    after it alone.

    `attempts` is how many self-connections may come about; `enough` ends the run that many seconds after the program
    dialled. `sandbox` is what users chose of it, `own` are files that the command reads, `lab` has the numbers of the
    lab's namespaces.
    """

    command: tuple[str, ...]
    target: Target
    port: int
    timeout: float
    attempts: int
    folder: str
    environment: Mapping[str, str]
    sandbox: Sandbox
    lab: Mapping[str, str]
    own: tuple[str, ...] = ()
    caller: int | None = None
    held: Held = "never"
    enough: float | None = None

    @property
    def control(self) -> bool:
        """True if it is run with an echo."""
        return self.caller is not None


@dataclass
class Report:
    """What the worker saw. `ended` is the time at which it ended what still ran, None if all ended by themselves.

    `control` is the order's; `stands_in` is True where a listener was the echo; `files` is what `left_in` read;
    `status` is that of the command, None where the lab ended that. `written` is what `Written` counted. `layers` are
    those of the sandbox, `missing` says by name why others were not there.
    """

    control: bool = False
    stands_in: bool = False
    frames: list[Frame] = field(default_factory=list)
    dropped: int = 0
    whole_until: float = math.inf
    omitted: int = 0
    written: dict[tuple[int, int], int] = field(default_factory=dict)
    output: bytes = b""
    files: str = ""
    status: int | None = None
    ended: float | None = None
    why_ended: str = ""
    left: int = 0
    sockets: tuple[SocketRow, ...] = ()
    seconds: float = 0.0
    failed: int | None = None
    layers: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
