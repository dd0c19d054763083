"""What belongs to the process that made it: a fork has copies of its memory, but none of its threads."""

from __future__ import annotations

import os

CLOSED = "this testbed is closed: open another one with open_testbed()"


class OfOneProcess:
    """A thing that works until it is closed, in the process that made it, and in no fork of it."""

    closed = False

    def __init__(self) -> None:
        self._owner = os.getpid()

    @property
    def elsewhere(self) -> bool:
        """True in a fork of the process that it belongs to."""
        return os.getpid() != self._owner

    def must_be_at_home(self) -> None:
        """Raise RuntimeError in a fork, where every call would wait for a thread that is not there."""
        if self.elsewhere:
            raise RuntimeError(
                f"this testbed belongs to process {self._owner}, and this is a fork of it, process {os.getpid()}: "
                "open another one here with open_testbed()"
            )

    def must_be_usable(self) -> None:
        """Raise RuntimeError in a fork, and once it was closed."""
        self.must_be_at_home()
        if self.closed:
            raise RuntimeError(CLOSED)
