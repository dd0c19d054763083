"""setsockopt() and getsockopt() of a simulated socket, by Linux's numbers (net/core/sock.c, ip_sockglue.c, tcp.c)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import NotOnThisTestbed
from ...tcp.states import State
from .. import constants as c
from .addresses import failure
from .end import RECEIVE_ROOM, SEND_ROOM

if TYPE_CHECKING:
    from .sockets import SimulatedSocket

_NUMBERS = {  # include/net/tcp_states.h
    State.ESTABLISHED: 1,
    State.SYN_SENT: 2,
    State.SYN_RECEIVED: 3,
    State.FIN_WAIT_1: 4,
    State.FIN_WAIT_2: 5,
    State.TIME_WAIT: 6,
    State.CLOSED: 7,
    State.CLOSE_WAIT: 8,
    State.LAST_ACK: 9,
    State.LISTEN: 10,
    State.CLOSING: 11,
}
_FRESH_SEND_ROOM = 16384
_MOST_RETRIES = 127
_KEPT = {  # remembered and without effect: over lo nothing is lost, and a healthy peer always answers
    (c.SOL_SOCKET, c.SO_KEEPALIVE): 0,
    (c.SOL_SOCKET, c.SO_RCVBUF): RECEIVE_ROOM,
}
Key = tuple[int, int]


def set_option(sock: SimulatedSocket, level: int, name: int, value: Any) -> None:
    """Set an option. OSError as Linux answers; NotOnThisTestbed for one that the simulation does not know."""
    known = _SETTERS.get((level, name))
    if known is not None:
        known(sock, value)
    elif (level, name) in _KEPT:
        sock.kept[level, name] = _number(value)
    else:
        raise _unknown("setsockopt", level, name)


def get_option(sock: SimulatedSocket, level: int, name: int, size: int | None) -> int | bytes:
    """Return an option as `socket.getsockopt` does: a number, or at most `size` bytes."""
    known = _GETTERS.get((level, name))
    if known is not None:
        found = known(sock)
    elif (level, name) in _KEPT:
        found = sock.kept.get((level, name), _KEPT[level, name])
    else:
        raise _unknown("getsockopt", level, name)
    if size is None:
        return found if isinstance(found, int) else int.from_bytes(found[:4], "little")
    return (struct.pack("=i", found) if isinstance(found, int) else found)[:size]


def _unknown(call: str, level: int, name: int) -> NotOnThisTestbed:
    return NotOnThisTestbed(
        f"{call}(level {level}, option {name}): the simulated kernel does not know this option; "
        "use a live testbed (open_testbed() on Linux)"
    )


def _number(value: Any, layout: str = "=i") -> int:
    if isinstance(value, int):
        return value
    data = bytes(value)
    if len(data) < struct.calcsize(layout):
        raise failure(errno.EINVAL)
    return int(struct.unpack_from(layout, data)[0])


def _flag(attribute: str) -> Callable[[SimulatedSocket, Any], None]:
    def setter(sock: SimulatedSocket, value: Any) -> None:
        setattr(sock.end, attribute, bool(_number(value)))

    return setter


def _choose(sock: SimulatedSocket, **options: Any) -> None:
    sock.end.options = replace(sock.end.options, **options)


def _set_no_delay(sock: SimulatedSocket, value: Any) -> None:
    _choose(sock, no_delay=bool(_number(value)))


def _set_linger(sock: SimulatedSocket, value: Any) -> None:
    data = struct.pack("=i", value) if isinstance(value, int) else bytes(value)
    if len(data) < 8:
        raise failure(errno.EINVAL)
    on, seconds = struct.unpack_from("ii", data)
    _choose(sock, linger=seconds if on else None)


def _get_linger(sock: SimulatedSocket) -> bytes:
    linger = sock.end.options.linger
    return struct.pack("ii", linger is not None, linger or 0)


def _timeout(attribute: str) -> Callable[[SimulatedSocket, Any], None]:
    def setter(sock: SimulatedSocket, value: Any) -> None:
        data = struct.pack("=i", value) if isinstance(value, int) else bytes(value)
        if len(data) < 16:
            raise failure(errno.EINVAL)
        seconds, microseconds = struct.unpack_from("@qq", data)
        if not 0 <= microseconds < 1_000_000:
            raise failure(errno.EDOM)
        setattr(sock, attribute, seconds + microseconds / 1e6 or None)

    return setter


def _get_timeout(attribute: str) -> Callable[[SimulatedSocket], bytes]:
    def getter(sock: SimulatedSocket) -> bytes:
        seconds = getattr(sock, attribute) or 0.0
        return struct.pack("@qq", int(seconds), round(seconds % 1 * 1e6))

    return getter


def _get_info(sock: SimulatedSocket) -> bytes:
    return bytes((_NUMBERS[sock.end.state],)) + bytes(231)


def _set_range(sock: SimulatedSocket, value: Any) -> None:
    """IP_LOCAL_PORT_RANGE: high << 16 | low, 0 for no bound of its own."""
    if not sock.end.kernel.version.socket_range:
        raise failure(errno.ENOPROTOOPT)
    number = _number(value, "=I")
    low, high = number & 0xFFFF, number >> 16 & 0xFFFF
    if low and high and low > high:
        raise failure(errno.EINVAL)
    _choose(sock, local_range=(low, high))


def _get_range(sock: SimulatedSocket) -> bytes:
    if not sock.end.kernel.version.socket_range:
        raise failure(errno.ENOPROTOOPT)
    low, high = sock.end.options.local_range
    return struct.pack("=I", high << 16 | low)


def _set_no_port(sock: SimulatedSocket, value: Any) -> None:
    if not sock.end.kernel.version.bind_no_port:
        raise failure(errno.ENOPROTOOPT)
    _choose(sock, bind_no_port=bool(_number(value)))


def _set_v6_only(sock: SimulatedSocket, value: Any) -> None:
    if sock.end.port or ":" not in sock.end.source:
        raise failure(errno.EINVAL if ":" in sock.end.source else errno.ENOPROTOOPT)
    sock.end.v6_only = bool(_number(value))


def _set_retries(sock: SimulatedSocket, value: Any) -> None:
    number = _number(value)
    if not 1 <= number <= _MOST_RETRIES:
        raise failure(errno.EINVAL)
    _choose(sock, syn_retries=number)


def _set_user_timeout(sock: SimulatedSocket, value: Any) -> None:
    if _number(value) < 0:
        raise failure(errno.EINVAL)
    _choose(sock, user_timeout=_number(value) / 1000)


def _send_room(sock: SimulatedSocket) -> int:
    return SEND_ROOM if sock.end.tcb.state.synchronized else _FRESH_SEND_ROOM


_SETTERS: dict[Key, Callable[[SimulatedSocket, Any], None]] = {
    (c.SOL_SOCKET, c.SO_REUSEADDR): _flag("reuse_address"),
    (c.SOL_SOCKET, c.SO_LINGER): _set_linger,
    (c.SOL_SOCKET, c.SO_RCVTIMEO): _timeout("receive_timeout"),
    (c.SOL_SOCKET, c.SO_SNDTIMEO): _timeout("send_timeout"),
    (c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT): _set_no_port,
    (c.SOL_IP, c.IP_LOCAL_PORT_RANGE): _set_range,
    (c.SOL_TCP, c.TCP_NODELAY): _set_no_delay,
    (c.SOL_TCP, c.TCP_SYNCNT): _set_retries,
    (c.SOL_TCP, c.TCP_USER_TIMEOUT): _set_user_timeout,
    (c.SOL_IPV6, c.IPV6_V6ONLY): _set_v6_only,
}
_GETTERS: dict[Key, Callable[[SimulatedSocket], int | bytes]] = {
    (c.SOL_SOCKET, c.SO_REUSEADDR): lambda sock: int(sock.end.reuse_address),
    (c.SOL_SOCKET, c.SO_ERROR): lambda sock: sock.end.take_error(),
    (c.SOL_SOCKET, c.SO_ACCEPTCONN): lambda sock: int(sock.end.listening),
    (c.SOL_SOCKET, c.SO_SNDBUF): _send_room,
    (c.SOL_SOCKET, c.SO_LINGER): _get_linger,
    (c.SOL_SOCKET, c.SO_RCVTIMEO): _get_timeout("receive_timeout"),
    (c.SOL_SOCKET, c.SO_SNDTIMEO): _get_timeout("send_timeout"),
    (c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT): lambda sock: int(sock.end.options.bind_no_port),
    (c.SOL_IP, c.IP_LOCAL_PORT_RANGE): _get_range,
    (c.SOL_TCP, c.TCP_NODELAY): lambda sock: int(sock.end.options.no_delay),
    (c.SOL_TCP, c.TCP_SYNCNT): lambda sock: sock.end.options.syn_retries,
    (c.SOL_TCP, c.TCP_INFO): _get_info,
    (c.SOL_TCP, c.TCP_USER_TIMEOUT): lambda sock: round(sock.end.options.user_timeout * 1000),
    (c.SOL_IPV6, c.IPV6_V6ONLY): lambda sock: int(sock.end.v6_only),
}
