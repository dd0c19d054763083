"""connect(): route, names, SYN, and waiting for the end of the handshake (net/ipv4/af_inet.c, tcp_ipv4.c)."""

from __future__ import annotations

import errno
from socket import AF_INET

from ...tcp.states import State
from . import outgoing
from .addresses import Name, failure, is_any
from .calls import Patience, disconnect, wait
from .end import End, Phase


def connect(end: End, target: Name, patience: Patience) -> None:
    """__inet_stream_connect()."""
    with end.kernel.hold(end):
        answer = errno.EALREADY
        if end.phase is Phase.CONNECTED:
            raise failure(errno.EISCONN)
        if end.phase is Phase.DISCONNECTING:
            raise failure(errno.EINVAL)
        if end.phase is Phase.UNCONNECTED:
            _open(end, target)
            answer = errno.EINPROGRESS
        if end.opening and not wait(end, lambda: not end.opening, patience, "connect()"):
            raise failure(answer)
        if end.state is State.CLOSED:
            error = end.take_error() or errno.ECONNABORTED
            end.phase = Phase.UNCONNECTED
            disconnect(end)
            raise failure(error)
        end.phase = Phase.CONNECTED


def _open(end: End, target: Name) -> None:
    if end.state is not State.CLOSED:
        raise failure(errno.EISCONN)
    if end.kernel.version.once and end.tried:
        raise failure(getattr(errno, end.kernel.version.once))
    to, source = _route(end, target)
    try:
        _choose_names(end, to, source)
    except OSError:
        _undo(end)
        raise
    end.phase = Phase.CONNECTING
    outgoing.syn(end, end.new_sequence())


def _route(end: End, target: Name) -> tuple[Name, str]:
    """Return where a call to `target` goes, and from which address it would be sent."""
    _check_families(end, target[0])
    routes = end.kernel.routes
    to = routes.target(target[0], end.source), target[1]
    return to, routes.source(to[0])


def _choose_names(end: End, to: Name, source: str) -> None:
    """Take source address and source port (tcp_v4_connect)."""
    kernel = end.kernel
    if is_any(end.source):
        end.source = source
    if kernel.version.refuses_itself and end.family == AF_INET and (end.source, end.port) == to:
        raise failure(errno.EINVAL)
    if not end.port:
        _choose_port(end, to)
    elif not kernel.is_unique((end.source, end.port, *to), chosen=False):
        raise failure(errno.EADDRNOTAVAIL)
    end.tried = True
    end.begin(to)


def _check_families(end: End, address: str) -> None:
    """A socket of IPv6 may speak IPv4, unless it is bound to an address of the one or may not (tcp_v6_connect)."""
    if ":" not in address and end.family != AF_INET and (end.v6_only or (":" in end.source and not is_any(end.source))):
        raise failure(errno.ENETUNREACH)
    if ":" in address and ":" not in end.source and not is_any(address):
        raise failure(errno.EAFNOSUPPORT)


def _choose_port(end: End, to: Name) -> None:
    kernel = end.kernel
    port, end.drawn_port = end.drawn_port or kernel.port_for_connect(end, end.source, to), 0
    if kernel.version.refuses_itself and end.family == AF_INET and (end.source, port) == to:
        end.shown_port = port
        raise failure(errno.EINVAL)
    end.port = end.shown_port = port
    end.connect_bound = True
    kernel.binds.add_connected(end)


def _undo(end: End) -> None:
    if not end.port_locked:
        end.put_port()
    if end.kernel.version.resets_source:
        end.reset_address()
    end.peer = None
