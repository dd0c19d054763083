"""What graded cells and judges call: they stop with one line of words, never with a traceback of the lab."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

from .assignment import NOBODY, name_of
from .engine import is_unanswered, shortened
from .handout import FILE

T = TypeVar("T")
_LONGEST = 400  # characters of a line


class NotYet(AssertionError):
    """An answer that earns no points, and why, in one line of at most 400 characters."""

    def __init__(self, why: str) -> None:
        super().__init__(shorten(why, _LONGEST, placeholder=" ..."))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the line alone (IPython calls this)."""
        return [f"Not yet: {self}"]


def expect(holds: object, otherwise: str) -> None:
    """Raise NotYet, which says `otherwise`, unless the condition holds."""
    if not _true(holds):
        raise NotYet(otherwise)


def given(answer: object, reads: Callable[[Any], T]) -> T:
    """Return the answer as one of the readers of `answers` reads it.

    Raises NotYet if it is still unanswered, or if the reader cannot make sense of it.
    """
    expect(not is_unanswered(answer), "not answered yet. Write it into the cell above, and run both cells again.")
    try:
        return reads(answer)
    except Exception as error:  # whatever a student writes must end in words
        why = str(error) if isinstance(error, ValueError) else "it cannot be read"
    raise NotYet(f"you gave {shortened(answer)}: {why}.")


def result_of(function: object, *arguments: object) -> Any:
    """Return what a student's function returns. Raises NotYet if it raises, or is no function."""
    expect(callable(function), "this asks for a function. Do not give its name to anything else.")
    name = getattr(function, "__name__", "your function")
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # stderr would cost the points (nbgrader)
            return function(*arguments)  # type: ignore[operator]
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    given_to_it = ", ".join(getattr(argument, "__name__", None) or shortened(argument) for argument in arguments)
    raise NotYet(f"{name}({given_to_it}) raised {why}")


def owner(student: object) -> str:
    """Return the name in the notebook, by which it is handed in. Raises NotYet if there is none.

    Where no data were handed out it says so: in a course they are others than those of the name alone.
    """
    name = name_of(student)
    expect(name != NOBODY, 'no name. Write yours into the first cell, as in student = "ada", and go on from there.')
    if not Path(FILE).is_file():
        print(f"These data are for practice. If your course gave you a file {FILE}, put it beside this notebook first.")
    return name


def _true(holds: object) -> bool:
    try:
        return bool(holds)
    except Exception:  # an array, or an object that resists
        return False
