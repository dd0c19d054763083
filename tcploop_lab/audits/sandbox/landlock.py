"""Which files a program under audit may use, for Landlock (landlock(7)): it needs no namespace and no rights.

It holds where a file system is mounted writable, too, and for processes that get hold of a descriptor's path. From
version 6 of its interface (Linux 6.12) signals and abstract Unix sockets of others are out of reach as well, from
version 9 (Linux 7.1) those by path. Numbers: include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ...stacks import libc

_CREATE_RULESET, _VERSION = 444, 1
_EXECUTE, _WRITE, _READ, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL, _PATH_SOCKETS = 1 << 13, 1 << 14, 1 << 15, 1 << 16
KNOWS_SOCKETS = 9
_SEE = _EXECUTE | _READ | _READ_FOLDER
_OF_A_FILE = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_SCOPES = 1 << 0 | 1 << 1  # abstract Unix sockets, signals
_SIZES = ((6, 24), (4, 16), (1, 8))  # bytes of struct landlock_ruleset_attr from a version on


def version() -> int:
    """Return the version of the kernel's interface, 0 where there is none."""
    try:
        return libc.call("syscall", _CREATE_RULESET, None, 0, _VERSION)
    except (OSError, AttributeError, TypeError):
        return 0


def rules(see: Iterable[str], write: Iterable[str], use: Iterable[str]) -> dict[str, Any]:
    """Return the settings of a ruleset: what may be seen, what written and created too, what only written (devices)."""
    known = version()
    everything = (1 << 13) - 1
    for right, since in ((_REFER, 2), (_TRUNCATE, 3), (_IOCTL, 5), (_PATH_SOCKETS, KNOWS_SOCKETS)):
        everything |= right if known >= since else 0
    wanted = [(path, _SEE) for path in see] + [(path, everything) for path in write]
    wanted += [(path, _OF_A_FILE | _READ_FOLDER) for path in use]
    there = [(path, right & everything) for path, right in wanted if os.path.exists(path)]
    size = next(size for since, size in _SIZES if known >= since)
    return {"size": size, "handled": everything, "scoped": _SCOPES, "file": _OF_A_FILE & everything, "paths": there}
