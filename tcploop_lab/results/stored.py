"""Results in files that ship with the package: their one codec. A range is stored as "LOW-HIGH"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from cattrs import transform_error
from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter

from ..ports.ranges import PortRange

_Kind = TypeVar("_Kind")
_WRONG = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
_LONGEST = 200  # characters of the reason
_converter = make_converter()
_converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
_converter.register_structure_hook(PortRange, lambda value, _: PortRange.parse(value))
_converter.register_unstructure_hook(PortRange, str)


def load(path: Path, kind: type[_Kind]) -> _Kind:
    """Return the value of this kind that `store` wrote. Raises ValueError, in one line, where it did not."""
    return loads(path.read_bytes(), kind, path.name)


def loads(text: str | bytes, kind: type[_Kind], name: str = "the text") -> _Kind:
    """Return the value of this kind that `dumps` wrote. Raises ValueError, in one line, for whatever else `text` is."""
    try:
        return _converter.structure(json.loads(text), kind)
    except (BaseValidationError, *_WRONG) as wrong:
        found = "; ".join(transform_error(wrong)) if isinstance(wrong, BaseValidationError) else str(wrong)
        raise ValueError(f"{name} is no stored result of this lab ({' '.join(found.split())[:_LONGEST]})") from None


def dumps(value: object) -> str:
    """Return a value as text, in one line."""
    return _converter.dumps(value)


def store(path: Path, value: object) -> None:
    """Write a value where `load` reads it."""
    path.write_text(_converter.dumps(value, indent=1) + "\n", encoding="utf-8")
