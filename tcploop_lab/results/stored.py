"""Results in files that ship with the package: their one codec. A range is stored as "LOW-HIGH"."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from cattrs.preconf.json import make_converter

from ..ports.ranges import PortRange

_Kind = TypeVar("_Kind")
_converter = make_converter()
_converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
_converter.register_structure_hook(PortRange, lambda value, _: PortRange.parse(value))
_converter.register_unstructure_hook(PortRange, str)


def load(path: Path, kind: type[_Kind]) -> _Kind:
    """Return the value of this kind that `store` wrote."""
    return loads(path.read_text(encoding="utf-8"), kind)


def loads(text: str, kind: type[_Kind]) -> _Kind:
    """Return the value of this kind that `dumps` wrote."""
    return _converter.loads(text, kind)


def dumps(value: object) -> str:
    """Return a value as text, in one line."""
    return _converter.dumps(value)


def store(path: Path, value: object) -> None:
    """Write a value where `load` reads it."""
    path.write_text(_converter.dumps(value, indent=1) + "\n", encoding="utf-8")
