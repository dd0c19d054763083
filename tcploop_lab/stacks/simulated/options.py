"""setsockopt() and getsockopt() of a simulated socket, by Linux's numbers (net/core/sock.c, ip_sockglue.c, tcp.c)."""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from socket import AF_INET6, SOCK_STREAM
from typing import Any

from ...errors import NotOnThisTestbed
from .. import constants as c
from ..proc_net import STATES
from . import keep_alive
from .addresses import failure
from .end import RECEIVE_ROOM, SEND_ROOM, End

Setter = Callable[[End, bytes], None]
Getter = Callable[[End], int | bytes]

_NUMBERS = {state: number for number, state in reversed(STATES.items())}  # the first of two numbers of a state
_FRESH_SEND_ROOM = 16384
_MOST_RETRIES = 127  # MAX_TCP_SYNCNT, MAX_TCP_KEEPCNT
_MOST_KEPT_SECONDS = 32767  # MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL
_FOR_EVER = (2**63 - 1) // 250  # seconds: MAX_SCHEDULE_TIMEOUT with HZ=250
_MOST_BYTES = 1024  # that Python's getsockopt() takes
Key = tuple[int, int]


def set_option(end: End, level: int, name: int, value: Any, size: int | None = None) -> None:
    """Set an option. OSError as Linux answers; NotOnThisTestbed for one that the simulation does not know."""
    data = _packed(value, size)
    if (level, name) not in _SETTERS:
        raise _unknown("setsockopt", level, name)
    _SETTERS[level, name](end, data)


def get_option(end: End, level: int, name: int, size: int | None) -> int | bytes:
    """Return an option as `socket.getsockopt` does: a number, or at most `size` bytes."""
    if not 0 <= (size or 0) <= _MOST_BYTES:
        raise OSError("getsockopt buflen out of range")
    if (level, name) not in _GETTERS or ((level, name) == (c.SOL_TCP, c.TCP_INFO) and size != 1):
        raise _unknown("getsockopt", level, name)
    found = _GETTERS[level, name](end)
    data = struct.pack("=i", found) if isinstance(found, int) else found
    if not size:
        return int.from_bytes(data[:4], sys.byteorder, signed=True)
    if level == c.SOL_IP and size < len(data) and not any(data[1:]):
        return data[:1]  # do_ip_getsockopt()
    return data[:size]


def _unknown(call: str, level: int, name: int) -> NotOnThisTestbed:
    only = " (of TCP_INFO the first byte, the state)" if (level, name) == (c.SOL_TCP, c.TCP_INFO) else ""
    return NotOnThisTestbed(
        f"{call}(level {level}, option {name}): the simulated kernel does not know this option{only}; "
        "use a live testbed (open_testbed() on Linux)"
    )


def _packed(value: Any, size: int | None) -> bytes:
    """The bytes that Python hands to the kernel."""
    if value is None and size is not None:
        raise failure(errno.EFAULT)
    if isinstance(value, int) and -(2**31) <= value < 2**31:
        return struct.pack("=i", value)
    try:
        return bytes(memoryview(value))
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(value).__name__!r}") from None


def _number(data: bytes) -> int:
    return int(_unpacked("=i", data)[0])


def _unpacked(layout: str, data: bytes) -> tuple[Any, ...]:
    if len(data) < struct.calcsize(layout):
        raise failure(errno.EINVAL)
    return struct.unpack_from(layout, data)


def _flag(attribute: str) -> Setter:
    return lambda end, data: setattr(end, attribute, bool(_number(data)))


def _choice(name: str) -> Setter:
    return lambda end, data: _choose(end, **{name: bool(_number(data))})


def _choose(end: End, **options: Any) -> None:
    end.options = replace(end.options, **options)


def _within(name: str, most: int) -> Setter:
    """A number from 1 on."""

    def setter(end: End, data: bytes) -> None:
        number = _number(data)
        if not 1 <= number <= most:
            raise failure(errno.EINVAL)
        _choose(end, **{name: number})

    return setter


def _set_linger(end: End, data: bytes) -> None:
    on, seconds = _unpacked("ii", data)
    if on:
        seconds = seconds if seconds >= 0 else _FOR_EVER
        _choose(end, linger=seconds, lingered=seconds)
    else:
        _choose(end, linger=None)


def _get_linger(end: End) -> bytes:
    return struct.pack("iI", end.options.linger is not None, end.options.lingered & 0xFFFFFFFF)


def _timeout(attribute: str) -> Setter:
    def setter(end: End, data: bytes) -> None:
        seconds, microseconds = _unpacked("@qq", data)
        if not 0 <= microseconds < 1_000_000:
            raise failure(errno.EDOM)
        setattr(end, attribute, 0.0 if seconds < 0 else seconds + microseconds / 1e6 or None)

    return setter


def _get_timeout(attribute: str) -> Getter:
    def getter(end: End) -> bytes:
        seconds = getattr(end, attribute) or 0.0
        return struct.pack("@qq", int(seconds), round(seconds % 1 * 1e6))

    return getter


def _set_range(end: End, data: bytes) -> None:
    """IP_LOCAL_PORT_RANGE: high << 16 | low, 0 for no bound of its own."""
    if not end.kernel.version.socket_range:
        raise failure(errno.ENOPROTOOPT)
    if len(data) != 4:
        raise failure(errno.EINVAL)
    (number,) = _unpacked("=I", data)
    low, high = number & 0xFFFF, number >> 16
    if low and high and low > high:
        raise failure(errno.EINVAL)
    _choose(end, local_range=(low, high))


