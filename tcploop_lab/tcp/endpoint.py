"""The name of one end of a connection."""

from __future__ import annotations

from typing import NamedTuple


class Endpoint(NamedTuple):
    """An address and a port. As text an IPv6 address stands in brackets (RFC 3986 section 3.2.2): [::1]:40500."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @classmethod
    def of(cls, name: tuple[object, ...]) -> Endpoint:
        """Return the endpoint that getsockname() or getpeername() gave; IPv6 names have two more parts."""
        return cls(str(name[0]), int(str(name[1])))

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Return the endpoint of which this is the text."""
        address, _, port = text.rpartition(":")
        return cls(address.strip("[]"), int(port))
