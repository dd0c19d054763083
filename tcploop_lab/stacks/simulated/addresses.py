"""Names of sockets, and the routing of one host: which addresses are its own, and from which one it sends.

Inside the kernel an IPv4 address is always written as such: a socket of IPv6 shows it as ::ffff:127.0.0.1.
"""

from __future__ import annotations

import errno
import os
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from operator import index
from typing import Any

Name = tuple[str, int]  # address and port
_ip = lru_cache(1024)(ip_address)  # each segment asks
ANY4, ANY6 = "0.0.0.0", "::"
_MAPPED = "::ffff:"
_LOCALHOST: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def failure(number: int) -> OSError:
    """Return the exception that a failed call raises."""
    return OSError(number, os.strerror(number))


def is_any(address: str) -> bool:
    """True for an address that stands for all of them."""
    return address in (ANY4, ANY6)


def any_of(family: int) -> str:
    """Return the address that stands for all addresses of a family."""
    return ANY6 if family == socket.AF_INET6 else ANY4


def parse(family: int, name: Any, call: str) -> Name:
    """Return what a program wrote as (address, port). Errors are those of the `socket` module."""
    label, most = ("AF_INET6", 4) if family == socket.AF_INET6 else ("AF_INET", 2)
    if not isinstance(name, tuple):
        raise TypeError(f"{call}(): {label} address must be tuple, not {type(name).__name__}")
    if not 2 <= len(name) <= most:
        raise TypeError(f"{label} address must be a {'tuple' if most == 4 else 'pair'} (host, port)")
    host, port = name[0], index(name[1])
    if not isinstance(host, str | bytes | bytearray):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    if not 0 <= port <= 65535:
        raise OverflowError(f"{call}(): port must be 0-65535.")
    return _resolve(family, host if isinstance(host, str) else bytes(host).decode()), port


@lru_cache
def _resolve(family: int, host: str) -> str:
    """Only numbers and localhost: a simulated host asks nobody for a name."""
    if not host:
        return any_of(family)
    if host == "localhost":
        return _LOCALHOST[family]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}: a simulated host knows numbers and localhost") from None
    if family == socket.AF_INET and getattr(address, "ipv4_mapped", None) is not None:
        return str(address.ipv4_mapped)  # type: ignore[union-attr]  # glibc's getaddrinfo() takes it for an IPv4 address
    if (family == socket.AF_INET6) != (address.version == 6):
        number = getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME)
        raise socket.gaierror(number, "Address family for hostname not supported")
    return str(getattr(address, "ipv4_mapped", None) or address)


def shown(family: int, name: Name) -> tuple[Any, ...]:
    """Return a name as `getsockname()` shows it for a socket of that family."""
    if family != socket.AF_INET6:
        return name
    return written(family, name[0]), name[1], 0, 0


def written(family: int, address: str) -> str:
    """Return an address as a socket of that family writes it."""
    return address if ":" in address or family != socket.AF_INET6 else _MAPPED + address


class Routes:
    """The local table of one host (ip-route(8), "ip route show table local")."""

    def __init__(self) -> None:
        self._networks: list[tuple[IPv4Network, str]] = [(IPv4Network("127.0.0.0/8"), "127.0.0.1")]
        self._own: set[str] = {"127.0.0.1", "::1"}
        self._neighbours: list[tuple[IPv4Network, str]] = []

    def add(self, address: str) -> str:
        """Give lo one more address and return it. An IPv4 one brings its class's network, as ifconfig(8) does."""
        ip = _ip(address)
        self._own.add(str(ip))
        if isinstance(ip, IPv4Address):
            self._networks.append((_classful(ip), str(ip)))
        return str(ip)

    def own_on_cable(self, address: str, network: IPv4Network) -> None:
        """Give this host an address on a cable; the rest of the network lies beyond."""
        self._own.add(address)
        self._neighbours.append((network, address))

    def is_own(self, address: str) -> bool:
        """True if bind() accepts the address."""
        if is_any(address) or address in self._own:
            return True
        ip = _ip(address)
        return isinstance(ip, IPv4Address) and any(ip in network for network, _ in self._networks)

    def target(self, address: str, source: str) -> str:
        """Return where a call to `address` goes: "all addresses" means this host (RFC 1122 section 3.2.1.3)."""
        if not is_any(address):
            return address
        if not is_any(source):
            return source
        return "127.0.0.1" if address == ANY4 else "::1"

    def source(self, address: str) -> str:
        """Return the address from which this host sends to `address`; OSError if there is no route."""
        if address in self._own:
            return address
        ip = _ip(address)
        if isinstance(ip, IPv6Address):
            raise failure(errno.ENETUNREACH)
        for network, source in (*self._networks, *self._neighbours):
            if ip in network:
                return source
        raise failure(errno.ENETUNREACH)

    def is_loopback(self, address: str) -> bool:
        """True for 127.0.0.0/8 and ::1."""
        return _ip(address).is_loopback


def _classful(address: IPv4Address) -> IPv4Network:
    """The network of an address by its class (inet_abc_len() in net/ipv4/devinet.c)."""
    first = address.packed[0]
    length = 8 if first < 128 else 16 if first < 192 else 24
    return IPv4Network(ip_network(f"{address}/{length}", strict=False))
