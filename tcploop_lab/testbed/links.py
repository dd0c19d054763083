"""Where the datagram of a frame begins, by the link type of the capture file.

Loopbacks are captured under many link types: Ethernet and "cooked" on Linux, NULL on macOS, FreeBSD and Npcap, LOOP on
OpenBSD, IPNET on illumos, RAW on tunnels. Source: https://www.tcpdump.org/linktypes.html
"""

from __future__ import annotations

ETHERNET = 1
_SLL, _SLL2 = 113, 276
# The family of NULL and LOOP is 2 for IPv4; for IPv6 it is 24, 28 or 30, as the system has it, in its own byte order or
# in the network's. The datagram's version says the same in one way.
_BEFORE = {0: 4, 108: 4, 12: 0, 14: 0, 101: 0, 228: 0, 229: 0, 226: 24, _SLL: 16, _SLL2: 20}  # bytes of header
_TYPE_AT = {ETHERNET: 12, _SLL: 14, _SLL2: 0}  # where the EtherType is
_IP, _TAGS = (0x0800, 0x86DD), (0x8100, 0x88A8, 0x9100, 0x9200)  # IPv4 and IPv6; VLANs, also in each other
_LEAST = {4: 20, 6: 40}  # bytes of a header


def link_type(stored: int) -> int:
    """Return the link type of a pcap file's header; the bits above tell the length of the frames' check sequence."""
    return stored & 0xFFFF


def datagram(link: int, frame: bytes) -> bytes:
    """Return the IPv4 or IPv6 datagram in a frame, with whatever follows it; empty if there is none, or no telling."""
    if link in _TYPE_AT:
        start = _after_tags(_TYPE_AT[link], frame, _BEFORE.get(link, 14))
    else:
        start = _BEFORE.get(link, len(frame))
    found = frame[start:]
    version = found[0] >> 4 if found else 0
    return found if len(found) >= _LEAST.get(version, len(found) + 1) else b""


def _after_tags(at: int, frame: bytes, start: int) -> int:
    kind = int.from_bytes(frame[at : at + 2], "big")
    while kind in _TAGS:
        kind = int.from_bytes(frame[start + 2 : start + 4], "big")
        start += 4
    return start if kind in _IP else len(frame)


def length(datagram: bytes) -> int:
    """Return how long the header says that a datagram is; what follows is padding, or the frame's check sequence.

    Where it says 0 the datagram ends with the frame: the network card was to cut it in pieces, or it is a jumbogram.
    """
    if datagram[0] >> 4 == 4:
        return int.from_bytes(datagram[2:4], "big") or len(datagram)
    following = int.from_bytes(datagram[4:6], "big")
    return 40 + following if following else len(datagram)
