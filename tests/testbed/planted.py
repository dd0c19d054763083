"""What is planted in a private network for find() to name: run inside the worker, which keeps the sockets."""

from __future__ import annotations

import array
import contextlib
import shlex
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks import interfaces
from tcploop_lab.stacks.stack import Stack
from tcploop_lab.testbed.exposure import Network, look

from . import inside

OWN = "192.0.2.7"  # TEST-NET-1 (RFC 5737): an address that only the network has
TALK = 300_000  # bytes: more than fits into one segment
_MPTCP = 262  # IPPROTO_MPTCP
_kept: list[Any] = []


def make(address: str = "127.0.0.1", port: int = 0, *options: int, kind: int = 0) -> socket.socket:
    """Return a bound socket that is kept open; `kind` is another protocol than TCP."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, kind)
    for option in options:
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
    sock.bind((address, port))
    _kept.append(sock)
    return sock


def with_itself(address: str, port: int, *options: int, kind: int = 0) -> socket.socket:
    """Return a socket that is connected to itself."""
    sock = make(address, port, *options, kind=kind)
    sock.connect((address, port))
    return sock


def serve(address: str, port: int, *options: int) -> socket.socket:
    """Return a socket that listens."""
    sock = make(address, port, *options)
    sock.listen()
    return sock


def call(server: socket.socket, address: str, port: int = 0, *options: int) -> tuple[socket.socket, socket.socket]:
    """Return both ends of an ordinary connection; the client has this name."""
    client = make(address, port, *options)
    client.connect(server.getsockname())
    _kept.append(server.accept()[0])
    return client, _kept[-1]


def self_connections(stack: Stack) -> list[str]:
    """Plant ten kinds of self-connection, nine where there is no MPTCP; return their names."""
    stack.add_address(OWN)
    plain = ("127.0.0.1", 40500), ("127.0.0.2", 40500), (OWN, 40500), ("::1", 40500), ("::ffff:127.0.0.1", 40502)
    socks = [with_itself(*name) for name in plain]
    talked, unread = with_itself("127.0.0.1", 40504), with_itself("127.0.0.1", 40506)
    for sock, size in ((talked, TALK), (unread, 5)):
        sock.setblocking(False)
        sock.send(b"." * size)
    while talked.recv(TALK) and _waits(talked):
        pass
    shared = with_itself("127.0.0.1", 40508, socket.SO_REUSEADDR)  # its port has a second, ordinary connection
    call(serve("127.0.0.1", 41508), "127.0.0.1", 40508, socket.SO_REUSEADDR)
    with contextlib.suppress(OSError):  # not in every kernel
        socks.append(with_itself("127.0.0.1", 40514, kind=_MPTCP))
    return [written(sock) for sock in (*socks, talked, unread, shared, _under_way(with_itself("127.0.0.1", 40510)))]


def _waits(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def _under_way(sock: socket.socket) -> Any:
    """Leave the socket in a message that nobody has read: no process has it then."""
    name = sock.getsockname()
    near, far = socket.socketpair()
    near.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))])
    _kept.extend((near, far))
    _kept.remove(sock)
    sock.close()
    return type("Named", (), {"getsockname": lambda self: name})()


def written(sock: Any) -> str:
    """The name as find() writes it."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bound_to_an_interface(stack: Stack) -> str:
    """Plant one whose socket is bound to an interface, as all with a link-local address are; return its name."""
    sock = make("127.0.0.9")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    sock.connect(sock.getsockname())
    return written(sock)


def closed_in_order(stack: Stack) -> None:
    """Plant a self-connection that was closed in order."""
    _kept.remove(sock := with_itself("127.0.0.1", 40512))
    sock.close()


def no_self_connections(stack: Stack) -> None:
    """Plant what looks like one and is none: one port at both ends of two addresses, ends of the range, half closed."""
    server = serve("127.0.0.2", 40520)
    call(server, "127.0.0.1", 40520)
    call(server, "127.0.0.1")
    call(serve("::", 40522), "::1")[0].shutdown(socket.SHUT_WR)
    mapped = serve("::", 40524)
    client = make("127.0.0.1")
    client.connect(("127.0.0.1", 40524))
    _kept.append(mapped.accept()[0])
    mapped.close()  # the connection stays, under a mapped name at the server's end


def behind_nat(stack: Stack, says: bytes) -> str:
    """Plant a client that has one name at both ends, and a server that answers; return the name."""
    server = serve("127.0.0.1", 9000)
    stack.redirect(40530, 9000)
    client = make("127.0.0.1", 40530)
    client.connect(("127.0.0.1", 40530))
    _kept.append(server.accept()[0])
    client.send(says)
    _kept[-1].send(_kept[-1].recv(99) if says else b"")
    return written(client)


def ports(stack: Stack) -> None:
    """Plant servers and clients on ports that can loop and on ports that cannot, each for a reason of its own."""
    stack.set_reserved([PortRange(40544, 40546)])
    call(serve("127.0.0.1", 40540), "127.0.0.1")
    for port in (40541, 40546, 9001):
        serve("127.0.0.1", port)
    serve("127.0.0.1", 40548, socket.SO_REUSEPORT)
    make("127.0.0.1", 40548, socket.SO_REUSEPORT)
    stack.redirect(40550, 9001)
    client = make("127.0.0.1")
    client.connect(("127.0.0.1", 40550))


def look_without(stack: Stack, port: int) -> Network:
    """Return what is seen of this network where all sockets of a port are somewhere else."""
    seen = look(stack)
    return replace(seen, sockets=tuple(row for row in seen.sockets if row.port != port))


def look_without_netlink(stack: Stack) -> Network:
    """Return what is seen where netlink is refused."""
    inside.no_netlink()
    return look(stack)


def command(stack: Stack, line: str) -> str:
    """Return what a command of this network prints."""
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def tells_bound(stack: Stack) -> bool:
    """True where the kernel tells who is only bound."""
    return stack.bound_only(1) is not None


def reserve(stack: Stack, *ranges: PortRange) -> None:
    """Reserve these ports."""
    stack.set_reserved(ranges)


def hold(stack: Stack, address: str, port: int) -> None:
    """Hold a port by bind() alone."""
    make(address, port)


def left_by_a_server(stack: Stack, port: int) -> None:
    """Leave a connection that a server has accepted, which listens no more."""
    server = serve("127.0.0.1", port)
    call(server, "127.0.0.1")
    server.close()


def without_loopback(stack: Stack) -> None:
    """Take 127.0.0.1 from lo, as on a machine with IPv6 alone."""
    interfaces.set_address("lo", bytes(4))


def sysctl(stack: Stack, line: str) -> None:
    """Do what `sudo sysctl -w NAME=VALUE` does, in this network; for an ordinary user without sudo, too."""
    name, _, value = shlex.split(line.removeprefix("sudo sysctl -w "))[0].partition("=")
    Path("/proc/sys", *name.split(".")).write_text(value)


def keep(thing: Any) -> None:
    """Keep it open as long as the worker lives."""
    _kept.append(thing)
