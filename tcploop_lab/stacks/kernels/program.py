"""How a kernel is started: a command line, and what it inherits."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """A program that is a kernel, or runs one; its `descriptors` are closed once it has them."""

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()
