"""What can go wrong with a stack, beside what a kernel answers."""

from __future__ import annotations

from ..errors import NotOnThisTestbed

__all__ = ["Deadlock", "NotOnThisTestbed"]


class Deadlock(RuntimeError):
    """A call would wait for ever. The text says who waits for what, in one line."""
