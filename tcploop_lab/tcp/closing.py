"""How close() ends a connection: in order, or by a reset (RFC 9293 section 3.10.5, ABORT), as SO_LINGER says."""

from __future__ import annotations

import struct
from typing import Any

SOL_SOCKET, SO_LINGER = 1, 13  # Linux's numbers, which a simulated socket knows on any system
RESET = struct.pack("ii", 1, 0)  # on, 0 s: close() sends RST and leaves no TIME-WAIT (socket(7))
ORDERLY = struct.pack("ii", 0, 0)


def by_reset(sock: Any) -> None:
    """Let the close() of a socket, whenever it comes, be a reset: its port is free at once."""
    sock.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
