"""Which addresses may be dialled: only this host's own. Nothing is sent to find out, and no DNS is asked."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..stacks import linux

SourceFor = Callable[[str], str | None]

# Where a system keeps the names that it knows without asking anybody (hosts(5)).
_NAMES = Path(os.environ.get("SYSTEMROOT", ""), "System32/drivers/etc/hosts") if os.name == "nt" else Path("/etc/hosts")


@dataclass(frozen=True)
class Target:
    """An address of this host: the name that was asked for, and the numeric address to dial."""

    name: str
    address: str

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6, as socket knows them."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    @property
    def is_loopback(self) -> bool:
        """True for 127.0.0.0/8 and ::1."""
        return ipaddress.ip_address(self.address).is_loopback


def resolve_own(host: object, source_for: SourceFor | None = None) -> Target:
    """Return `host` as an address of this machine, or of the stack whose `source_for` this is.

    Raises ValueError, in one line, for a name that this machine does not know, and for somebody else's address.
    """
    if not isinstance(host, str) or not host.strip():
        raise ValueError(f"host {host!r}: give a name or address of this machine, such as 127.0.0.1")
    address = _resolve(host.strip())
    if ipaddress.ip_address(address).is_unspecified:  # 0.0.0.0 and :: mean this host (RFC 1122 section 3.2.1.3)
        address = "::1" if ":" in address else "127.0.0.1"
    if ":" in address and ipaddress.ip_address(address).is_link_local:
        raise ValueError(f"host {host!r}: a link-local address needs an interface, and is not taken; use ::1")
    if not is_own(address, source_for or linux.source_for):
        raise ValueError(
            f"host {host!r}: {address} is not an address of this machine, so it is not dialled; "
            "use 127.0.0.1, ::1 or one of this machine's own addresses"
        )
    return Target(host.strip(), address)


def _resolve(host: str) -> str:
    with contextlib.suppress(ValueError):
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host  # as names of sockets are written
        address = ipaddress.ip_address(host)
        return str(getattr(address, "ipv4_mapped", None) or address)  # RFC 4291 section 2.5.5.2
    known = [address for address, name in _known_names() if name == host.lower().rstrip(".")]
    if not known:
        raise ValueError(f"host {host!r}: it is no address, and no name that this machine has; use 127.0.0.1 or ::1")
    # IPv4 first: "localhost" is 127.0.0.1 in this course, as in the article.
    return min(known, key=lambda address: ":" in address)


def _known_names() -> Iterator[tuple[str, str]]:
    """Yield the addresses and the names, in small letters, that this machine knows without asking anybody."""
    yield from (("127.0.0.1", "localhost"), ("::1", "ip6-localhost"), ("::1", "ip6-loopback"))
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = _NAMES.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        with contextlib.suppress(ValueError):
            yield from ((str(ipaddress.ip_address(address)), name.lower()) for name in names)


def is_own(address: str, source_for: SourceFor) -> bool:
    """True if `address` belongs to this machine: a connect() to it would be sent from it."""
    ip = ipaddress.ip_address(address)
    if ip.is_loopback:
        return True
    return not ip.is_multicast and source_for(address) == address
