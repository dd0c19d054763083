"""What belongs to the process that made it: a fork has copies of its memory, but none of its threads."""

from __future__ import annotations

import os


class OfOneProcess:
    """A thing that works in the process that made it, and in no fork of it."""

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
