"""Network interfaces of the calling thread's private network: veth pairs, addresses, on.

Sources: rtnetlink(7), veth(4), netdevice(7); include/uapi/linux/if_link.h, veth.h and ethtool.h of the Linux kernel.
One netlink message is all that is needed, so it is made here: to import pyroute2 takes as long as a worker takes to
start.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct

HARDWARE = bytes.fromhex("020000000001")  # the address of each near end; no two of them share a network

_NETLINK_ROUTE = 0
_RTM_NEWLINK, _REQUEST_ACK_CREATE_EXCLUSIVE = 16, 0x605
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFF_UP, _IFF_NOARP = 0x1, 0x80
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCETHTOOL = 0x8914, 0x8916, 0x8946
_ETHTOOL_STXCSUM = 0x17


def make_pair(near: str, far: str, far_network: int) -> None:
    """Make a veth pair: `near` in this network and on, `far` in the one of the open file `far_network`, still off.

    Who sends from `near` asks nobody for the hardware address of the other (no ARP). Raises OSError.
    """
    peer = _attribute(_VETH_INFO_PEER, _link(0), _name(far), _attribute(_IFLA_NET_NS_FD, struct.pack("I", far_network)))
    kind = _attribute(_INFO_KIND, b"veth") + _attribute(_INFO_DATA, peer)
    link = _link(_IFF_UP | _IFF_NOARP) + _name(near) + _attribute(_IFLA_ADDRESS, HARDWARE)
    _ask(_RTM_NEWLINK, link + _attribute(_IFLA_LINKINFO, kind))


def set_address(name: str, packed: bytes) -> None:
    """Give an interface an IPv4 address; its network is that of the address's class."""
    _control(_SIOCSIFADDR, name, struct.pack("HH4s8x", socket.AF_INET, 0, packed))


def switch_on(name: str) -> None:
    """Switch an interface on."""
    _control(_SIOCSIFFLAGS, name, struct.pack("h14x", _IFF_UP))


def complete_checksums(name: str) -> None:
    """Let the kernel complete each checksum before it sends; veth leaves that to hardware which it does not have."""
    value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_STXCSUM, 0))
    _control(_SIOCETHTOOL, name, struct.pack("P", ctypes.addressof(value)))


def _control(request: int, name: str, value: bytes) -> None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, request, struct.pack("16s24s", name.encode(), value))


def _ask(kind: int, body: bytes) -> None:
    """Send one request and wait until the kernel has done it. Raises OSError with the reason that it gives."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as kernel:
        kernel.send(struct.pack("IHHII", 16 + len(body), kind, _REQUEST_ACK_CREATE_EXCLUSIVE, 1, 0) + body)
        code = -struct.unpack_from("i", kernel.recv(1 << 16), 16)[0]
    if code:
        raise OSError(code, os.strerror(code))


def _link(flags: int) -> bytes:
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, 0, flags, flags)


def _name(name: str) -> bytes:
    return _attribute(_IFLA_IFNAME, name.encode() + b"\0")


def _attribute(kind: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
