"""Segments of a capture as text that two stacks can share: numbers relative to each side's first SYN."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Callable, Iterator, Sequence

from tcploop_lab.stacks.stack import Frame

_FLAGS = "FSRPAUEC"
_END, _NOP, _SACK = 0, 1, 5
_OPTIONS = {2: "mss", 3: "wscale", 4: "sack-permitted", 8: "timestamps"}
_NEAR = 1 << 24  # bytes: no script sends so many
_Side = tuple[str, int, str, int]


class Segments:
    """Reads frames; knows the initial sequence number of each side, and that of the connection before."""

    def __init__(self, port_name: Callable[[int], str]) -> None:
        self._port_name = port_name
        self._first: dict[_Side, int] = {}
        self._before: dict[_Side, int] = {}

    def read(self, frames: Sequence[Frame]) -> Iterator[str]:
        """Yield a line for each frame: which way, from, to, flags, numbers, length, options."""
        for frame in frames:
            yield f"{'out' if frame.outgoing else 'in '} {self._read(frame.data)}"

    def _read(self, data: bytes) -> str:
        if data[12:14] == b"\x08\x00":
            start, end, family, names = 14 + 4 * (data[14] & 15), 14 + _word(data, 16), socket.AF_INET, (26, 30, 34)
        else:
            start, end, family, names = 54, 54 + _word(data, 18), socket.AF_INET6, (22, 38, 54)
        src, dst = (socket.inet_ntop(family, data[a:b]) for a, b in itertools.pairwise(names))
        sport, dport, seq, ack, offset, bits, window = struct.unpack_from("!HHIIBBH", data, start)
        body = start + 4 * (offset >> 4)
        own, other = (src, sport, dst, dport), (dst, dport, src, sport)
        flags = "".join(letter for index, letter in enumerate(_FLAGS) if bits >> index & 1)
        if "S" in flags and self._first.get(own) != seq:
            self._before[own] = self._first.get(own, 0)
            self._first[own] = seq
        said = [
            f"{src}:{self._port_name(sport)} > {dst}:{self._port_name(dport)} {flags}",
            f"seq {self._relative(own, seq) if seq else 0}",  # 0: of a reset by nobody
            f"ack {self._relative(other, ack)}" if "A" in flags else "",
            f"len {end - body}" if end > body else "",
            "" if window else "window 0",
            *self._options(data[start + 20 : body], other),
        ]
        return " ".join(part for part in said if part)

    def _relative(self, side: _Side, number: int) -> str:
        """The number within this connection, or within the one before, whose TIME-WAIT may answer a SYN."""
        here, before = ((number - first.get(side, 0)) % 2**32 for first in (self._first, self._before))
        return f"{before} of before" if here >= _NEAR > before else str(here)

    def _options(self, options: bytes, other: _Side) -> Iterator[str]:
        while options and options[0] != _END:
            kind, length = options[0], options[1] if options[0] != _NOP else 1
            if kind == _SACK:
                edges = struct.unpack(f"!{(length - 2) // 4}I", options[2:length])
                yield "sack " + "-".join(self._relative(other, edge) for edge in edges)
            elif kind != _NOP:
                value = _word(options, 2) if kind == 2 else ""
                yield f"{_OPTIONS.get(kind, kind)}{value}"
            options = options[length:]


def _word(data: bytes, at: int) -> int:
    return int(struct.unpack_from("!H", data, at)[0])
