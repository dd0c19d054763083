"""The Linux stack: the real calls, in the network namespace of the process that makes them.

It runs inside a worker; `on_stack` is what a worker calls. Sources: ip(7), tcp(7), packet(7), proc(5).
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..ports.ranges import PortRange, parse_reserved
from . import namespace, packet_filter, proc_net, redirect, socket_diag
from .stack import Frame, Host, SocketRow, bind_somewhere

_ETH_P_ALL = 0x0003
_PACKET_OUTGOING = 4
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_TIMESTAMPNS = 35
_BUFFER = 8 << 20  # bytes asked for; the kernel gives what it allows
_FRAME = 1 << 17  # bytes; loopback's MTU is 65536


def source_for(address: str) -> str | None:
    """Ask the routing table. connect() on a UDP socket only looks the route up (udp(7)): nothing is sent.

    It takes a port before it looks, which fails where all ports of the range are reserved.
    """
    family, anywhere = (socket.AF_INET6, "::") if ":" in address else (socket.AF_INET, "0.0.0.0")
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        bind_somewhere(sock, anywhere)
        sock.connect((address, 9))
        return str(sock.getsockname()[0])
    return None


class LinuxStack:
    """The stack of this process's network namespace."""

    provenance = "live"
    is_shared = True
    look_seconds = 0.0

    port_range = staticmethod(namespace.read_port_range)
    set_port_range = staticmethod(namespace.write_port_range)
    set_step_width = staticmethod(namespace.write_step_width)
    add_address = staticmethod(namespace.add_address)
    source_for = staticmethod(source_for)
    has_ipv6 = staticmethod(socket.has_dualstack_ipv6)
    socket_table = staticmethod(proc_net.socket_table)
    bound_only = staticmethod(socket_diag.bound_only)
    exchanged = staticmethod(socket_diag.exchanged)
    sleep, monotonic = staticmethod(time.sleep), staticmethod(time.monotonic)

    def __init__(self) -> None:
        first, second, third = os.urandom(3)  # secrets would load OpenSSL, in every worker
        self.address = f"127.{64 + first % 64}.{second}.{1 + third % 254}"

    @property
    def kernel(self) -> str:
        """The name of the kernel, such as Linux 6.18; of Debian's the version, which 5.10.0-30 does not tell."""
        debian = re.search(r"Debian (\d+\.\d+\.\d+)", platform.version())
        return f"{platform.system()} {debian[1] if debian else platform.release()}"

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> Any:
        """Return a socket of this namespace."""
        return socket.socket(family, kind)

    def time(self) -> float:
        """Return the time of the system's clock."""
        return time.time()

    def open_packet_socket(self, port: int | None, both_ends: bool = True) -> LivePacketSocket:
        """Return a packet socket on lo. PermissionError without CAP_NET_RAW, AttributeError where there are none."""
        return LivePacketSocket(_packet_socket(port, both_ends))

    def all_sockets(self) -> tuple[SocketRow, ...]:
        """Return all TCP sockets as inet_diag tells them; where it is refused, those of /proc/net/tcp."""
        with contextlib.suppress(OSError):
            return socket_diag.sockets()
        return self.socket_table()

    def counters(self) -> dict[str, int]:
        """Return the TCP counters of this network namespace."""
        lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
        names, values = (line.split()[1:] for line in lines if line.startswith("Tcp:"))
        return {name: int(value) for name, value in zip(names, values, strict=True)}

    def reserved(self) -> tuple[PortRange, ...]:
        """Return the reserved ports of this network namespace; none where the file does not exist."""
        with contextlib.suppress(FileNotFoundError):
            return parse_reserved(namespace.RESERVED_FILE.read_text())
        return ()

    def set_reserved(self, ranges: Sequence[PortRange]) -> None:
        """Reserve these ports in the private namespace, and no others."""
        namespace.write_reserved(",".join(map(str, ranges)))

    def redirect(self, port: int, to: int | None) -> None:
        """Lead who dials the port elsewhere, by a rule of nftables in the private namespace."""
        redirect.remove() if to is None else redirect.redirect(port, to)

    def wait_readable(self, sockets: Sequence[Any], timeout: float) -> list[Any]:
        """select() for reading."""
        return select.select(list(sockets), [], [], max(0.0, timeout))[0]

    def run_beside(self, function: Callable[..., Any], *args: Any) -> threading.Thread:
        """Start a thread, which does not outlive the process."""
        thread = threading.Thread(target=function, args=args, daemon=True)
        thread.start()
        return thread

    def two_hosts(self) -> tuple[Host, Host]:
        """Return two namespaces with a cable between them that is in the lab's hands."""
        from .two_hosts import make_two_hosts

        return make_two_hosts()


@functools.cache
def linux_stack() -> LinuxStack:
    """Return the stack of this process."""
    return LinuxStack()


def on_stack(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function with this process's stack before its own arguments: what a worker runs."""
    return function(linux_stack(), *args, **kwargs)


class LivePacketSocket:
    """A packet socket that is read without waiting. It travels from a worker to the lab as its socket does."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._socket.fileno() < 0

    def fileno(self) -> int:
        """Return the descriptor, for select()."""
        return self._socket.fileno()

    def keep_only(self, program: list[tuple[int, int, int, int]]) -> None:
        """Keep what this program of `packet_filter` keeps, in the place of what it was opened for."""
        packet_filter.attach(self._socket, program)

    def close(self) -> None:
        """End the capture."""
        self._socket.close()

    def frames(self, most: int = sys.maxsize) -> tuple[list[Frame], int]:
        """Return the frames that wait, `most` of them, and how many the kernel dropped since the last call."""
        frames: list[Frame] = []
        with contextlib.suppress(BlockingIOError):
            while len(frames) < most:
                frames.append(_read_frame(self._socket))
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)  # reading sets it to zero
        return frames, struct.unpack("II", statistics)[1]


def _packet_socket(port: int | None, both_ends: bool) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: nothing arrives before bind()
    program = packet_filter.any_port() if port is None else packet_filter.port_filter(port, both_ends)
    packet_filter.attach(sock, program)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setblocking(False)
    sock.bind(("lo", _ETH_P_ALL))
    return sock


def _read_frame(sock: socket.socket) -> Frame:
    data, ancillary, _, address = sock.recvmsg(_FRAME, socket.CMSG_SPACE(16))
    seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2][:16])
    return Frame(seconds + nanoseconds * 1e-9, address[2] == _PACKET_OUTGOING, data)
