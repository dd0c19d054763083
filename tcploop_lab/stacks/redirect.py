"""A redirect in the calling process's private network: who dials one port is led to another one (NAT).

Sources: include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h of the Linux kernel. It is what the nft command makes
of `tcp dport 47050 redirect to :9000` in a nat chain of the output hook, without that command.
"""

from __future__ import annotations

import os
import socket
import struct

_NETFILTER, _IPV4 = 12, 2  # NETLINK_NETFILTER, NFPROTO_IPV4
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_BATCH_BEGIN, _BATCH_END, _TABLES = 0x10, 0x11, 10  # NFNL_MSG_BATCH_*, NFNL_SUBSYS_NFTABLES
_NEW_TABLE, _DELETE_TABLE, _NEW_CHAIN, _NEW_RULE = 0xA00, 0xA02, 0xA03, 0xA06
_OUTPUT_HOOK, _BEFORE_FILTERS = 3, -100  # NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST
_REGISTER, _TRANSPORT_HEADER, _L4PROTO, _EQUAL = 1, 2, 16, 0
_TABLE, _CHAIN = b"tcploop\0", b"output\0"
_TIMEOUT = 5.0  # seconds


def redirect(port: int, to: int) -> None:
    """Lead every connection of this network to TCP `port` to `to`. Raises OSError where the kernel refuses."""
    hook = _nested(4, _attribute(1, _number(_OUTPUT_HOOK)), _attribute(2, _number(_BEFORE_FILTERS)))
    rule = (
        _expression(b"meta", _attribute(1, _number(_REGISTER)), _attribute(2, _number(_L4PROTO))),
        _compare(bytes([socket.IPPROTO_TCP])),
        _expression(
            b"payload",
            *(_attribute(n, _number(v)) for n, v in ((1, _REGISTER), (2, _TRANSPORT_HEADER), (3, 2), (4, 2))),
        ),
        _compare(struct.pack("!H", port)),
        _expression(b"immediate", _attribute(1, _number(_REGISTER)), _nested(2, _attribute(1, struct.pack("!H", to)))),
        _expression(b"redir", _attribute(1, _number(_REGISTER))),
    )
    _ask(
        (_NEW_TABLE, _attribute(1, _TABLE)),
        (_NEW_CHAIN, _attribute(1, _TABLE) + _attribute(3, _CHAIN) + hook + _attribute(7, b"nat\0")),
        (_NEW_RULE, _attribute(1, _TABLE) + _attribute(2, _CHAIN) + _nested(4, *rule)),
    )


def remove() -> None:
    """Take the redirect away. Raises OSError."""
    _ask((_DELETE_TABLE, _attribute(1, _TABLE)))


def _ask(*changes: tuple[int, bytes]) -> None:
    """Send the changes as one batch, all or none, and wait until the kernel has said yes to each. Raises OSError."""
    wrapped = struct.pack("!BBH", 0, 0, _TABLES)
    head = struct.pack("!BBH", _IPV4, 0, 0)
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
    data = _nested(3, _attribute(1, value))
    return _expression(b"cmp", _attribute(1, _number(_REGISTER)), _attribute(2, _number(_EQUAL)), data)


def _expression(name: bytes, *attributes: bytes) -> bytes:
    return _nested(1, _attribute(1, name + b"\0"), _nested(2, *attributes))


def _number(value: int) -> bytes:
    return struct.pack("!i", value)


def _nested(kind: int, *parts: bytes) -> bytes:
    return _attribute(kind | 0x8000, b"".join(parts))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
