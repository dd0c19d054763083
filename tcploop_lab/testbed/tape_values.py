"""Values of a recording as JSON: what workers return, the calls of sockets, and the errors they raise.

Plain JSON and no pickle: a person can read it, and reading it runs nothing. A value that JSON has no word for is an
object with one key that says what it is, such as {"bytes": ...}. Only dataclasses of this package can be made.
"""

from __future__ import annotations

import base64
import binascii
import errno
import lzma
import os
import re
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import Any

from ..errors import NotOnThisTestbed

_PACKAGE = __name__.split(".")[0]
_HOME = re.compile(r"(model|testbed|study)(\.[a-z_]+)+:[A-Za-z]+")
_SHORT = 200  # bytes that are not worth compressing
_LARGEST = 64 << 20  # bytes that a compressed value may unfold to
_FORMAT = {"format": lzma.FORMAT_ALONE}


def encode(value: Any, socket: Callable[[Any], Any] | None = None) -> Any:
    """Return `value` as JSON; `socket` writes what has a `getsockname`. TypeError for what has no form."""
    if isinstance(value, Enum):
        return {"enum": [_name(type(value)), value.value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return {"packed": _pack(value)} if len(value) > _SHORT else {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, array):
        return {"array": [value.typecode, _pack(_steps(value).tobytes())]}
    if is_dataclass(value) and not isinstance(value, type):
        found = {field.name: encode(getattr(value, field.name), socket) for field in fields(value)}
        return {"data": [_name(type(value)), found]}
    return _encode_collection(value, socket)


def _encode_collection(value: Any, socket: Callable[[Any], Any] | None) -> Any:
    if isinstance(value, Mapping):
        pairs = [[encode(key, socket), encode(item, socket)] for key, item in value.items()]
        return {"counter" if isinstance(value, Counter) else "dict": pairs}
    for kind in (list, tuple, frozenset, range):
        if isinstance(value, kind):
            items = [value.start, value.stop, value.step] if isinstance(value, range) else value
            return {kind.__name__: [encode(item, socket) for item in items]}
    if socket is not None and hasattr(value, "getsockname"):
        return {"socket": socket(value)}
    raise TypeError(f"{type(value).__name__}: a recording has no form for it")


def decode(value: Any, socket: Callable[[Any], Any] | None = None) -> Any:
    """Return what was encoded; `socket` makes a socket of what was written for it. ValueError for anything else."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError("recorded value: a bare list; the recording is damaged, make it again: make record")
        return value
    try:
        ((kind, content),) = value.items()
        return _DECODERS[kind](content, lambda item: decode(item, socket), socket)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, ImportError, lzma.LZMAError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"recorded value: {reason}; the recording is damaged, make it again: make record") from None


def encode_error(error: BaseException) -> Any:
    """Return an exception as JSON: its name, and its errno name or its text."""
    if isinstance(error, OSError) and error.errno:
        return {"errno": errno.errorcode[error.errno]}
    return {"type": type(error).__name__, "text": str(error)}


def decode_error(value: Any) -> Exception:
    """Return the exception that was encoded. ValueError for one that a recording cannot hold."""
    kinds = {kind.__name__: kind for kind in (NotOnThisTestbed, ValueError, TimeoutError, RuntimeError, OSError)}
    try:
        if "errno" in value:
            number = getattr(errno, value["errno"])
            return OSError(number, os.strerror(number))  # OSError picks its own subclass
        return kinds[value["type"]](value["text"])
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"recorded error {value!r}: {error}; make the recording again: make record") from None


def decode_answer(answer: Mapping[str, Any], socket: Callable[[Any], Any] | None = None) -> Any:
    """Return what a recorded call gave, or raise what it raised; `socket` is as for `decode`."""
    if "raises" in answer:
        raise decode_error(answer["raises"])
    return decode(answer["gives"], socket)


def _name(kind: type) -> str:
    return f"{kind.__module__.removeprefix(_PACKAGE + '.')}:{kind.__qualname__}"


def _class(name: str) -> Any:
    if not _HOME.fullmatch(name):
        raise ValueError(f"{name!r} is no type of this package")
    module, _, word = name.partition(":")
    found = getattr(import_module(f"{_PACKAGE}.{module}"), word)
    if not (is_dataclass(found) or (isinstance(found, type) and issubclass(found, Enum))):
        raise ValueError(f"{name!r} is no value")
    return found


def _pack(data: bytes | bytearray) -> str:
    return base64.b64encode(lzma.compress(data, **_FORMAT)).decode()


def _unpack(text: str) -> bytes:
    unpacker = lzma.LZMADecompressor(**_FORMAT)
    try:
        data = unpacker.decompress(base64.b64decode(text, validate=True), _LARGEST)
    except (binascii.Error, EOFError) as error:
        raise ValueError(str(error)) from None
    if not unpacker.eof and not unpacker.needs_input:
        raise ValueError(f"a value of more than {_LARGEST} bytes")
    return data


def _steps(values: array[Any]) -> array[Any]:
    """Source ports as the steps between them, modulo 2^16: they say the same in a third of the space."""
    if values.typecode != "H":
        return values
    return array("H", [(b - a) % 65536 for a, b in zip([0, *values], values, strict=False)])


def _array(content: Any) -> array[Any]:
    code, packed = content
    values = array(code)
    values.frombytes(_unpack(packed))
    if code != "H":
        return values
    total = 0
    return array("H", [total := (total + step) % 65536 for step in values])


def _make(content: Any, inner: Callable[[Any], Any]) -> Any:
    name, found = content
    return _class(name)(**{key: inner(item) for key, item in found.items()})


def _pairs(content: Any, inner: Callable[[Any], Any]) -> dict[Any, Any]:
    return {inner(key): inner(item) for key, item in content}


_DECODERS: dict[str, Callable[[Any, Callable[[Any], Any], Any], Any]] = {
    "enum": lambda content, inner, _: _class(content[0])(content[1]),
    "bytes": lambda content, inner, _: base64.b64decode(content, validate=True),
    "packed": lambda content, inner, _: _unpack(content),
    "array": lambda content, inner, _: _array(content),
    "data": lambda content, inner, _: _make(content, inner),
    "dict": lambda content, inner, _: _pairs(content, inner),
    "counter": lambda content, inner, _: Counter(_pairs(content, inner)),
    "list": lambda content, inner, _: [inner(item) for item in content],
    "tuple": lambda content, inner, _: tuple(inner(item) for item in content),
    "frozenset": lambda content, inner, _: frozenset(inner(item) for item in content),
    "range": lambda content, inner, _: range(*map(int, content)),
    "socket": lambda content, inner, socket: socket(content),
}