def _get_range(end: End) -> bytes:
    if not end.kernel.version.socket_range:
        raise failure(errno.ENOPROTOOPT)
    low, high = end.options.local_range
    return struct.pack("=I", high << 16 | low)


def _set_no_port(end: End, data: bytes) -> None:
    if not end.kernel.version.bind_no_port:
        raise failure(errno.ENOPROTOOPT)
    _choose(end, bind_no_port=bool(_number(data) if len(data) >= 4 else any(data[:1])))  # do_ip_setsockopt()


def _get_no_port(end: End) -> int:
    if not end.kernel.version.bind_no_port:
        raise failure(errno.ENOPROTOOPT)
    return int(end.options.bind_no_port)


def _set_v6_only(end: End, data: bytes) -> None:
    if end.family != AF_INET6:
        raise failure(errno.ENOPROTOOPT)
    value = _number(data)
    if end.port:
        raise failure(errno.EINVAL)
    end.v6_only = bool(value)


def _get_v6_only(end: End) -> int:
    if end.family != AF_INET6:
        raise failure(errno.EOPNOTSUPP)
    return int(end.v6_only)


def _set_user_timeout(end: End, data: bytes) -> None:
    if _number(data) < 0:
        raise failure(errno.EINVAL)
    _choose(end, user_timeout=_number(data) / 1000)


def _send_room(end: End) -> int:
    return SEND_ROOM if end.tcb.state.synchronized else _FRESH_SEND_ROOM


def _set_keep_alive(end: End, data: bytes) -> None:
    before = end.options.keep_alive
    _choose(end, keep_alive=bool(_number(data)))
    if end.options.keep_alive is not before:
        keep_alive.start(end)


def _set_keep_idle(end: End, data: bytes) -> None:
    _within("keep_idle", _MOST_KEPT_SECONDS)(end, data)
    keep_alive.start(end, end.kernel.clock.now - end.heard)


_SETTERS: dict[Key, Setter] = {
    (c.SOL_SOCKET, c.SO_REUSEADDR): _flag("reuse_address"),
    (c.SOL_SOCKET, c.SO_KEEPALIVE): _set_keep_alive,
    (c.SOL_SOCKET, c.SO_LINGER): _set_linger,
    (c.SOL_SOCKET, c.SO_RCVTIMEO): _timeout("receive_timeout"),
    (c.SOL_SOCKET, c.SO_SNDTIMEO): _timeout("send_timeout"),
    (c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT): _set_no_port,
    (c.SOL_IP, c.IP_LOCAL_PORT_RANGE): _set_range,
    (c.SOL_TCP, c.TCP_NODELAY): _choice("no_delay"),
    (c.SOL_TCP, c.TCP_KEEPIDLE): _set_keep_idle,
    (c.SOL_TCP, c.TCP_KEEPINTVL): _within("keep_interval", _MOST_KEPT_SECONDS),
    (c.SOL_TCP, c.TCP_KEEPCNT): _within("keep_count", _MOST_RETRIES),
    (c.SOL_TCP, c.TCP_SYNCNT): _within("syn_retries", _MOST_RETRIES),
    (c.SOL_TCP, c.TCP_USER_TIMEOUT): _set_user_timeout,
    (c.SOL_IPV6, c.IPV6_V6ONLY): _set_v6_only,
}
_GETTERS: dict[Key, Getter] = {
    (c.SOL_SOCKET, c.SO_REUSEADDR): lambda end: int(end.reuse_address),
    (c.SOL_SOCKET, c.SO_TYPE): lambda _: SOCK_STREAM,
    (c.SOL_SOCKET, c.SO_ERROR): lambda end: end.take_error(),
    (c.SOL_SOCKET, c.SO_ACCEPTCONN): lambda end: int(end.listening),
    (c.SOL_SOCKET, c.SO_SNDBUF): _send_room,
    (c.SOL_SOCKET, c.SO_RCVBUF): lambda _: RECEIVE_ROOM,
    (c.SOL_SOCKET, c.SO_KEEPALIVE): lambda end: int(end.options.keep_alive),
    (c.SOL_SOCKET, c.SO_LINGER): _get_linger,
    (c.SOL_SOCKET, c.SO_RCVTIMEO): _get_timeout("receive_timeout"),
    (c.SOL_SOCKET, c.SO_SNDTIMEO): _get_timeout("send_timeout"),
    (c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT): _get_no_port,
    (c.SOL_IP, c.IP_LOCAL_PORT_RANGE): _get_range,
    (c.SOL_TCP, c.TCP_NODELAY): lambda end: int(end.options.no_delay),
    (c.SOL_TCP, c.TCP_KEEPIDLE): lambda end: end.options.keep_idle,
    (c.SOL_TCP, c.TCP_KEEPINTVL): lambda end: end.options.keep_interval,
    (c.SOL_TCP, c.TCP_KEEPCNT): lambda end: end.options.keep_count,
    (c.SOL_TCP, c.TCP_SYNCNT): lambda end: end.options.syn_retries,
    (c.SOL_TCP, c.TCP_INFO): lambda end: bytes((_NUMBERS[end.state],)),
    (c.SOL_TCP, c.TCP_USER_TIMEOUT): lambda end: round(end.options.user_timeout * 1000),
    (c.SOL_IPV6, c.IPV6_V6ONLY): _get_v6_only,
}
