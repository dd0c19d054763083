"""What crosses the border between a student's process and the grader's: plain data, written as JSON.

A value of a class that is not in this list does not cross, so nothing that a student defined is ever alive outside.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

LONGEST = 100_000  # characters of one answer
_PLAIN = (bool, int, float, str, type(None))
_MANY: dict[str, Callable[[list[Any]], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}


class NotPlain(ValueError):
    """A value that does not cross; the text says of which type it is."""


def written(value: object) -> str:
    """Return a value as one line of JSON. Raises NotPlain for what is no plain data, or is too long."""
    try:
        text = json.dumps(_packed(value), allow_nan=True)
    except RecursionError:
        raise NotPlain("an answer that holds itself, or too many levels") from None
    _must_be_short(text)
    return text


def read(text: str) -> Any:
    """Return the value of a line of JSON. Raises NotPlain if it is none that `written` writes."""
    _must_be_short(text)  # a set of numbers with one hash takes the square of its length
    try:
        return _unpacked(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NotPlain("an answer that cannot be read") from None


def _must_be_short(text: str) -> None:
    if len(text) > LONGEST:
        raise NotPlain(f"an answer of {len(text)} characters, and {LONGEST} are read")


def _packed(value: object) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, str):  # a name of the lab's, such as State.CLOSING: its text, whatever else it can do
        return str.__str__(value)
    if kind is list:
        return [_packed(one) for one in value]  # type: ignore[attr-defined]
    if kind.__name__ in _MANY and kind in (tuple, set, frozenset):
        return {kind.__name__: [_packed(one) for one in value]}  # type: ignore[attr-defined]
    if kind is dict:
        return {"dict": [[_packed(key), _packed(one)] for key, one in value.items()]}  # type: ignore[attr-defined]
    if kind in (bytes, bytearray, memoryview):
        return {"bytes": bytes(value).hex()}  # type: ignore[call-overload]
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):  # a number of numpy's, or an array
        return _packed(value.tolist())
    raise NotPlain(f"an object of type {kind.__name__}, which is no plain value")


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(one) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "bytes":
        return bytes.fromhex(inside)
    if kind == "dict":
        return {_unpacked(key): _unpacked(one) for key, one in inside}
    return _MANY[kind]([_unpacked(one) for one in inside])
