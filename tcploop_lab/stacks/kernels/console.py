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
Message = tuple[str, int, Any]  # kind, number, value


class Channel:
    """One end of the console. Any thread may send; one receives."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, message: Message, save: Callable[[Any], Any]) -> None:
        """Send one message; what `save` gives a name for travels as that name. Raises OSError if nobody reads."""
        *about, value = message
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        pickler.save_name = save
        pickler.dump(about)
        pickler.dump(value)
        rest = memoryview(_HEADER.pack(_MARK, buffer.tell()) + buffer.getvalue())
        with self._lock:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def receive(self, load: Callable[[Any], Any]) -> Message:
        """Return the next message, with what `load` gives for each name. Raises EOFError when the other end is gone.

        A value that cannot be loaded here is an error of this one message: its kind is "error", and it says why.
        """
        mark, length = _HEADER.unpack(self._read(_HEADER.size))
        if mark != _MARK:
            raise EOFError("something else wrote on the console of the lab")
        unpickler = _Unpickler(io.BytesIO(self._read(length)))
        unpickler.load_name = load
        kind, number = unpickler.load()
        try:
            return kind, number, unpickler.load()
        except Exception as error:
            return "error", number, ValueError(f"what was sent cannot be loaded there: {error}; {_HAS}")

    def _read(self, length: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < length:
            chunk = os.read(self._descriptor, min(length - len(chunks), 1 << 16))
            if not chunk:
                raise EOFError("the other end of the console is gone")
            chunks += chunk
        return bytes(chunks)

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
