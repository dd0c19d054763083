"""The kinds of machine that the course must run on, and how each is made real for one process and its children."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks.namespace import enter_private_network, write_port_range

from . import users
from .seccomp import Refusal, refuse

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
LEARNER = 1000
NEWEST = "newest"

NO_UNSHARE = Refusal("unshare", errno.EPERM, bits=[(0, _NEWUSER)])
NO_RIGHTS = Refusal("ioctl", errno.EPERM, equal=[(1, 0x8914)])  # SIOCSIFFLAGS, which brings lo up
NO_CAPTURE = Refusal("socket", errno.EPERM, equal=[(0, 17)])  # AF_PACKET
NO_NETLINK = Refusal("socket", errno.EPERM, equal=[(0, 16)])  # AF_NETLINK
NO_IPV6 = Refusal("socket", errno.EAFNOSUPPORT, equal=[(0, socket.AF_INET6)])
NO_SOCKET_RANGE = Refusal("setsockopt", errno.ENOPROTOOPT, equal=[(1, socket.SOL_IP), (2, 51)])


@dataclass(frozen=True)
class Situation:
    """One kind of machine: `how` it is made, and what the lab must make of it.

    `testbed` is the kind that open_testbed() must give; `lacks` are capabilities that the doctor must name, each with a
    way out. `port_range` is what the smoke run asks for. `lessons` is False where Jupyter itself cannot start a kernel.
    `python` is another Python than the one of the tests: its path, or NEWEST for the newest that can be found.
    `account` asks for a real account of this machine; the others are users of a user namespace. `platform` is the
    system whose standard library the lab meets (tests/matrix/elsewhere), as sys.platform names it; "" for this one.
    """

    name: str
    how: str
    make: Callable[[], None]
    testbed: str = "namespace"
    lacks: frozenset[str] = frozenset()
    port_range: tuple[int, int] | None = None
    held: Sequence[int] = ()
    lessons: bool = True
    read_only: bool = False
    python: str = ""
    account: bool = False
    platform: str = ""


def _libc(call: str, *args: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, call)(*args):
        raise OSError(ctypes.get_errno(), call)


def become(uid: int) -> None:
    """Enter a user namespace as `uid`. As another user than 0 all rights are gone after the next exec."""
    mine, group = os.geteuid(), os.getegid()
    _libc("unshare", _NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {mine} 1")
    Path("/proc/self/gid_map").write_text(f"{uid} {group} 1")


def become_with_own_mounts(uid: int) -> None:
    """The same in a mount namespace of its own, so that what is mounted is seen by nobody else."""
    become(uid)
    own_mounts()


def own_mounts() -> None:
    """Enter a mount namespace; root of this machine may mount more in it than root of a user namespace."""
    _libc("unshare", _NEWNS)
    mount(None, b"/", None, _REC | _PRIVATE)


def mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int = 0, data: bytes | None = None) -> None:
    """Call mount(2)."""
    _libc("mount", source, target, kind, flags, data)


def learner(*refusals: Refusal) -> Callable[[], None]:
    """An ordinary user, to whom these calls are refused."""
    return lambda: (become(LEARNER), refuse(refusals))[0]


def _root() -> None:
    if os.geteuid() != 0:
        become(0)


def _ordinary_user() -> None:
    users.become(os.environ["MATRIX_USER"])


def with_range(low: int, high: int) -> Callable[[], None]:
    """An ordinary user of a network whose ephemeral range is this one."""

    def make() -> None:
        enter_private_network()
        write_port_range(PortRange(low, high))
        become(LEARNER)

    return make


def _no_namespaces_left() -> None:
    become(LEARNER)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def _read_only_settings() -> None:
    become_with_own_mounts(LEARNER)
    mount(b"/proc/sys", b"/proc/sys", None, _BIND)
    mount(None, b"/proc/sys", None, _BIND | _REMOUNT | _RDONLY)


def _no_linux() -> None:
    become_with_own_mounts(LEARNER)
    mount(b"none", b"/proc", b"tmpfs")
    refuse([NO_UNSHARE, NO_CAPTURE, NO_SOCKET_RANGE])


NO_NAMESPACE = frozenset({"private namespace", "own port range", "two hosts"})
EXHAUSTED = (40000, 40199)

SITUATIONS = (
    Situation("root", "user 0", _root),
    Situation("ordinary user", "an account made with useradd", _ordinary_user, account=True),
    Situation(
        "no user namespaces left", "max_user_namespaces is 0", _no_namespaces_left, "host", NO_NAMESPACE | {"capture"}
    ),
    Situation(
        "unshare forbidden", "seccomp refuses unshare()", learner(NO_UNSHARE), "host", NO_NAMESPACE | {"capture"}
    ),
    Situation(
        "a namespace without rights", "seccomp refuses SIOCSIFFLAGS, as AppArmor does on Ubuntu 24.04",
        learner(NO_RIGHTS), "host", NO_NAMESPACE | {"capture"},
    ),
    Situation(
        "read-only settings", "/proc/sys is mounted read-only", _read_only_settings,
        lacks=frozenset({"own port range"}),
    ),
    Situation(
        "no packet capture", "seccomp refuses AF_PACKET", learner(NO_CAPTURE), lacks=frozenset({"capture", "two hosts"})
    ),
    Situation(
        "no netlink", "seccomp refuses AF_NETLINK, as firejail --protocol does", learner(NO_NETLINK),
        lacks=frozenset({"two hosts"}), lessons=False,
    ),
    Situation(
        "before Linux 6.3", "seccomp refuses IP_LOCAL_PORT_RANGE", learner(NO_SOCKET_RANGE),
        lacks=frozenset({"range per socket"}),
    ),
    Situation("no IPv6", "seccomp refuses AF_INET6", learner(NO_IPV6), lacks=frozenset({"IPv6 loopback"})),
    Situation(
        "old container", "seccomp refuses unshare() and IP_LOCAL_PORT_RANGE; a range is asked for",
        learner(NO_UNSHARE, NO_SOCKET_RANGE), "simulated",
        NO_NAMESPACE | {"capture", "range per socket"}, (40000, 40199),
    ),
    *(
        Situation(
            name, f"no /proc, namespaces, packet sockets, range per socket; Python without what it lacks on {name}",
            _no_linux, "simulated", NO_NAMESPACE | {"self-connection", "real kernels"}, platform=platform,
        )
        for name, platform in (("macOS", "darwin"), ("Windows", "win32"))
    ),
    Situation("read-only home and folder", "both without the right to write", learner(), read_only=True),
    Situation("a range of one port", "40500-40500", learner(), port_range=(40500, 40500), lessons=False),
    Situation("a range with an odd low", "40001-40200", with_range(40001, 40200), port_range=(40001, 40200)),
    Situation("a very wide range", "1024-65535", with_range(1024, 65535), port_range=(1024, 65535)),
    Situation(
        "a range nearly exhausted", "198 of 200 ports held", learner(), port_range=EXHAUSTED,
        held=[port for port in range(40000, 40200) if port not in (40100, 40101)], lessons=False,
    ),
    Situation("Debian's own Python", "/usr/bin/python3", learner(), python="/usr/bin/python3"),
    Situation("the newest Python", "the newest from 3.12 on that can be found", learner(), python=NEWEST),
)  # fmt: skip
BY_NAME = {one.name: one for one in SITUATIONS}
