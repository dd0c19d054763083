"""How to look at a live socket from another terminal, and the wait meanwhile."""

from __future__ import annotations

import os
import select
import shutil
import sys

from ..stacks.task import raised_interrupts
from ..testbed.testbed import Testbed
from . import output

UNATTENDED = 10.0  # seconds that the article's program waits where no terminal is there to press Enter


def commands(testbed: Testbed, port: int, as_root: bool) -> tuple[str, ...]:
    """Return the commands that show the socket, for root or for an ordinary user.

    The socket is in the worker's private network, where the host's ss and lsof do not see it. Root enters
    that network alone and still sees the host's processes. An ordinary user must enter the user namespace
    too, and from there the kernel does not tell whose socket it is (user_namespaces(7)): lsof finds nothing.
    """
    ss, lsof = f"ss -tanp 'sport = :{port}'", f"lsof -nP -iTCP:{port}"
    if testbed.kind != "namespace":
        return ss, lsof
    worker = testbed.executor.info["pid"]
    if as_root:
        enter = f"nsenter -n -t {worker}"
        return f"{enter} {ss}", f"{enter} {lsof}"
    enter = f"nsenter --preserve-credentials -U -n -t {worker}"
    return f"{enter} ss -tane 'sport = :{port}'", f"sudo nsenter -n -t {worker} {lsof}"


def hold(testbed: Testbed, port: int, limit: float | None = None) -> None:
    """Say how to look at the socket, then keep it open until Enter (`limit` as in `wait_for_enter`)."""
    output.note("The socket is open. Look at it from another terminal:")
    for line in commands(testbed, port, hasattr(os, "geteuid") and os.geteuid() == 0):
        output.note(f"    {line}")
    missing = [name for name in ("ss", "lsof", "nsenter") if shutil.which(name) is None]
    if missing:
        output.note(f"Not installed here: {', '.join(missing)}; tcploop doctor says how to get them.")
    output.note("Press Enter to close it.")
    wait_for_enter(limit)


def wait_for_enter(limit: float | None = None) -> None:
    """Return when a line or the end of stdin comes; without a terminal, after `limit` seconds at most."""
    if sys.stdin is None or sys.stdin.closed:
        return
    with raised_interrupts():
        if limit is None or sys.stdin.isatty() or _something_comes(limit):
            sys.stdin.readline()


def _something_comes(limit: float) -> bool:
    """Wait for a line or the end of stdin. Windows can wait for sockets only: there nobody is waited for."""
    try:
        return bool(select.select([sys.stdin], [], [], limit)[0])
    except OSError:
        return False
