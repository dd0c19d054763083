"""Linux's numbers of the socket options that the lab uses, on whatever system it runs.

The `socket` module of another system lacks some of them or has other numbers; a simulated stack takes these. Sources:
include/uapi/asm-generic/socket.h, include/uapi/linux/in.h, include/uapi/linux/tcp.h,
include/uapi/linux/if_packet.h of the Linux kernel.
"""

from __future__ import annotations

import struct

SOL_SOCKET, SOL_IP, SOL_TCP, SOL_IPV6, SOL_PACKET = 1, 0, 6, 41, 263

SO_REUSEADDR = 2
SO_TYPE = 3
SO_ERROR = 4
SO_SNDBUF = 7
SO_RCVBUF = 8
SO_KEEPALIVE = 9
SO_LINGER = 13
SO_RCVTIMEO = 20
SO_SNDTIMEO = 21
SO_ACCEPTCONN = 30

IP_BIND_ADDRESS_NO_PORT = 24  # Linux 4.2, ip(7)
IP_LOCAL_PORT_RANGE = 51  # Linux 6.3, commit 91d0b78c5177: high << 16 | low

TCP_NODELAY = 1
TCP_KEEPIDLE = 4
TCP_KEEPINTVL = 5
TCP_KEEPCNT = 6
TCP_SYNCNT = 7
TCP_INFO = 11  # its first byte is the state
TCP_USER_TIMEOUT = 18

IPV6_V6ONLY = 26

PACKET_STATISTICS = 6  # struct tpacket_stats: frames, and how many of them found no room


def timeval(seconds: float) -> bytes:
    """Return seconds as SO_SNDTIMEO and SO_RCVTIMEO take them (struct timeval); at least one microsecond."""
    whole = int(seconds)
    return struct.pack("@qq", whole, max(1, int((seconds - whole) * 1e6)))


def range_option(low: int, high: int) -> bytes:
    """Return the value of IP_LOCAL_PORT_RANGE: it is too large for a C int."""
    return struct.pack("=I", high << 16 | low)
