"""The lab's own errors: one family, with one base."""

from __future__ import annotations


class LabError(RuntimeError):
    """Something that the lab cannot do. The text gives the reason and the way out, in one line."""


class NotOnThisTestbed(LabError):
    """This testbed cannot do what was asked."""


class WorkerDied(LabError):
    """The worker process ended before its task did. What it had measured in that task is lost."""


class Deadlock(LabError):
    """A call on a simulated kernel would wait for ever. The text says who waits for what."""
