"""How a kernel is started: a command line, and what it inherits."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field

from ...errors import NotOnThisTestbed


@dataclass(frozen=True)
class Program:
    """A program that is a kernel, or runs one; its `descriptors` are closed once it has them."""

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()


def no_place(error: OSError) -> NotOnThisTestbed:
    """Return the error for a place for short-lived files that takes none, with the way out."""
    where = error.filename or tempfile.tempdir
    return NotOnThisTestbed(f"{where}: {error.strerror}; TMPDIR names another place".removeprefix("None: "))
