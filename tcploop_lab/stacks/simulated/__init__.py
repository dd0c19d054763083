"""A simulated kernel: TCP of a chosen version, in pure Python, with its own clock (SimulatedStack)."""

from __future__ import annotations

from ...errors import Deadlock
from .stack import SimulatedStack
from .versions import version

__all__ = ["Deadlock", "SimulatedStack", "version"]
