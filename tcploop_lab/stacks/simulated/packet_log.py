"""What packet sockets on the simulated lo see."""

from __future__ import annotations

import struct
import sys

from ...tcp.segments import Segment
from ..stack import Frame
from . import frames
from .clock import Clock

_ROOM = 20_000  # frames that one packet socket keeps for its reader; more are dropped and counted


class SimulatedPacketSocket:
    """A capture of one port's segments: each is seen twice, as it leaves and as it arrives."""

    def __init__(self, log: PacketLog, port: int | None, both_ends: bool) -> None:
        self.port, self.both_ends = port, both_ends
        self._log = log
        self._frames: list[Frame] = []
        self._dropped = 0

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self not in self._log.readers

    def close(self) -> None:
        """End the capture."""
        if not self.closed:
            self._log.readers.remove(self)

    def frames(self, most: int = sys.maxsize) -> tuple[list[Frame], int]:
        """Return the frames that wait, `most` of them, and how many were dropped since the last call."""
        taken, self._frames = self._frames[:most], self._frames[most:]
        dropped, self._dropped = self._dropped, 0
        return taken, dropped

    def wants(self, sport: int, dport: int) -> bool:
        """True for a segment of its port; without a port, for every one."""
        if self.port is None:
            return True
        ports = (sport == self.port, dport == self.port)
        return all(ports) if self.both_ends else any(ports)

    def take(self, frame: Frame) -> None:
        """Keep a frame."""
        if len(self._frames) < _ROOM:
            self._frames.append(frame)
        else:
            self._dropped += 1


class PacketLog:
    """The packet sockets of one host."""

    def __init__(self, clock: Clock) -> None:
        self.readers: list[SimulatedPacketSocket] = []
        self._clock = clock

    def open(self, port: int | None, both_ends: bool) -> SimulatedPacketSocket:
        """Return a new capture."""
        reader = SimulatedPacketSocket(self, port, both_ends)
        self.readers.append(reader)
        return reader

    def wanted(self, segment: Segment) -> bool:
        """True if somebody wants to see the segment."""
        return any(reader.wants(segment.sport, segment.dport) for reader in self.readers)

    def wants_refusals(self) -> bool:
        """True if somebody may want to see refused tries: any port can be one's source."""
        return any(not reader.both_ends for reader in self.readers)

    def add(self, datagram: bytes | None, outgoing: bool) -> None:
        """Show a datagram to whom it concerns; None concerns nobody."""
        if datagram is None:
            return
        start = (datagram[0] & 15) * 4 if datagram[0] >> 4 == 4 else 40
        ports = struct.unpack_from("!HH", datagram, start)
        frame = Frame(self._clock.time(), outgoing, frames.ethernet(datagram))
        for reader in self.readers:
            if reader.wants(*ports):
                reader.take(frame)
