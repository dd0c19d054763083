"""Messages over a console that is a stream of bytes: a length, then two pickles, what it is about and the value."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import threading
from collections.abc import Callable
from typing import Any

_HEADER = struct.Struct("!4sI")  # a mark, and the length in bytes
_MARK = b"\x01lab"
_HAS = "a kernel in QEMU has the modules that were imported when it was opened"
# A kernel whose terminal is full (n_tty holds 4096 bytes) stops reading its console, and that of user-mode Linux does
# not always begin again. So no more is ever ahead than fits.
_PIECE, _WINDOW = 1 << 10, 3 << 10  # bytes: after how many the guest says that it read them, how many may be ahead
_TAKEN = b"\x01got"
Message = tuple[str, int, Any]  # kind, number, value


class Channel:
    """One end of the console. Any thread may send; one receives. The `guest` says how much it has read."""

    def __init__(self, descriptor: int, guest: bool = False) -> None:
        self._descriptor, self._guest = descriptor, guest
        self._lock, self._room = threading.Lock(), threading.Condition()
        self._ahead = 0  # bytes: sent and not known to be read; of the guest: read and not told
        self._gone = False

    def send(self, message: Message, save: Callable[[Any], Any]) -> None:
        """Send one message; what `save` gives a name for travels as that name. Raises OSError if nobody reads."""
        *about, value = message
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        pickler.save_name = save
        pickler.dump(about)
        pickler.dump(value)
        data = memoryview(_HEADER.pack(_MARK, buffer.tell()) + buffer.getvalue())
        with self._lock:
            for start in range(0, len(data), _PIECE):
                piece = data[start : start + _PIECE]
                self._wait_for_room(len(piece))
                self._write(piece)

    def _wait_for_room(self, size: int) -> None:
        if self._guest:  # who started it always reads
            return
        with self._room:
            self._room.wait_for(lambda: self._gone or self._ahead + size <= _WINDOW)
            if self._gone:
                raise BrokenPipeError("the other end of the console is gone")
            self._ahead += size

    def _write(self, rest: memoryview) -> None:
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def receive(self, load: Callable[[Any], Any]) -> Message:
        """Return the next message, with what `load` gives for each name. Raises EOFError when the other end is gone.

        A value that cannot be loaded here is an error of this one message: its kind is "error", and it says why.
        """
        try:
            content = self._next()
        except (EOFError, OSError):
            with self._room:
                self._gone = True
                self._room.notify_all()
            raise
        unpickler = _Unpickler(io.BytesIO(content))
        unpickler.load_name = load
        kind, number = unpickler.load()
        try:
            return kind, number, unpickler.load()
        except Exception as error:
            return "error", number, ValueError(f"what was sent cannot be loaded there: {error}; {_HAS}")

    def _next(self) -> bytes:
        while True:
            mark, length = _HEADER.unpack(self._read(_HEADER.size))
            if mark == _MARK:
                return self._read(length)
            if mark != _TAKEN:
                raise EOFError("something else wrote on the console of the lab")
            with self._room:
                self._ahead -= length
                self._room.notify_all()

    def _read(self, length: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < length:
            chunk = os.read(self._descriptor, min(length - len(chunks), 1 << 16))
            if not chunk:
                raise EOFError("the other end of the console is gone")
            chunks += chunk
            if self._guest:
                self._tell_read(len(chunk))
        return bytes(chunks)

    def _tell_read(self, size: int) -> None:
        self._ahead += size
        if self._ahead >= _PIECE:
            with self._lock:
                self._write(memoryview(_HEADER.pack(_TAKEN, self._ahead)))
            self._ahead = 0

    def close(self) -> None:
        """Let go of this end."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


class _Pickler(pickle.Pickler):
    save_name: Callable[[Any], Any]

    def persistent_id(self, value: Any) -> Any:
        return self.save_name(value)


class _Unpickler(pickle.Unpickler):
    load_name: Callable[[Any], Any]

    def persistent_load(self, pid: Any) -> Any:
        return self.load_name(pid)
