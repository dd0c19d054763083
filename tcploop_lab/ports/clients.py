"""The kinds of client: how a program makes the socket of each try. One member here is all there is to a kind."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Any, Self, TypeAlias, TypeVar


class Binds(Enum):
    """What a client calls bind() with before it connects."""

    NOTHING = "no bind()"
    ADDRESS = "the address, with IP_BIND_ADDRESS_NO_PORT: connect() picks the port"
    ZERO = "the address and port 0: bind() picks the port"
    TARGET = "the address and port that it then dials"


class ClientKind(StrEnum):
    """How the sockets of a loop are made. The value is the word used on the command line.

    `description` is one sentence, `binds` what the socket is bound to, `new_socket` says whether every try has a socket
    of its own, and `own_range` whether it has a port range of its own (IP_LOCAL_PORT_RANGE).
    """

    description: str
    binds: Binds
    new_socket: bool
    own_range: bool

    def __new__(
        cls,
        value: str,
        description: str,
        binds: Binds = Binds.NOTHING,
        new_socket: bool = False,
        own_range: bool = False,
    ) -> Self:
        """Make one kind; its text is `value`."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.description, kind.binds, kind.new_socket, kind.own_range = description, binds, new_socket, own_range
        return kind

    @property
    def by_bind(self) -> bool:
        """Whether bind() gives it its port, to which only who is bound to the same address is in the way."""
        return self.binds in (Binds.ZERO, Binds.TARGET)

    SAME_SOCKET = "same-socket", "one socket, connect() again and again (the article's program)"
    NEW_SOCKET = "new-socket", "a new socket for every try (what most libraries do)", Binds.NOTHING, True
    BIND_ZERO = (
        "bind-zero",
        "a new socket for every try, bind() to the host's address and port 0 first",
        Binds.ZERO,
        True,
    )
    BIND_NO_PORT = (
        "bind-no-port",
        "bind() to the host's address, port left to connect() (IP_BIND_ADDRESS_NO_PORT)",
        Binds.ADDRESS,
    )
    BIND_SELF = "bind-self", "bind() to the very address and port that it then dials", Binds.TARGET, True
    SOCKET_RANGE = (
        "socket-range",
        "one socket with its own port range (IP_LOCAL_PORT_RANGE)",
        Binds.NOTHING,
        False,
        True,
    )


Client: TypeAlias = ClientKind | str  # ClientKind.NEW_SOCKET or "new-socket": what parse_client takes


def parse_client(value: object) -> ClientKind:
    """Return the client kind named `value`; ValueError lists the kinds there are."""
    kind = next((kind for kind in ClientKind if kind == value), None)
    if kind is None:
        raise ValueError(f"client {value!r}: a client is one of {', '.join(ClientKind)}")
    return kind


_F = TypeVar("_F", bound=Callable[..., Any])


def tells_clients(function: _F) -> _F:
    """Put the kinds there are, each with what it is, in the place of CLIENTS in the docstring of a function."""
    kinds = "\n".join(f"            {kind:<13}{kind.description}" for kind in ClientKind)
    function.__doc__ = (function.__doc__ or "").replace("            CLIENTS", kinds)
    return function
