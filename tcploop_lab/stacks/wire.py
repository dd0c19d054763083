"""Messages between the lab and its workers: pickles over a Unix socket, live sockets included.

A socket inside a message travels as a file descriptor (unix(7), SCM_RIGHTS), so a socket that was made in a private
namespace arrives as a live socket of that namespace.
"""

from __future__ import annotations

import io
import os
import pickle
import socket
import struct
from typing import Any

from ..errors import LabError

_HEADER = struct.Struct("!QI")  # payload length in bytes, number of descriptors
_MAX_DESCRIPTORS = 64


class NoDescriptorFree(LabError):
    """A message brought open files, and this process may open no more. The message is lost, the channel is sound."""


class OpenFile(io.FileIO):
    """An open file, such as the socket table of a namespace, that may travel in a message as a socket may."""


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, open_files: list[socket.socket | OpenFile]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._open_files = open_files

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, OpenFile):
            return self._index(value), value.mode
        if isinstance(value, socket.socket):
            return self._index(value), value.gettimeout(), value.family, value.type, value.proto
        return None

    def _index(self, value: socket.socket | OpenFile) -> int:
        self._open_files.append(value)
        return len(self._open_files) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, descriptors: list[int]) -> None:
        super().__init__(file)
        self._descriptors = descriptors

    def persistent_load(self, pid: Any) -> socket.socket | OpenFile:
        index, *kind = pid
        descriptor = self._descriptors[index]
        if len(kind) == 1:
            return OpenFile(descriptor, *kind)
        timeout, family, of_type, protocol = kind
        sock = socket.socket(family, of_type, protocol, descriptor)
        sock.settimeout(timeout)  # its own, whatever socket.setdefaulttimeout() says in the program that receives it
        return sock


def send(channel: socket.socket, message: Any, hand_over: bool = False) -> None:
    """Send one message. Open files in it are duplicated for the receiver; the sender's copies stay open.

    With `hand_over` they are closed before the receiver has the message, so that its copies are the only ones: a
    socket's FIN is sent when the last copy is closed.

    Raises OSError if the other end is gone, and pickle errors for what cannot be sent.
    """
    open_files: list[socket.socket | OpenFile] = []
    buffer = io.BytesIO()
    _Pickler(buffer, open_files).dump(message)
    body = buffer.getvalue()
    header = _HEADER.pack(len(body), len(open_files))
    socket.send_fds(channel, [header], [item.fileno() for item in open_files])
    if hand_over:
        for item in open_files:
            item.close()
    channel.sendall(body)


def receive(channel: socket.socket) -> Any:
    """Return the next message. Raises EOFError when the other end is gone, NoDescriptorFree for want of room."""
    header, descriptors, _, _ = socket.recv_fds(channel, _HEADER.size, _MAX_DESCRIPTORS)
    while 0 < len(header) < _HEADER.size:
        header += _read(channel, _HEADER.size - len(header))
    if not header:
        raise EOFError("the other end of the channel is gone")
    length, count = _HEADER.unpack(header)
    body = _read(channel, length)
    if len(descriptors) < count:  # the kernel leaves out what finds no place (unix(7), MSG_CTRUNC)
        for descriptor in descriptors:
            os.close(descriptor)
        raise NoDescriptorFree(
            f"too many open files: {count} could not be received; close what you no longer need (run.close()), "
            "or allow more: ulimit -n 4096"
        )
    return _Unpickler(io.BytesIO(body), list(descriptors)).load()


def _read(channel: socket.socket, length: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < length:
        chunk = channel.recv(min(length - len(chunks), 1 << 20))
        if not chunk:
            raise EOFError("the other end of the channel ended in the middle of a message")
        chunks += chunk
    return bytes(chunks)
