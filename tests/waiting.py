"""Tests wait for conditions, never for times: the limit is what a busy machine meets, not what an idle one needs."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds


def wait_until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; AssertionError if it never does. How long things take, benchmarks tell."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not so within {PATIENCE:g} s"
        time.sleep(0.01)
