"""The kernel's TCP sockets, asked over netlink (sock_diag(7)): also what /proc/net/tcp has no line for.

Who only called bind() is told since Linux 6.8 (commit 91051f003948), to those who ask for the state below; `ss -B` of
iproute2 6.8 does. A dump of 50,000 sockets is some hundred datagrams, read by offsets. Sources:
include/uapi/linux/inet_diag.h, and tcp.h for struct tcp_info.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from functools import lru_cache

from ..tcp.endpoint import Endpoint
from ..tcp.states import State
from .proc_net import STATES
from .stack import Exchanged, SocketRow, bind_somewhere

_AF_NETLINK = 16  # of Linux; where the system is another one it is refused (OSError)
_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BOTH_FAMILIES, _BY_FAMILY = 18, 20  # TCPDIAG_GETSOCK, as ss asks: one walk through the table; SOCK_DIAG_BY_FAMILY
_ONE, _DUMP = 0x1, 0x301  # NLM_F_REQUEST; with NLM_F_DUMP
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_BOUND_INACTIVE = 1 << 13  # TCP_BOUND_INACTIVE: a state for the question only, the kernel answers CLOSE
_EVERY_STATE = 0xFFF | _BOUND_INACTIVE
_HEADER, _REQUEST = struct.Struct("=IHHII"), struct.Struct("=BBBxI")  # nlmsghdr; inet_diag_req_v2 up to its socket id
_STATES = struct.Struct("=52xI4x")  # inet_diag_req of TCPDIAG_GETSOCK, which asks for states alone
_SOCKET_ID = struct.Struct("!HH16s16s")  # inet_diag_sockid up to the interface and the cookie
_KIND, _NUMBER, _SIGNED = struct.Struct("=IH"), struct.Struct("=I"), struct.Struct("=i")
_NUMBERS = struct.Struct("=BB38xI20xII")  # of an inet_diag_msg: family, state, interface, user and inode
_NO_PEER = (State.LISTEN, State.CLOSED)
_ANY_COOKIE = b"\xff" * 8  # INET_DIAG_NOCOOKIE
_ID, _ATTRIBUTES = 4, 72  # where they begin in an inet_diag_msg
_INFO = 2  # INET_DIAG_INFO: a struct tcp_info
# Of a struct tcp_info: last_data_sent, total_retrans, bytes_acked up to segs_in, data_segs_in and _out, bytes_sent.
_SILENT_AT, _LOST_AT, _COUNTERS_AT, _DATA_AT, _SENT_AT = 44, 100, 120, 152, 200
_COUNTERS, _DATA_SEGMENTS = struct.Struct("=QQII"), struct.Struct("=II")
_TIMEOUT = 5.0  # seconds
_LARGEST = 1 << 16  # bytes; the kernel fills at most 32 KiB at once


def sockets() -> tuple[SocketRow, ...]:
    """Return every TCP socket of this thread's network; who is only bound is CLOSED, where the kernel tells.

    Raises OSError where there is no netlink, or no inet_diag in this kernel.
    """
    return tuple(_ask(_EVERY_STATE))


def exchanged(row: SocketRow) -> Exchanged | None:
    """Return what the socket has sent and received; None where it is gone, or the kernel does not tell."""
    local, peer = Endpoint.parse(row.local), Endpoint.parse(row.peer)
    family = socket.AF_INET6 if ":" in local.address else socket.AF_INET
    packed = (socket.inet_pton(family, end.address).ljust(16, b"\0") for end in (local, peer))
    name = struct.pack("!HH16s16s", local.port, peer.port, *packed) + _NUMBER.pack(row.interface) + _ANY_COOKIE
    with contextlib.suppress(OSError):
        question = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_INFO - 1), _EVERY_STATE) + name
        for data, begin, end in _answers(_BY_FAMILY, _ONE, question):
            return _exchanged(_attribute(data[begin:end], _INFO))
    return None


def bound_only(port: int) -> tuple[str, ...] | None:
    """Return the local names of the sockets that only hold `port`; None where the kernel does not tell.

    An older kernel answers as if there were none, so a socket of our own must be among the answers.
    """
    with socket.socket() as own:
        bind_somewhere(own, "127.0.0.1")
        try:
            told = [row.local for row in _ask(_BOUND_INACTIVE)]
        except OSError:
            return None
        known = str(Endpoint.of(own.getsockname()))
    return tuple(name for name in told if name.endswith(f":{port}") and name != known) if known in told else None


def _ask(states: int) -> Iterator[SocketRow]:
    """Yield the sockets of this network that are in one of these states."""
    no_peer, own_user = [number for number, state in STATES.items() if state in _NO_PEER], os.geteuid()
    for data, begin, _ in _answers(_BOTH_FAMILIES, _DUMP, _STATES.pack(states)):
        family, number, interface, user, inode = _NUMBERS.unpack_from(data, begin)
        port, to, source, target = _SOCKET_ID.unpack_from(data, begin + _ID)
        peer = "" if number in no_peer else f"{_written(family, target)}:{to}"
        others = bool(inode) and user != own_user  # what waits in TIME-WAIT is nobody's
        yield SocketRow(f"{_written(family, source)}:{port}", peer, STATES[number], inode, interface, others)


def _answers(kind: int, flags: int, question: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield, for each answer to one question, a datagram, and where in it the answer begins and ends.

    Raises OSError where the kernel refuses.
    """
    with socket.socket(getattr(socket, "AF_NETLINK", _AF_NETLINK), socket.SOCK_RAW, _SOCK_DIAG) as netlink:
        netlink.settimeout(_TIMEOUT)
        netlink.send(_HEADER.pack(_HEADER.size + len(question), kind, flags, 1, 0) + question)
        while True:
            data, at = netlink.recv(_LARGEST), 0
            while at < len(data):
                length, answer = _KIND.unpack_from(data, at)
                if answer == _DONE:
                    return
                if answer == _ERROR:
                    number = -_SIGNED.unpack_from(data, at + _HEADER.size)[0]
                    raise OSError(number or errno.EIO, os.strerror(number or errno.EIO))
                yield data, at + _HEADER.size, at + length
                at += length + 3 & ~3
            if flags == _ONE:
                return


