"""Segments as bytes and back: Ethernet, IPv4 or IPv6, TCP, with checksums (RFC 791, RFC 8200, RFC 9293 section 3.1)."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from ...tcp.segments import Segment

_FLAGS = "FSRPAUEC"  # from the lowest bit on, by scapy's letters
_TCP, _ICMP = 6, 1
_DONT_FRAGMENT, _TTL = 0x4000, 64
_HEADER = struct.Struct("!HHIIBBHHH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_ETHER = {4: bytes(12) + b"\x08\x00", 6: bytes(12) + b"\x86\xdd"}  # lo has no addresses
_ECHO_REQUEST = 8


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(datagram: bytes) -> bytes:
    """Return the datagram as lo frames it."""
    return _ETHER[datagram[0] >> 4] + datagram


def datagram(segment: Segment, identification: int) -> bytes:
    """Return the IP datagram that carries the segment, as Linux sends it."""
    source, target = ip_address(segment.src).packed, ip_address(segment.dst).packed
    tcp = _tcp(segment, source, target)
    if len(source) == 4:
        return _ipv4(source, target, identification, _TCP, tcp)
    return _IPV6.pack(6 << 28, len(tcp), _TCP, _TTL, source, target) + tcp


def _ipv4(source: bytes, target: bytes, identification: int, protocol: int, payload: bytes) -> bytes:
    length = 20 + len(payload)
    fields = [0x45, 0, length, identification, _DONT_FRAGMENT, _TTL, protocol, 0, source, target]
    fields[7] = checksum(_IPV4.pack(*fields))
    return _IPV4.pack(*fields) + payload


def _tcp(segment: Segment, source: bytes, target: bytes) -> bytes:
    options = b"".join(_option(name, value) for name, value in segment.options)
    options += bytes(-len(options) % 4)
    flags = sum(1 << _FLAGS.index(letter) for letter in segment.flags)
    offset = (20 + len(options)) // 4 << 4
    numbers = segment.sport, segment.dport, segment.seq % 2**32, segment.ack % 2**32, offset, flags, segment.window
    body = options + segment.payload
    pseudo = source + target + struct.pack("!II", 20 + len(body), _TCP)
    total = checksum(pseudo + _HEADER.pack(*numbers, 0, 0) + body)
    return _HEADER.pack(*numbers, total, 0) + body


def _option(name: str, value: object) -> bytes:
    """One option by scapy's name of it (RFC 9293 section 3.2, RFC 7323, RFC 2018)."""
    if name == "NOP":
        return b"\x01"
    if name == "SAckOK":
        return b"\x04\x02"
    layout, number = {"MSS": ("!H", 2), "WScale": ("!B", 3), "Timestamp": ("!II", 8), "SAck": ("!II", 5)}[name]
    numbers = value if isinstance(value, tuple) else (value,)
    data = struct.pack(layout, *(item % 2**32 for item in numbers))
    return bytes((number, 2 + len(data))) + data


def parse(datagram: bytes, moment: float) -> Segment | None:
    """Return the TCP segment in an IP datagram; None for anything else."""
    if datagram[0] >> 4 == 4:
        start, protocol, addresses, end = (datagram[0] & 15) * 4, datagram[9], (12, 16, 20), datagram[2:4]
        length = int.from_bytes(end, "big")
    else:
        start, protocol, addresses = 40, datagram[6], (8, 24, 40)
        length = 40 + int.from_bytes(datagram[4:6], "big")
    if protocol != _TCP:
        return None
    first, second, third = addresses
    names = str(ip_address(datagram[first:second])), str(ip_address(datagram[second:third]))
    sport, dport, seq, ack, offset, bits, window, _, _ = _HEADER.unpack_from(datagram, start)
    flags = "".join(letter for place, letter in enumerate(_FLAGS) if bits >> place & 1)
    body = start + (offset >> 4) * 4
    options = _options(datagram[start + 20 : body])
    payload = bytes(datagram[body:length])
    return Segment(moment, names[0], sport, names[1], dport, flags, seq, ack, window, options, payload)


def _options(data: bytes) -> tuple[tuple[str, object], ...]:
    found: list[tuple[str, object]] = []
    while data and data[0] != 0:
        if data[0] == 1:
            found.append(("NOP", None))
            data = data[1:]
            continue
        kind, length = data[0], max(2, data[1])
        value, data = data[2:length], data[length:]
        numbers = tuple(struct.unpack(f"!{len(value) // 4}I", value)) if len(value) % 4 == 0 else ()
        plain = int.from_bytes(value, "big")
        known = {2: ("MSS", plain), 3: ("WScale", plain), 4: ("SAckOK", b""), 5: ("SAck", numbers)}
        found.append(("Timestamp", numbers) if kind == 8 else known.get(kind, (str(kind), value)))
    return tuple(found)


def echo_reply(request: bytes) -> bytes | None:
    """Return the answer to a ping in an IPv4 datagram (RFC 792); None if it is not one."""
    if request[0] >> 4 != 4 or request[9] != _ICMP:
        return None
    message = request[(request[0] & 15) * 4 :]
    if message[0] != _ECHO_REQUEST:
        return None
    answer = b"\0\0\0\0" + message[4:]
    answer = b"\0\0" + checksum(answer).to_bytes(2, "big") + answer[4:]
    return _ipv4(request[16:20], request[12:16], 0, _ICMP, answer)
