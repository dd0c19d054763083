"""A private network for one process: user and network namespaces, without root.

Sources: user_namespaces(7), network_namespaces(7), ip(7). The host's settings stay as they are: the sysctls written
here belong to the namespace of the calling process, which has just been made.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import time
from pathlib import Path

from ..ports.ranges import PortRange
from . import interfaces, libc

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFADDR = 0x8916
_NETMASK_HOST_IPV6 = 128
_IFA_F_TENTATIVE = 0x40
_TENTATIVE_SECONDS = 2.0
_WITHOUT_RIGHTS = "a namespace was made, but without rights in it"

PORT_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_UNPRIVILEGED_FILE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
RESERVED_FILE = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")

_STEP_WIDTH_FILE = Path("/proc/sys/net/ipv4/ip_local_port_step_width")  # from Linux 7.1 on


class NamespaceRefused(OSError):
    """The system does not let this user make a private network namespace. The text says what refused.

    `made` is true where a namespace was made, but gave no rights.
    """

    @property
    def made(self) -> bool:
        """Whether the kernel made a namespace, which is then of no use."""
        return str(self.strerror).startswith(_WITHOUT_RIGHTS)


def enter_private_network() -> None:
    """Move the calling process into a new user and network namespace with its own loopback.

    The process must have one thread only. It keeps its user and group numbers. Where no user namespace is made, in a
    chroot for one, root gets the network namespace alone. Raises NamespaceRefused.
    """
    uid, gid = os.geteuid(), os.getegid()
    error = _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    if error and _unshare(_CLONE_NEWNET):
        raise NamespaceRefused(error, f"unshare() said {os.strerror(error)}")
    if not PORT_RANGE_FILE.exists():
        raise NamespaceRefused(errno.ENOENT, "/proc is not mounted")
    try:
        if not error:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        interfaces.switch_on("lo")
    except OSError as refused:
        # Ubuntu's AppArmor rule lets unshare() pass and takes the capabilities away afterwards.
        raise NamespaceRefused(refused.errno, f"{_WITHOUT_RIGHTS} ({refused.strerror})") from refused


def enter_another_network() -> None:
    """Move the calling process from its private network into a new one, as that was at the start. OSError if refused.

    The old one ends with the last process in it.
    """
    libc.call("unshare", _CLONE_NEWNET)
    interfaces.switch_on("lo")


def _unshare(flags: int) -> int:
    """Call unshare(2) and return its errno, 0 if it did."""
    try:
        return libc.call("unshare", flags)
    except OSError as error:
        return error.errno or errno.ENOSYS
    except (AttributeError, TypeError):
        raise NamespaceRefused(0, "this system has no unshare(), which is a call of Linux") from None


def add_address(address: str) -> None:
    """Give the namespace's loopback interface one more address, so that it can be dialled in here."""
    ip = ipaddress.ip_address(address)
    if ip.version == 4:  # a label of its own (lo:1, lo:2, ...) adds an address instead of replacing 127.0.0.1
        interfaces.set_address(f"lo:{int(ip) % 99999}", ip.packed)
    else:
        _add_ipv6(ip.packed)


def _add_ipv6(packed: bytes) -> None:
    import fcntl

    request = struct.pack("16sIi", packed, _NETMASK_HOST_IPV6, socket.if_nametoindex("lo"))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFADDR, request)
    # Even on the loopback interface the kernel looks for a duplicate address first, in a work queue of its own.
    end = time.monotonic() + _TENTATIVE_SECONDS
    while _is_tentative(packed) and time.monotonic() < end:
        time.sleep(0.001)


def _is_tentative(packed: bytes) -> bool:
    """True while an address is there but cannot be used (/proc/net/if_inet6: address, index, length, scope, flags)."""
    rows = (line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines())
    return any(row[0] == packed.hex() and int(row[4], 16) & _IFA_F_TENTATIVE for row in rows)


def read_port_range() -> PortRange:
    """Return the ephemeral port range of the calling process's network namespace."""
    low, high = PORT_RANGE_FILE.read_text().split()
    return PortRange(int(low), int(high))


def write_port_range(port_range: PortRange) -> None:
    """Set the ephemeral port range of the private namespace that the calling process is in.

    Raises OSError where the settings are read-only, as /proc/sys is in many containers.
    """
    if port_range.low < int(_UNPRIVILEGED_FILE.read_text()):  # the kernel wants the range above it
        _UNPRIVILEGED_FILE.write_text(str(port_range.low))
    PORT_RANGE_FILE.write_text(f"{port_range.low} {port_range.high}")


def write_reserved(text: str) -> None:
    """Set the reserved ports of the private namespace, for example "33334" or "" for none."""
    RESERVED_FILE.write_text(text + "\n")


def write_step_width(width: int) -> None:
    """Set the width of the random steps of the private namespace. FileNotFoundError where the kernel has none."""
    _STEP_WIDTH_FILE.write_text(str(width))


def network_id() -> str:
    """Return the kernel's name of the calling process's network namespace, such as net:[4026531840]."""
    return os.readlink("/proc/self/ns/net")
