"""A kernel filter for one port, as a classic BPF program: no libpcap is needed, refused tries stay in the kernel.

Sources: packet(7), Documentation/networking/filter.rst of the Linux kernel (SO_ATTACH_FILTER).
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import NamedTuple

_SO_ATTACH_FILTER = 26
_LDH_ABS, _LDB_ABS, _LDH_IND, _LDX_IHL, _JEQ, _RET = 0x28, 0x30, 0x48, 0xB1, 0x15, 0x06
_JEQ_X, _JA, _ST, _LDX_MEM, _LDX_IMM = 0x1D, 0x05, 0x02, 0x61, 0x01
_ETHERTYPE, _IPV4, _IPV6, _TCP = 12, 0x0800, 0x86DD, 6
_WHOLE = 0x40000  # bytes of a segment to keep: all of it


def port_filter(port: int, both_ends: bool = True) -> list[tuple[int, int, int, int]]:
    """Return the program (code, jump if true, jump if false, value) that keeps TCP segments of `port`.

    `both_ends` keeps those whose source *and* destination port it is, which leaves out every refused try of a loop;
    otherwise one of the two is enough. Offsets count from the Ethernet header, which loopback has too.
    """
    # Line by line, with the distance to "drop" (line 16) and "keep" (line 17) in each jump.
    on_source = (0, 16 - 7) if both_ends else (17 - 7, 0)
    on_source6 = (0, 16 - 14) if both_ends else (17 - 14, 0)
    return [
        (_LDH_ABS, 0, 0, _ETHERTYPE),  # 0
        (_JEQ, 0, 7, _IPV4),  # 1  not IPv4: go to 9
        (_LDB_ABS, 0, 0, 23),  # 2  protocol
        (_JEQ, 0, 16 - 4, _TCP),  # 3
        (_LDX_IHL, 0, 0, 14),  # 4  X = length of the IPv4 header
        (_LDH_IND, 0, 0, 14),  # 5  source port
        (_JEQ, *on_source, port),  # 6
        (_LDH_IND, 0, 0, 16),  # 7  destination port
        (_JEQ, 17 - 9, 16 - 9, port),  # 8
        (_JEQ, 0, 16 - 10, _IPV6),  # 9
        (_LDB_ABS, 0, 0, 20),  # 10 next header
        (_JEQ, 0, 16 - 12, _TCP),  # 11
        (_LDH_ABS, 0, 0, 54),  # 12 source port
        (_JEQ, *on_source6, port),  # 13
        (_LDH_ABS, 0, 0, 56),  # 14 destination port
        (_JEQ, 17 - 16, 0, port),  # 15
        (_RET, 0, 0, 0),  # 16 drop
        (_RET, 0, 0, _WHOLE),  # 17 keep
    ]


def any_port() -> list[tuple[int, int, int, int]]:
    """Return the program that keeps the TCP segments of every port."""
    return [
        (_LDH_ABS, 0, 0, _ETHERTYPE),  # 0
        (_JEQ, 0, 4 - 2, _IPV4),  # 1  not IPv4: go to 4
        (_LDB_ABS, 0, 0, 23),  # 2  protocol
        (_JEQ, 7 - 4, 8 - 4, _TCP),  # 3
        (_JEQ, 0, 8 - 5, _IPV6),  # 4
        (_LDB_ABS, 0, 0, 20),  # 5  next header
        (_JEQ, 0, 8 - 7, _TCP),  # 6
        (_RET, 0, 0, _WHOLE),  # 7 keep
        (_RET, 0, 0, 0),  # 8 drop
    ]


def same_ports() -> list[tuple[int, int, int, int]]:
    """Return the program that keeps the TCP segments whose two ports are the same one."""
    return [
        (_LDH_ABS, 0, 0, _ETHERTYPE),  # 0
        (_JEQ, 0, 5 - 2, _IPV4),  # 1  not IPv4: go to 5
        (_LDB_ABS, 0, 0, 23),  # 2  protocol
        (_LDX_IHL, 0, 0, 14),  # 3  X = length of the IPv4 header
        (_JA, 0, 0, 8 - 5),  # 4  go to 8
        (_JEQ, 0, 15 - 6, _IPV6),  # 5
        (_LDB_ABS, 0, 0, 20),  # 6  next header
        (_LDX_IMM, 0, 0, 40),  # 7  X = length of the IPv6 header
        (_JEQ, 0, 15 - 9, _TCP),  # 8
        (_LDH_IND, 0, 0, 14),  # 9  source port
        (_ST, 0, 0, 0),  # 10
        (_LDH_IND, 0, 0, 16),  # 11 destination port
        (_LDX_MEM, 0, 0, 0),  # 12 X = source port
        (_JEQ_X, 0, 15 - 14, 0),  # 13
        (_RET, 0, 0, _WHOLE),  # 14 keep
        (_RET, 0, 0, 0),  # 15 drop
    ]


def attach(sock: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    """Attach the program to a socket. Raises OSError if the kernel refuses it."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    pointer = struct.pack("HP", len(program), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)


class TcpHeader(NamedTuple):
    """What a look at the TCP header tells; `length` is the number of payload bytes, `flags` are those of RFC 9293."""

    sport: int
    dport: int
    seq: int
    flags: int
    length: int


def tcp_header(frame: bytes) -> TcpHeader:
    """Return the TCP header of a frame that passed the filter, without the cost of a whole dissection."""
    if frame[_ETHERTYPE : _ETHERTYPE + 2] == b"\x08\x00":
        start, end = 14 + 4 * (frame[14] & 15), 14 + int.from_bytes(frame[16:18], "big")
    else:
        start, end = 54, 54 + int.from_bytes(frame[18:20], "big")
    sport, dport, seq, _, offset, flags = struct.unpack_from("!HHIIBB", frame, start)
    return TcpHeader(sport, dport, seq, flags, end - start - 4 * (offset >> 4))
