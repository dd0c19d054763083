"""A program that dials by io_uring and writes: HOST PORT. It ends with 77 where there is none (io_uring_setup(2))."""

from __future__ import annotations

import ctypes
import mmap
import socket
import struct
import sys

_SETUP, _ENTER, _WAIT, _CONNECT = 425, 426, 1, 16  # the same numbers on every machine; include/uapi/linux/io_uring.h
_ENTRIES, _ENTRY, _ENTRIES_AT = 4, 64, 0x10000000


def dial(sock: socket.socket, host: str, port: int) -> None:
    """Put one connect() into the ring, let the kernel do it, and wait until it has."""
    libc = ctypes.CDLL(None, use_errno=True)
    told = ctypes.create_string_buffer(120)  # struct io_uring_params
    ring = libc.syscall(_SETUP, _ENTRIES, told)
    if ring < 0:
        sys.exit(77)
    _, tail, *_, array = struct.unpack_from("=7I", told, 40)  # struct io_sqring_offsets
    queue, entries = mmap.mmap(ring, array + 4 * _ENTRIES), mmap.mmap(ring, _ENTRY * _ENTRIES, offset=_ENTRIES_AT)
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
    where = ctypes.create_string_buffer(address)
    entry = struct.pack("=BBHiQQI36x", _CONNECT, 0, 0, sock.fileno(), len(address), ctypes.addressof(where), 0)
    entries[:_ENTRY] = entry
    queue[array : array + 4], queue[tail : tail + 4] = struct.pack("=I", 0), struct.pack("=I", 1)
    libc.syscall(_ENTER, ring, 1, 1, _WAIT, None, 0)


if __name__ == "__main__":
    with socket.socket() as sock:
        dial(sock, sys.argv[1], int(sys.argv[2]))
        sock.send(b"hello")
