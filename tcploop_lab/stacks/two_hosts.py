"""Two hosts for a crossing: two network namespaces, each with a TUN device as its only way to the other.

It runs in the worker. A TUN device hands every datagram that its host sends to whoever reads the device's file, and
takes what is written there as received (Documentation/networking/tuntap.rst): the file is the cable. Sockets and
devices stay in the namespace in which they were made, so the lab's process may own both ends of the cable.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from typing import NamedTuple

from .kernel_states import open_table
from .wire import Device

ADDRESSES = {"A": "192.0.2.1", "B": "192.0.2.2"}  # TEST-NET-1, RFC 5737: nobody's
PORTS = {"A": 40001, "B": 40002}
_NETMASK = "255.255.255.0"

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFFLAGS, _IFF_UP = 0x8916, 0x891C, 0x8914, 0x1
_NAME = b"cable"
_PATIENCE = 127  # retransmissions of a SYN, the most that TCP_SYNCNT takes: who delivers by hand may think for hours


class Host(NamedTuple):
    """One host: its end of the cable, its socket, and the open table of its sockets."""

    cable: Device
    socket: socket.socket
    table: Device


def make_two_hosts() -> tuple[Host, Host]:
    """Return the hosts A and B; the socket of each is bound to its host's address and port.

    Raises OSError where there is no TUN device or no right to make one.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        return _make_host("A"), _make_host("B")
    finally:
        _check(_libc().setns(home, _CLONE_NEWNET))
        os.close(home)


def _make_host(name: str) -> Host:
    _check(_libc().unshare(_CLONE_NEWNET))
    cable = Device(os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK), "r+")
    fcntl.ioctl(cable, _TUNSETIFF, struct.pack("16sH22x", _NAME, _IFF_TUN | _IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFADDR, _address_request(ADDRESSES[name]))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _address_request(_NETMASK))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", _NAME, _IFF_UP))
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, _PATIENCE)
    sock.bind((ADDRESSES[name], PORTS[name]))
    return Host(cable, sock, open_table())


def _address_request(address: str) -> bytes:
    return struct.pack("16sHH4s8x", _NAME, socket.AF_INET, 0, socket.inet_aton(address))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno() or errno.EPERM
        raise OSError(number, os.strerror(number))
