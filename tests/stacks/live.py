"""Scripts and programs on the kernel itself, each in a network of its own, in the worker of a namespace testbed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from tcploop_lab.stacks import interfaces
from tcploop_lab.stacks.stack import Stack

_CLONE_NEWNET = 0x40000000


def on_the_kernel(stack: Stack, function: Callable[[Stack, Any], Any], argument: Any) -> Any:
    """Call a function in a fresh network namespace, which takes the place of the one before."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare()")
    interfaces.switch_on("lo")
    return function(stack, argument)
