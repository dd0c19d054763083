"""Functions of the C library that Python 3.11 has no name for."""

from __future__ import annotations

import ctypes
import os


def call(name: str, *arguments: object) -> int:
    """Return what a function of the C library returns. OSError with its errno where that is -1."""
    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
