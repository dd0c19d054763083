"""What goes to stdout: one JSON object, or text for people. Everything else goes to stderr."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO

from .values import BadValue

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST = 20  # columns: what is narrower is no table
_UNBROKEN = 10_000  # columns where nobody looks: a pipe gets whole lines, for grep and awk


def deliver(as_json: bool, record: Mapping[str, Any], draw: Callable[[ModuleType, Console], None]) -> None:
    """Print `record` as one JSON object on one line, or let `draw` print with the module `tables`."""
    if as_json:
        write(json.dumps(record, allow_nan=False) + "\n")
    else:
        write(_drawn(draw))


def _drawn(draw: Callable[[ModuleType, Console], None]) -> str:
    """Return text as wide as the terminal. rich obeys NO_COLOR and leaves pipes without colour."""
    from rich.console import Console

    from . import tables

    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    page = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    terminal = _is_terminal(sys.stdout)
    width = _width(terminal)
    draw(
        tables,
        Console(file=page, force_terminal=terminal, width=width, highlight=False, markup=False, emoji=False),
    )
    page.seek(0)
    return re.sub(r" +$", "", page.read(), flags=re.MULTILINE)  # rich fills every row with spaces


def _width(terminal: bool) -> int:
    """Return how wide the text is: what COLUMNS says, as far as that is a width; else the terminal's, or unbroken."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and len(asked) < 5 and int(asked):
        return max(int(asked), _NARROWEST)
    with contextlib.suppress(OSError):  # no terminal after all
        return max(os.get_terminal_size(sys.stdout.fileno()).columns, _NARROWEST) if terminal else _UNBROKEN
    return _UNBROKEN


def note(text: str) -> None:
    """Print one line beside the result, on stderr."""
    _print(text + "\n", sys.stderr)


def write(text: str) -> None:
    """Print on stdout at once. Raises BadValue if stdout cannot be written, as on a full disk."""
    _print(text, sys.stdout)


def _print(text: str, stream: TextIO | None) -> None:
    if stream is None:  # it was closed before the program began
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `tcploop doctor | head -1`
        _drop_the_rest(stream)
    except OSError as error:
        _drop_the_rest(stream)
        raise BadValue(f"standard output: {error.strerror}; give it a file or a pipe that takes it") from None


def _drop_the_rest(stream: TextIO) -> None:
    """Send what is left in the buffer nowhere: it would raise again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def for_people(as_json: bool) -> bool:
    """True if a person watches stderr, so that a progress bar helps."""
    return not as_json and _is_terminal(sys.stderr)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()
