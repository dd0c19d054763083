"""Tests wait for conditions, never for times: the limit is what a busy machine meets, not what an idle one needs."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

PATIENCE = 60.0  # seconds


def wait_until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; AssertionError if it never does. How long things take, benchmarks tell."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not so within {PATIENCE:g} s"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; who has not been waited for has, too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(*pids: int) -> None:
    """Return when these processes have ended."""
    wait_until(lambda: all(map(is_gone, pids)))
