"""Functions that tests run inside a testbed's worker: a worker can only run what it can import."""

from __future__ import annotations

import contextlib
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


def run_with_ecn(stack: Any, orders: Any) -> Any:
    """Run a program in a network that asks for ECN, and sends data with a SYN without a cookie."""
    from tcploop_lab.audits.run import run_programs

    for name, value in (("ecn", "1"), ("fastopen", "5")):
        Path(f"/proc/sys/net/ipv4/tcp_{name}").write_text(value)
    return run_programs(stack, orders)


def run_without_nftables(stack: Any, orders: Any) -> Any:
    """Run a program where a listener must be the echo."""
    from tcploop_lab.audits.run import run_programs

    no_netlink()
    return run_programs(stack, orders)


def run_without_rights(stack: Any, orders: Any) -> Any:
    """Run a program from a worker that may not make a process namespace."""
    from tcploop_lab.audits.run import run_programs

    Path("/proc/sys/user/max_pid_namespaces").write_text("0")
    return run_programs(stack, orders)


def talk_to(stack: Any, whom: str, data: bytes, ending: str) -> tuple[bytes, str]:
    """Write, close for writing if `ending` is half, and return what is read, and how that ended."""
    from tcploop_lab.audits.echo import listener, mirror
    from tcploop_lab.audits.scene import set_scene
    from tcploop_lab.testbed.hosts import resolve_own

    set_scene(stack, resolve_own("127.0.0.1"), 33334, None if whom == "itself" else 33336)
    others = {"itself": contextlib.nullcontext(), "listener": listener(33334), "mirror": mirror(33334)}
    with others[whom], socket.create_connection(("127.0.0.1", 33334)) as sock:
        assert (sock.getsockname() == sock.getpeername()) == (whom == "itself")
        sock.sendall(data)
        if ending == "half":
            sock.shutdown(socket.SHUT_WR)
        return read_to_the_end(sock, len(data), ending)


def read_to_the_end(sock: socket.socket, size: int, ending: str) -> tuple[bytes, str]:
    """Return what comes, and whether the stream ended after it, or nothing more came."""
    got = b""
    sock.settimeout(0.5 if ending == "nothing" else 30.0)
    with contextlib.suppress(TimeoutError):
        while data := sock.recv(1 << 16):
            got += data
        return got, "end"
    return got, "nothing"


def run_without_processes(stack: Any, orders: Any) -> Any:
    """Run a program from a worker that can make no process, as where a limit is reached."""
    from tcploop_lab.audits.run import run_programs

    no_processes()
    return run_programs(stack, orders)


def no_processes() -> None:
    """Let the kernel refuse every new process, as it does at the limit."""
    calls = NUMBERS[platform.machine()].keys() & {"clone", "clone3", "vfork"}
    refuse_calls([Refusal(call, errno.EAGAIN) for call in calls])


def run_while_a_file_goes(stack: Any, orders: Any) -> Any:
    """Run a program where a file that bubblewrap was told of is gone, twice, when it wants to enter."""
    from tcploop_lab.audits.run import run_programs
    from tcploop_lab.audits.sandbox.entrance import Entrance

    words, left = Entrance.words, [["--ro-bind", "/no/such/file", "/no/such/file"]] * 2

    def told(way: Any, *program: str) -> list[str]:
        first, *rest = words(way, *program)
        return [first, *(left.pop() if left and program else []), *rest]

    Entrance.words = told  # type: ignore[method-assign]
    return run_programs(stack, orders)
