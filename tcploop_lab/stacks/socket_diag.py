"""Who only holds a port: the sockets that called bind() and nothing else, asked over netlink.

/proc/net/tcp, and with it netstat and psutil, has no line for them. The kernel's socket monitoring (sock_diag(7)) tells
them since Linux 6.8 (commit 91051f003948), to those who ask for the state below; `ss -B` of iproute2 6.8 does.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from ..tcp.endpoint import Endpoint
from .stack import bind_somewhere

_SOCK_DIAG, _BY_FAMILY, _DUMP = 4, 20, 0x301  # NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP
_NO_ANSWER = (2, 3)  # NLMSG_ERROR, NLMSG_DONE
_BOUND_INACTIVE = 1 << 13  # TCP_BOUND_INACTIVE: a state for the question only, the kernel answers CLOSE
_HEADER, _REQUEST = struct.Struct("=IHHII"), struct.Struct("=BBBxI")  # nlmsghdr; inet_diag_req_v2 up to its socket id
_SOCKET_ID = struct.Struct("!HH16s16s12x")  # inet_diag_sockid: ports, addresses, interface and cookie
_TIMEOUT = 5.0  # seconds


def bound_only(port: int) -> tuple[str, ...] | None:
    """Return the local names of the sockets that only hold `port`; None where the kernel does not tell.

    An older kernel answers as if there were none, so a socket of our own must be among the answers.
    """
    with socket.socket() as own:
        bind_somewhere(own, "127.0.0.1")
        try:
            told = [name for family in (socket.AF_INET, socket.AF_INET6) for name in _ask(family)]
        except OSError:  # no netlink here, or no inet_diag in this kernel
            return None
        known = str(Endpoint.of(own.getsockname()))
    return tuple(name for name in told if name.endswith(f":{port}") and name != known) if known in told else None


def _ask(family: int) -> Iterator[str]:
    """Yield the local names of all sockets of this network that are only bound."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as netlink:
        netlink.settimeout(_TIMEOUT)
        question = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _BOUND_INACTIVE) + bytes(_SOCKET_ID.size)
        netlink.send(_HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _DUMP, 1, 0) + question)
        while True:
            for kind, answer in _messages(netlink.recv(1 << 16)):
                if kind in _NO_ANSWER:
                    return
                yield _name(answer)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[length + 3 & ~3 :]


def _name(answer: bytes) -> str:
    """The local name in an inet_diag_msg: family, state, timer and retransmissions, then the socket id."""
    port, _, source, _ = _SOCKET_ID.unpack_from(answer, 4)
    address = socket.inet_ntop(answer[0], source if answer[0] == socket.AF_INET6 else source[:4])
    return str(Endpoint(address, port))
