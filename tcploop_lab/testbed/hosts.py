"""Which addresses may be dialled: only this host's own. Nothing is sent to find out."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass


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


def resolve_own(host: object) -> Target:
    """Return `host` as an address of this machine.

    Raises ValueError, in one line, for a name that does not resolve and for an address of somebody else.
    """
    if not isinstance(host, str) or not host.strip():
        raise ValueError(f"host {host!r}: give a name or address of this machine, such as 127.0.0.1")
    address = _resolve(host.strip())
    if ipaddress.ip_address(address).is_unspecified:  # 0.0.0.0 and :: mean this host (RFC 1122 section 3.2.1.3)
        address = "::1" if ":" in address else "127.0.0.1"
    if not is_own(address):
        raise ValueError(
            f"host {host!r}: {address} is not an address of this machine, so it is not dialled; "
            "use 127.0.0.1, ::1 or one of this machine's own addresses"
        )
    return Target(host.strip(), address)


def _resolve(host: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a valid name"
        raise ValueError(f"host {host!r}: {reason}; use 127.0.0.1 or ::1") from None
    # IPv4 first: "localhost" is 127.0.0.1 in this course, as in the article.
    ordered = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
    return str(ordered[0][4][0])


def is_own(address: str) -> bool:
    """True if `address` belongs to this machine, by asking the routing table which source it would use."""
    ip = ipaddress.ip_address(address)
    if ip.is_loopback:
        return True
    return not ip.is_multicast and source_for(address) == address


def source_for(address: str) -> str | None:
    """Return the source address the kernel uses for `address`, or None if there is no route.

    connect() on a UDP socket only looks the route up (udp(7)): no datagram is sent.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
            return str(sock.getsockname()[0])
    except OSError:
        return None
