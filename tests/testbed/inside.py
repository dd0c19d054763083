"""Functions that tests run inside a testbed's worker: a worker can only run what it can import."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import time
from pathlib import Path
from typing import Any

from tcploop_lab.stacks.task import current_task
from tests.matrix.seccomp import NUMBERS, Refusal
from tests.matrix.seccomp import refuse as refuse_calls


def listen(address: str, port: int, reuse: bool = False) -> socket.socket:
    """Return a listening socket of the namespace."""
    sock = hold(address, port, reuse)
    sock.listen()
    return sock


def hold(address: str, port: int, reuse: bool = False) -> socket.socket:
    """Return a socket of the namespace that holds the port with bind() and does not listen."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
    sock.bind((address, port))
    return sock


def dial(address: str, port: int, timeout: float) -> int:
    """Return the errno of one connect()."""
    with socket.socket() as sock:
        sock.settimeout(timeout)
        return sock.connect_ex((address, port))


def read(path: str) -> str:
    """Return the text of a file as the worker sees it."""
    with open(path) as file:
        return file.read()


def die() -> None:
    """End the worker in the middle of a task."""
    os._exit(9)


def fail(text: str) -> None:
    """Raise a plain error."""
    raise LookupError(text)


def unsendable() -> Any:
    """Return something that cannot be pickled."""
    return lambda: None


def wait_for_stop(seconds: float, *_: bytes) -> str:
    """Work until the lab says stop, and tell how it ended; what else is given makes the message of the task longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        current_task().report("working")
        if current_task().stopped():
            return "stopped"
        time.sleep(0.01)
    return "not stopped"


def network_after(seconds: float) -> str:
    """Stay busy for a while, then tell which network namespace this is."""
    time.sleep(seconds)
    return os.readlink("/proc/self/ns/net")


def drop_capabilities() -> None:
    """Give up every capability of this worker for good: capset(2) with empty sets."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def no_netlink() -> None:
    """Let the kernel refuse netlink sockets to this worker, as a sandbox does."""
    refuse_calls([Refusal("socket", errno.EPERM, equal=[(0, socket.AF_NETLINK)])])


def no_packet_sockets() -> None:
    """Let the kernel refuse packet sockets to this worker."""
    refuse_calls([Refusal("socket", errno.EPERM, equal=[(0, socket.AF_PACKET)])])


def no_more_networks() -> None:
    """Let this worker have two network namespaces beside its own, one too few: the cable's, and A's."""
    Path("/proc/sys/user/max_net_namespaces").write_text("3")


def open_files() -> int:
    """Return how many files this worker has open."""
    return len(os.listdir("/proc/self/fd")) - 1


def no_processes() -> None:
    """Let the kernel refuse every new process, as it does at the limit."""
    calls = NUMBERS[platform.machine()].keys() & {"clone", "clone3", "vfork"}
    refuse_calls([Refusal(call, errno.EAGAIN) for call in calls])
