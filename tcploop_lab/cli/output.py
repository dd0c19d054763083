"""What goes to stdout: one JSON object, or text for people. Everything else goes to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, TextIO

from ..results.description import Description
from ..stacks.task import noted_interrupts
from .values import BadValue

_NARROWEST = 20  # columns: what is narrower is no table


def deliver(as_json: bool, description: Description, **beside: Any) -> bool:
    """Print a description as one JSON object on one line, with what is `beside` it, or as text for people.

    False if nobody reads it any more.
    """
    with noted_interrupts():
        if as_json:
            return write(json.dumps(description.record() | beside, allow_nan=False) + "\n")
        return write(_drawn(description))


def _drawn(description: Description) -> str:
    """Return text as wide as the terminal."""
    from ..render.plain import text

    terminal = _is_terminal(sys.stdout)
    encoding: str = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text(description, _width(terminal), terminal, encoding)


def _width(terminal: bool) -> int | None:
    """Return how wide the text is: what COLUMNS says, as far as that is a width; else the terminal's; else None."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and len(asked) < 5 and int(asked):
        return max(int(asked), _NARROWEST)
    with contextlib.suppress(OSError):  # no terminal after all
        return max(os.get_terminal_size(sys.stdout.fileno()).columns, _NARROWEST) if terminal else None
    return None


def note(text: str) -> None:
    """Print one line beside the result, on stderr."""
    _print(text + "\n", sys.stderr)


def write(text: str) -> bool:
    """Print on stdout at once; False if nobody reads it any more. Raises BadValue if it cannot be written."""
    return _print(text, sys.stdout)


def _print(text: str, stream: TextIO | None) -> bool:
    if stream is None:  # it was closed before the program began
        return True
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `tcploop doctor | head -1`
        _drop_the_rest(stream)
        return False
    except OSError as error:
        _drop_the_rest(stream)
        raise BadValue(f"standard output: {error.strerror}; give it a file or a pipe that takes it") from None
    return True


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
