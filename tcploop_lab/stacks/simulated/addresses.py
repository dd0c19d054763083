"""Names of sockets, and the routing of one host: which addresses are its own, and from which one it sends.

Inside the kernel an IPv4 address is always written as such: a socket of IPv6 shows it as ::ffff:127.0.0.1.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from operator import index
from typing import Any

from ...errors import NotOnThisTestbed

Name = tuple[str, int]  # address and port
_ip = lru_cache(1024)(ip_address)  # each segment asks
ANY4, ANY6 = "0.0.0.0", "::"
_MAPPED = "::ffff:"
_BROADCAST = "255.255.255.255"
_MOST_FLOW = 1048575
_FORMS = {2: "pair (host, port)", 4: "tuple (host, port[, flowinfo[, scopeid]])"}
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


def c_int(value: Any) -> int:
    """Return an argument that Python takes as a C int."""
    number = index(value)
    if not -(2**31) <= number < 2**31:
        raise OverflowError("Python int too large to convert to C int")
    return number


def parse(family: int, name: Any, call: str) -> Name:
    """Return what a program wrote as (address, port). Errors are those of the `socket` module."""
    label, most = ("AF_INET6", 4) if family == socket.AF_INET6 else ("AF_INET", 2)
    if not isinstance(name, tuple):
        raise TypeError(f"{call}(): {label} address must be tuple, not {type(name).__name__}")
    if not 2 <= len(name) <= most:
        raise TypeError(f"{label} address must be a {_FORMS[most]}")
    host, port = name[0], c_int(name[1])
    flow, _scope = (*map(index, name[2:]), 0, 0)[:2]
    if not isinstance(host, str | bytes | bytearray):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    address = _resolve(family, host if isinstance(host, str) else bytes(host).decode("latin-1"))
    if not 0 <= port <= 65535:
        raise OverflowError(f"{call}(): port must be 0-65535.")
    if not 0 <= flow <= _MOST_FLOW:
        raise OverflowError(f"{call}(): flowinfo must be 0-{_MOST_FLOW}.")
    return address, port


@lru_cache
def _resolve(family: int, host: str) -> str:
    """Only numbers and localhost: a simulated host asks nobody for a name."""
    if "\0" in host:
        raise TypeError("host name must not contain null character")
    if not host:
        return any_of(family)
    if host.lower() == "localhost":
        return _LOCALHOST[family]
    address = _number(_BROADCAST if host == "<broadcast>" and family == socket.AF_INET else host)
    if address is None:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}: a simulated host knows numbers and localhost")
    mapped = getattr(address, "ipv4_mapped", None)  # glibc's getaddrinfo() takes it for an IPv4 address
    if mapped is None and (family == socket.AF_INET6) != (address.version == 6):
        number = getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME)
        raise socket.gaierror(number, "Address family for hostname not supported")
    return str(mapped or address)


def _number(host: str) -> IPv4Address | IPv6Address | None:
    """An address in one of the ways to write it: 127.1 is 127.0.0.1 (inet_aton(3)). A link is told for its own only."""
    plain, scoped, _ = host.partition("%")
    with suppress(ValueError, OSError):
        if re.fullmatch(r"[0-9a-fA-FxX.]+", host):
            return IPv4Address(socket.inet_aton(host))
        address = IPv6Address(plain)
        return address if address.is_link_local or not scoped else None
    return None


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
        if isinstance(ip, IPv6Address) and str(ip) in self._own:
            raise failure(errno.EEXIST)
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

    def check_own(self, address: str) -> None:
        """Raise what bind() answers for an address that is not this host's (inet_addr_valid_or_nonlocal)."""
        ip = _ip(address)
        if isinstance(ip, IPv6Address) and (ip.is_multicast or ip.is_link_local):
            raise failure(errno.EINVAL)
        if self._is_of_many(ip):
            raise NotOnThisTestbed(
                f"bind() to {address}: the simulated kernel knows no broadcast and no multicast; use a live testbed"
            )
        if not self.is_own(address):
            raise failure(errno.EADDRNOTAVAIL)

    def _is_of_many(self, ip: IPv4Address | IPv6Address) -> bool:
        """True for an IPv4 address of broadcast or multicast; each network has one of its own (fib_add_ifaddr)."""
        own = (network.broadcast_address for network, _ in self._networks)
        return isinstance(ip, IPv4Address) and (ip.is_multicast or str(ip) == _BROADCAST or ip in own)

    def target(self, address: str, source: str) -> str:
        """Return where a call to `address` goes: "all addresses" means this host (RFC 1122 section 3.2.1.3)."""
        if not is_any(address):
            return address
        if address == ANY6:  # tcp_v6_connect()
            return "::1" if ":" in source else "127.0.0.1"
        return "127.0.0.1" if is_any(source) else source

    def source(self, address: str) -> str:
        """Return the address from which this host sends to `address`; OSError if there is no route."""
        ip = _ip(address)
        if isinstance(ip, IPv6Address) and ip.is_link_local:  # of which link?
            raise failure(errno.EINVAL)
        if address in self._own:
            return address
        if not self._is_of_many(ip):
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
