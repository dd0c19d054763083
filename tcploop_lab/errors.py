"""What a testbed says when it cannot do something."""

from __future__ import annotations


class NotOnThisTestbed(RuntimeError):
    """This testbed cannot do what was asked. The text gives the reason and the way out, in one line."""


class WorkerDied(RuntimeError):
    """The worker process ended before its task did. What it had measured in that task is lost."""
