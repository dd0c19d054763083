"""What an audit's sandbox lets in, and how much: the part of it that users choose."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .places import own_home, within

LIMITS = {
    "processes": 1000,  # threads count as well
    "memory": 2 << 30,  # bytes that one process may write to, without what it shares (setrlimit(2), RLIMIT_DATA)
    "file-size": 256 << 20,  # bytes of one file; and of all files of HOME, and of TMPDIR
    "output": 64 << 20,  # bytes
}
_FEWEST_PROCESSES = 8  # the sandbox's own are three
_LEAST_MEMORY = 32 << 20  # bytes: Python, which starts the program, needs half of it
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_FROM_THE_CALLER = re.compile(r"PATH|LANG|LANGUAGE|LC_\w+|TZ|TERM|USER|LOGNAME|SHELL")


@dataclass(frozen=True)
class Sandbox:
    """What a program under audit gets beside the least.

    `environment` names variables of the caller's that it has as well; `shares` are paths that it may use as the caller
    may; `limits` maps names of LIMITS to numbers. With `strict` nothing is run unless every layer is there, and
    io_uring is refused, whose calls no filter sees. ValueError for what cannot be.
    """

    environment: Sequence[str] = ()
    shares: Sequence[str] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    strict: bool = False

    def __post_init__(self) -> None:
        for name in self.environment:
            if name not in os.environ:
                raise ValueError(f"env {name!r}: there is no such variable; set it, or leave --env {name} out")
        for path in self.shares:
            if not os.path.exists(path):
                raise ValueError(f"share {path!r}: there is no such file or folder; give one that exists")
            _check_share(path)
        for name, most in self.limits.items():
            _check_limit(name, most)
        object.__setattr__(self, "limits", LIMITS | dict(self.limits))
        object.__setattr__(self, "shares", tuple(map(os.path.abspath, self.shares)))

    def variables(self, caller: Mapping[str, str]) -> dict[str, str]:
        """Return the program's environment: what is harmless and what was named; HOME and TMPDIR are set inside."""
        return {
            name: value
            for name, value in caller.items()
            if _FROM_THE_CALLER.fullmatch(name) or name in self.environment
        }


def _check_share(path: str) -> None:
    real = os.path.realpath(path)
    if any(within(real, system) for system in ("/proc", "/sys", "/dev")):
        raise ValueError(f"share {path!r}: this shows the machine, not files; give a folder of files")
    if any(within(own, real) for own in ("/tmp", "/var/tmp", own_home())):
        raise ValueError(f"share {path!r}: the program has a HOME and a TMPDIR of its own there; give a folder in it")


def parse_limit(text: str) -> tuple[str, int]:
    """Return the name and the number of a limit, such as "memory=512M"; ValueError for anything else."""
    found = re.fullmatch(r"([a-z-]+)=([0-9]{1,15})([KMG]?)", str(text))
    if not found:
        raise ValueError(f"limit {text!r}: give NAME=NUMBER, with K, M or G; the names are {', '.join(LIMITS)}")
    name, number, unit = found.groups()
    most = int(number) * _UNITS[unit]
    _check_limit(name, most)
    return name, most


def _check_limit(name: str, most: object) -> None:
    if name not in LIMITS:
        raise ValueError(f"limit {name!r}: the limits are {', '.join(LIMITS)}")
    least = {"processes": _FEWEST_PROCESSES, "memory": _LEAST_MEMORY}.get(name, 1)
    if not isinstance(most, int) or isinstance(most, bool) or not least <= most < 1 << 50:
        raise ValueError(f"limit {name}={most!r}: give a whole number of at least {least}, such as {LIMITS[name]}")