@lru_cache(4096)
def _written(family: int, packed: bytes) -> str:
    """An address as names have it, an IPv6 one in brackets."""
    if family == socket.AF_INET6:
        return f"[{socket.inet_ntop(family, packed)}]"
    return socket.inet_ntop(socket.AF_INET, packed[:4])


def _attribute(answer: bytes, wanted: int) -> bytes:
    """The value of an attribute behind an inet_diag_msg; empty if it is not there."""
    at = _ATTRIBUTES
    while at + 4 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, at)
        if kind == wanted:
            return answer[at + 4 : at + length]
        at += max(4, length + 3 & ~3)
    return b""


def _exchanged(info: bytes) -> Exchanged | None:
    """What a struct tcp_info says; all but the last field have been there since Linux 4.6."""
    if len(info) < _DATA_AT + _DATA_SEGMENTS.size:
        return None
    acknowledged, received, segments_out, segments_in = _COUNTERS.unpack_from(info, _COUNTERS_AT)
    retransmitted, silent = (int.from_bytes(info[at : at + 4], sys.byteorder) for at in (_LOST_AT, _SILENT_AT))
    sent = int.from_bytes(info[_SENT_AT : _SENT_AT + 8], sys.byteorder) if len(info) >= _SENT_AT + 8 else None
    return Exchanged(
        bytes_sent=sent,
        bytes_acknowledged=max(acknowledged - 1, 0),  # the SYN counts as one
        bytes_received=received,
        segments_sent=segments_out,
        segments_received=segments_in,
        retransmitted=retransmitted,
        silent_s=silent / 1000,
        has_data=any(_DATA_SEGMENTS.unpack_from(info, _DATA_AT)),
    )
