"""What an audit's worker runs in place of run_programs(): a program where something is refused, or goes away."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from tcploop_lab.audits.echo import listener, mirror
from tcploop_lab.audits.run import run_programs
from tcploop_lab.audits.sandbox import entrance
from tcploop_lab.audits.scene import set_scene
from tcploop_lab.testbed.hosts import resolve_own

from . import inside


def run_with_ecn(stack: Any, orders: Any) -> Any:
    """Run a program in a network that asks for ECN, and sends data with a SYN without a cookie."""
    for name, value in (("ecn", "1"), ("fastopen", "5")):
        Path(f"/proc/sys/net/ipv4/tcp_{name}").write_text(value)
    return run_programs(stack, orders)


def run_without_nftables(stack: Any, orders: Any) -> Any:
    """Run a program where a listener must be the echo."""
    inside.no_netlink()
    return run_programs(stack, orders)


def run_without_rights(stack: Any, orders: Any) -> Any:
    """Run a program from a worker that may not make a process namespace."""
    Path("/proc/sys/user/max_pid_namespaces").write_text("0")
    return run_programs(stack, orders)


def run_without_processes(stack: Any, orders: Any) -> Any:
    """Run a program from a worker that can make no process, as where a limit is reached."""
    inside.no_processes()
    return run_programs(stack, orders)


def run_while_a_file_goes(stack: Any, orders: Any) -> Any:
    """Run a program where a file that bubblewrap was told of is gone, twice, when it wants to enter."""
    words, left = entrance.Entrance.words, [["--ro-bind", "/no/such/file", "/no/such/file"]] * 2

    def told(way: Any, *program: str) -> list[str]:
        first, *rest = words(way, *program)
        return [first, *(left.pop() if left and program else []), *rest]

    entrance.Entrance.words = told  # type: ignore[method-assign]
    return run_programs(stack, orders)


def talk_to(stack: Any, whom: str, data: bytes, ending: str) -> tuple[bytes, str]:
    """Write, close for writing if `ending` is half, and return what is read, and how that ended."""
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


def run_while_a_secret_goes(stack: Any, orders: Any) -> Any:
    """Run a program where a file that is to be hidden is there at the first look only."""
    look, gone = entrance.places, ["/usr/gone"]

    def places(*asked: Any, **more: Any) -> Any:
        seen = look(*asked, **more)
        return replace(seen, masked=(*seen.masked, *(gone.pop() for _ in gone[:])))

    entrance.places = places
    return run_programs(stack, orders)
