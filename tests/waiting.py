"""Tests wait for conditions, never for times: the limit is what a busy machine meets, not what an idle one needs."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> float:
    """Wait until the condition holds, and return the seconds it took; AssertionError if it never does."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not so within {seconds:g} s"
        time.sleep(0.01)
    return time.monotonic() - began
