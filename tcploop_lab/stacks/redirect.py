"""Rules of nftables in the calling process's private network: who dials one port is led to another one, or to itself.

Sources: include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h of the Linux kernel. `redirect` is what nft makes of
`tcp dport 47050 redirect to :9000` in a nat chain of the output hook; for `mirror` it has no words.
"""

from __future__ import annotations

import os
import socket
import struct

_NETFILTER, _INET, _IPV4 = 12, 1, 2  # NETLINK_NETFILTER, NFPROTO_INET (IPv4 and IPv6), NFPROTO_IPV4
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_BATCH_BEGIN, _BATCH_END, _TABLES = 0x10, 0x11, 10  # NFNL_MSG_BATCH_*, NFNL_SUBSYS_NFTABLES
_NEW_TABLE, _DELETE_TABLE, _NEW_CHAIN, _NEW_RULE = 0xA00, 0xA02, 0xA03, 0xA06
_OUTPUT_HOOK, _BEFORE_FILTERS = 3, -100  # NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST
_ARRIVAL_HOOK, _FIRST = 0, -300  # NF_INET_PRE_ROUTING, NF_IP_PRI_RAW
_REGISTER, _OTHER, _TRANSPORT_HEADER, _L4PROTO, _EQUAL = 1, 2, 2, 16, 0
_FROM, _TO = 0, 2  # bytes into the header of TCP: the two ports
_READ, _WRITE = 1, 5  # NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_SREG
_TABLE, _CHAIN = b"tcploop\0", b"chain\0"
_TIMEOUT = 5.0  # seconds


def redirect(port: int, to: int) -> None:
    """Lead every connection of this network to TCP `port` to `to`. Raises OSError where the kernel refuses."""
    where = _expression(b"immediate", _with(1, _REGISTER), _nested(2, _attribute(1, struct.pack("!H", to))))
    rule = (*_dialled(port), where, _expression(b"redir", _with(1, _REGISTER)))
    _add(_IPV4, b"nat\0", _OUTPUT_HOOK, _BEFORE_FILTERS, *rule)


def mirror(port: int) -> None:
    """Give back whatever is sent to TCP `port`, by IPv4 or IPv6, with the two ports of each segment swapped.

    So whoever dials it from another port of the same address meets itself, and both names say otherwise. Checksums stay
    right: they are sums, in which a swap changes nothing. Raises OSError where the kernel refuses.
    """
    swap = (_port(_READ, _FROM, _OTHER), _port(_WRITE, _FROM, _REGISTER), _port(_WRITE, _TO, _OTHER))
    _add(_INET, b"filter\0", _ARRIVAL_HOOK, _FIRST, *_dialled(port), *swap)


def remove(mirrored: bool = False) -> None:
    """Take the redirect, or the mirror, away. Raises OSError."""
    _ask(_INET if mirrored else _IPV4, (_DELETE_TABLE, _attribute(1, _TABLE)))


def _add(family: int, kind: bytes, hook: int, priority: int, *rule: bytes) -> None:
    place = _nested(4, _with(1, hook), _with(2, priority))
    _ask(
        family,
        (_NEW_TABLE, _attribute(1, _TABLE)),
        (_NEW_CHAIN, _attribute(1, _TABLE) + _attribute(3, _CHAIN) + place + _attribute(7, kind)),
        (_NEW_RULE, _attribute(1, _TABLE) + _attribute(2, _CHAIN) + _nested(4, *rule)),
    )


def _dialled(port: int) -> tuple[bytes, ...]:
    """What matches segments of TCP to `port`, which is in _REGISTER afterwards."""
    kind = _expression(b"meta", _with(1, _REGISTER), _with(2, _L4PROTO))
    read = _port(_READ, _TO, _REGISTER)
    return kind, _compare(bytes([socket.IPPROTO_TCP])), read, _compare(struct.pack("!H", port))


def _port(way: int, place: int, register: int) -> bytes:
    return _expression(b"payload", _with(way, register), _with(2, _TRANSPORT_HEADER), _with(3, place), _with(4, 2))


def _ask(family: int, *changes: tuple[int, bytes]) -> None:
    """Send the changes as one batch, all or none, and wait until the kernel has said yes to each. Raises OSError."""
    wrapped = struct.pack("!BBH", 0, 0, _TABLES)
    head = struct.pack("!BBH", family, 0, 0)
    messages = [_message(_BATCH_BEGIN, 0, wrapped)]
    messages += [_message(kind, _ACK | _CREATE, head + body) for kind, body in changes]
    messages.append(_message(_BATCH_END, 0, wrapped))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
        kernel.settimeout(_TIMEOUT)
        kernel.send(b"".join(messages))
        for _ in changes:
            code = -struct.unpack_from("i", kernel.recv(1 << 16), 16)[0]
            if code:
                raise OSError(code, os.strerror(code))


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("IHHII", 16 + len(body), kind, _REQUEST | flags, 0, 0) + body


def _compare(value: bytes) -> bytes:
    return _expression(b"cmp", _with(1, _REGISTER), _with(2, _EQUAL), _nested(3, _attribute(1, value)))


def _expression(name: bytes, *attributes: bytes) -> bytes:
    return _nested(1, _attribute(1, name + b"\0"), _nested(2, *attributes))


def _with(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("!i", value))


def _nested(kind: int, *parts: bytes) -> bytes:
    return _attribute(kind | 0x8000, b"".join(parts))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
