"""Capture on loopback: a packet socket of the stack, read with scapy.

The Linux stack's is made by the worker, in its namespace, and handed to the lab (`wire.py`). A packet socket sees each
segment twice, once when lo sends it and once when lo receives it (packet(7), PACKET_OUTGOING); an `Exchange` shows each
once.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..results.description import Description, plainly
from ..results.segments import table_of_steps
from ..results.shown import Shown, enumerated
from ..stacks.stack import Frame, PacketSocket
from ..tcp.replay import Replay, replay
from ..tcp.segments import Segment
from ..tcp.words import counted
from . import dissect, files

if TYPE_CHECKING:
    from scapy.plist import PacketList

_ETHERNET = 1  # LINKTYPE_ETHERNET
_NOTHING = "none came while it ran (begin it before the loop, on the loop's port; both_ends=False shows refused tries)"


def why_no_capture(error: Exception, private: bool) -> str:
    """Return why capturing was refused, and the way out, in one line; `private` is a network with all rights in it."""
    if isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EACCES) and not private:
        return (
            "capture on the host's loopback needs the right to capture (CAP_NET_RAW): "
            "use the namespace testbed, or run as root"
        )
    return (
        f"capture is not possible here ({error}): it needs packet sockets, which are a part of Linux; "
        "where a filter refuses them (seccomp, firejail), run without it"
    )


class Captured(Shown):
    """Segments that come while it is open, in a `with` block; they can be drawn and written after it, too."""

    figure = "exchange"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it. What came stays."""
        raise NotImplementedError

    @property
    def packets(self) -> PacketList:
        """The segments as scapy packets, each once, with the time at which it was sent."""
        raise NotImplementedError

    def ladder(self, ax: Any = None) -> Any:
        """Draw the ladder diagram on `ax` (a new figure if None) and return the Axes."""
        return self.plot(ax)

    def pcap(self, path: str | os.PathLike[str], force: bool = False) -> Path:
        """Write the segments, each once, to a new pcap file and return its path; `force` replaces one that is there.

        Raises ValueError if it cannot be written.
        """
        return write_pcap(path, self.packets, force)


class Exchange(Captured):
    """The segments of one port, captured while it is open. Use it in a `with` block; it stays readable after."""

    def __init__(self, port: int, packet_socket: PacketSocket, kernel: str, label: str = "") -> None:
        self.port = port
        self.kernel = kernel
        self.label = label  # what it must be shown with, if it is not live
        self._socket = packet_socket
        self._frames: list[Frame] = []
        self._segments: list[Segment] = []
        self._dropped = 0

    def close(self) -> None:
        """End the capture. What was captured stays."""
        if not self._socket.closed:
            self._read_waiting()
            self._socket.close()

    @property
    def copies(self) -> tuple[Frame, ...]:
        """Every frame the packet socket saw: each segment twice, going out and coming in."""
        self._read_waiting()
        return tuple(self._frames)

    @property
    def dropped(self) -> int:
        """How many frames the kernel had to drop because its buffer was full (PACKET_STATISTICS)."""
        self._read_waiting()
        return self._dropped

    @property
    def packets(self) -> PacketList:
        """The segments as scapy packets, each once, with the time at which lo sent it."""
        outgoing = [frame for frame in self.copies if frame.outgoing]
        return dissect.packets((dissect.frame(one.data, one.time) for one in outgoing), f"port {self.port}")

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments, each once, in the order in which they were sent."""
        outgoing = [frame for frame in self.copies if frame.outgoing]
        self._segments += map(segment_of, outgoing[len(self._segments) :])  # each is dissected once
        return tuple(self._segments)

    @property
    def received(self) -> dict[int, float]:
        """When each segment arrived: index in `segments` to seconds since the epoch."""
        arrived = [frame.time for frame in self.copies if not frame.outgoing]
        return dict(enumerate(arrived))

    @property
    def replayed(self) -> Replay:
        """The segments, replayed through the state table: the states at each end."""
        return replay(self.segments, received=self.received)

    @property
    def summary(self) -> str:
        """One sentence: how many segments, which, and whether any was dropped."""
        segments = self.segments
        flags = enumerated([segment.flags for segment in segments]) or _NOTHING
        label = f"{self.label}: " if self.label else ""
        return f"{label}{counted(len(segments), 'segment')} on port {self.port}: {flags}; {self.dropped} dropped"

    def describe(self, brief: bool = False) -> Description:
        """Return the segments, each once, with the states that they lead to; `brief` for a terminal."""
        table = table_of_steps(self.replayed.steps, brief)
        return Description(self.summary, None, self.label, plainly(self, "dropped"), (table,))

    def _read_waiting(self) -> None:
        if self._socket.closed:
            return
        frames, dropped = self._socket.frames()
        self._frames += frames
        self._dropped += dropped


def write_pcap(path: str | os.PathLike[str], packets: PacketList, force: bool = False) -> Path:
    """Write scapy packets to a new pcap file and return its path; `force` replaces one that is there.

    Raises ValueError, in one line, if it cannot be written.
    """
    scapy = dissect.scapy()
    with files.written(path, force) as file:
        # A microsecond is long on loopback; and of no packets scapy cannot tell the link type.
        scapy.wrpcap(file, packets, nano=True, linktype=None if packets else _ETHERNET)
    return Path(path)


def segment_of(frame: Frame) -> Segment:
    """Return the TCP segment in a frame of the packet socket."""
    return dissect.to_segment(dissect.frame(frame.data, frame.time))
