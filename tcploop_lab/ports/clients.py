"""The kinds of client: how a program makes the socket of each try."""

from __future__ import annotations

from enum import StrEnum


class ClientKind(StrEnum):
    """How the sockets of a loop are made. The value is the word used on the command line."""

    SAME_SOCKET = "same-socket"
    NEW_SOCKET = "new-socket"
    BIND_ZERO = "bind-zero"
    BIND_NO_PORT = "bind-no-port"
    BIND_SELF = "bind-self"
    SOCKET_RANGE = "socket-range"

    @property
    def description(self) -> str:
        """One sentence: what such a client does."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    ClientKind.SAME_SOCKET: "one socket, connect() again and again (the article's program)",
    ClientKind.NEW_SOCKET: "a new socket for every try (what most libraries do)",
    ClientKind.BIND_ZERO: "a new socket for every try, bind() to the host's address and port 0 first",
    ClientKind.BIND_NO_PORT: "bind() to the host's address, port left to connect() (IP_BIND_ADDRESS_NO_PORT)",
    ClientKind.BIND_SELF: "bind() to the very address and port that it then dials",
    ClientKind.SOCKET_RANGE: "one socket with its own port range (IP_LOCAL_PORT_RANGE)",
}


def parse_client(value: object) -> ClientKind:
    """Return the client kind named `value`; ValueError lists the kinds there are."""
    try:
        return ClientKind(value)  # type: ignore[arg-type]
    except ValueError:
        kinds = ", ".join(ClientKind)
        raise ValueError(f"client {value!r}: a client is one of {kinds}") from None
