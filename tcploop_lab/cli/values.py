"""Values of the command line, checked by the lab's own parsers before anything runs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import click

from ..audits.sandbox.wanted import parse_limit
from ..ports.clients import parse_client
from ..ports.ranges import PortRange, parse_port
from ..testbed.base import MISSING
from ..testbed.hosts import resolve_own
from ..testbed.limits import MAX_DELAY, MAX_TIMEOUT, parse_delay, parse_timeout, parse_tries

_REAL = re.compile(r"-?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?|inf|nan)", re.ASCII | re.IGNORECASE)


_SHORTEST = 0.1  # seconds between two looks


class BadValue(click.UsageError):
    """A value that the lab refuses. The text names it and says what is allowed."""


@contextlib.contextmanager
def checked() -> Iterator[None]:
    """Turn the lab's complaint about a value (ValueError) into a usage error of the command line."""
    try:
        yield
    except ValueError as error:
        raise BadValue(str(error)) from None


class Value(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A kind of value; `name` stands for it in the help, `parse` returns it or raises ValueError."""

    def __init__(self, name: str, parse: Callable[[Any], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value; raises BadValue with the parser's own words."""
        with checked():
            return self._parse(value)


def number(value: object) -> object:
    """Return text in plain decimal as an int; anything else unchanged, for the parser to refuse."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,4000}", value) else value


def real(value: object) -> object:
    """Return text as a float where it is a number; anything else unchanged, for the parser to refuse."""
    return float(value) if isinstance(value, str) and _REAL.fullmatch(value) else value


def _delay(value: object) -> float:
    """Return milliseconds as seconds."""
    milliseconds = real(value)
    try:
        return parse_delay(milliseconds / 1000 if isinstance(milliseconds, (int, float)) else milliseconds)
    except ValueError:
        raise ValueError(f"delay {value!r}: give milliseconds from 0 to {MAX_DELAY * 1000:.0f}") from None


def _interval(value: object) -> float:
    seconds = real(value)
    if isinstance(seconds, float) and _SHORTEST <= seconds <= MAX_TIMEOUT:
        return seconds
    raise ValueError(f"seconds {value!r}: give {_SHORTEST} to {MAX_TIMEOUT:.0f}")


def _testbed(value: str) -> str:
    if value not in MISSING:
        raise ValueError(f"testbed {value!r}: a testbed is {', '.join(MISSING)}")
    return value


def _kernel(value: str) -> str:
    from ..stacks.simulated import version

    version(value)
    return value


PORT = Value("port", parse_port)
HOST = Value("host", lambda value: resolve_own(value).name)
RANGE = Value("low-high", PortRange.parse)
CLIENT = Value("kind", parse_client)
TRIES = Value("n", lambda value: parse_tries(number(value)))
SECONDS = Value("s", lambda value: parse_timeout(real(value)))
INTERVAL = Value("s", _interval)
NUMBER = Value("n", real)  # the lab says which numbers it takes
DELAY = Value("ms", _delay)
TESTBED = Value("kind", _testbed)
KERNEL = Value("version", _kernel)
WHOLE = Value("n", number)  # the lab says which numbers it takes
FILE = Value("file", str)
LIMIT = Value("name=number", parse_limit)
