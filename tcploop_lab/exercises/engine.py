"""The engine: takes an answer apart, finds the typical mistake in it, and chooses the hint.

An exercise is data. It reads the answer (`reads`, from `answers.py`), knows when it is right, and has a hint
of its own for each typical mistake. A second, different wrong answer gets the stronger hint too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from html import escape
from importlib import import_module
from pathlib import PurePosixPath
from types import FunctionType
from typing import Any

from .answers import Unanswered, letters_of, one_of

_LONGEST = 60  # characters of an answer that are repeated back
_NOTHING = "`None`, which a call gives that returns nothing,"


class State(StrEnum):
    """What became of an answer."""

    UNANSWERED = "Not answered yet"
    RIGHT = "Right"
    WRONG = "Not yet"


_COLOURS = {State.UNANSWERED: "#767676", State.RIGHT: "#009E73", State.WRONG: "#D55E00"}


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer: when it is this one, and the hint that helps those who made it."""

    when: Callable[[Any], object]
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One exercise as data.

    `reads` turns what the learner wrote into a plain value; if it cannot, it raises ValueError with what is
    asked for. `right` and the mistakes look at that value. `because` is shown with a right answer (it may be
    a function of it), `hint` with a wrong one that is no typical mistake, `stronger` from the second on.
    """

    number: str
    asks: str
    reads: Callable[[Any], Any]
    right: Callable[[Any], object]
    because: str | Callable[[Any], str]
    hint: str
    stronger: str
    mistakes: tuple[Mistake, ...] = ()


def one_value(*, right: Any, wrong: Mapping[Any, str], **rest: Any) -> Exercise:
    """Return an exercise with one right value.

    `wrong` has the hint for each typical wrong value, or for a tuple of values that share one. The rest is that of
    Exercise.
    """
    these = [(values if isinstance(values, tuple) else (values,), hint) for values, hint in wrong.items()]
    mistakes = tuple(Mistake(values.__contains__, hint) for values, hint in these)
    return Exercise(right=lambda value: value == right, mistakes=mistakes, **rest)


def one_letter(*, among: str, right: str, wrong: Mapping[str, str], **rest: Any) -> Exercise:
    """Return an exercise with one right letter; `wrong` has the hint for each of the others."""
    return one_value(asks='one letter, such as `"a"`', reads=one_of(among), right=right, wrong=wrong, **rest)


def some_letters(*, among: str, wrong: Mapping[str, str], missing: Mapping[str, str], **rest: Any) -> Exercise:
    """Return an exercise in which the letters of `missing` are right and those of `wrong` are not.

    Each, or some that share one, has the hint for an answer with a wrong letter, or without a right one; the wrong ones
    come first.
    """
    picked = tuple(Mistake(set(letters).intersection, hint) for letters, hint in wrong.items())
    left_out = tuple(Mistake(set(letters).difference, hint) for letters, hint in missing.items())
    return Exercise(
        reads=letters_of(among),
        right=lambda answer: answer == set("".join(missing)),
        mistakes=(*picked, *left_out),
        **{"asks": 'letters, such as `"ab"`', **rest},
    )


@dataclass(frozen=True)
class Feedback:
    """What the learner is told. `attempt` counts the different wrong answers so far."""

    exercise: str
    state: State
    message: str
    attempt: int = 0

    @property
    def right(self) -> bool:
        """True if the answer was right."""
        return self.state is State.RIGHT

    def __repr__(self) -> str:
        return f"Exercise {self.exercise}. {self.state}. {self.message}".replace("`", "")

    def _repr_html_(self) -> str:
        message = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(self.message))
        style = f"border-left: 0.4em solid {_COLOURS[self.state]}; padding: 0.3em 0.8em"
        return f'<div style="{style}"><strong>Exercise {self.exercise}. {self.state}.</strong> {message}</div>'


# The lessons of November 2026 whose number is another one now. A learner's own copy still asks by the old one; it is
# told by the file that the kernel was started for.
_RENUMBERED = {"04_probability": "05", "05_in_the_wild": "06", "06_defences": "07"}
_MOVED = {"03.6": "04.1"}


def _as_numbered_now(number: str) -> str:
    opened = PurePosixPath(os.environ.get("JPY_SESSION_NAME", "")).stem
    if _RENUMBERED.get(opened, "") == f"{int(number[:2]) + 1:02}":
        return _RENUMBERED[opened] + number[2:]
    return _MOVED.get(number, number)


@cache
def _lesson(number: str) -> dict[str, Exercise]:
    module = import_module(f"{__package__}.lesson_{number}")
    return {exercise.number: exercise for exercise in module.EXERCISES}


def find(number: object) -> Exercise:
    """Return the exercise with this number, such as "01.2"; ValueError if there is none."""
    try:
        if not isinstance(number, str) or not re.fullmatch(r"[0-9]{2}\.[0-9]+", number):
            raise KeyError(number)
        now = _as_numbered_now(number)
        return _lesson(now[:2])[now]
    except (KeyError, ModuleNotFoundError):
        raise ValueError(f"exercise {number!r}: there is none; its number is in the heading above the cell") from None


@dataclass
class Checker:
    """Checks answers, and remembers the different wrong ones."""

    find: Callable[[str], Exercise] = find
    _wrong: dict[str, list[str]] = field(default_factory=dict)

    def check(self, number: str, answer: Any) -> Feedback:
        """Return the feedback on one answer. ValueError only for an exercise that does not exist."""
        exercise = self.find(number)
        if is_unanswered(answer):
            return _unanswered(exercise, _NOTHING) if answer is None else _unanswered(exercise)
        try:
            value = exercise.reads(answer)
        except Unanswered:
            return _unanswered(exercise)
        except Exception as error:  # whatever a learner passes must not raise in the notebook
            told = str(error) if isinstance(error, ValueError) else f"it cannot be read as {exercise.asks}"
            return self._wrong_answer(exercise, answer, f"You gave {shortened(answer)}: {told}.")
        if _holds(exercise.right, value):
            because = exercise.because if isinstance(exercise.because, str) else exercise.because(value)
            return Feedback(number, State.RIGHT, because)
        hints = (mistake.hint for mistake in exercise.mistakes if _holds(mistake.when, value))
        return self._wrong_answer(exercise, answer, next(hints, exercise.hint))

    def _wrong_answer(self, exercise: Exercise, answer: Any, message: str) -> Feedback:
        wrong = self._wrong.setdefault(exercise.number, [])
        if (text := _kind(answer)) not in wrong:  # to run the same cell again is no new attempt
            wrong.append(text)
        if len(wrong) > 1:
            message = f"{message} {exercise.stronger}"
        return Feedback(exercise.number, State.WRONG, message, len(wrong))


def is_unanswered(answer: Any) -> bool:
    """True for `...` and None, and for a collection that still holds a `...`."""
    parts = answer.values() if isinstance(answer, dict) else answer
    if isinstance(answer, (dict, list, tuple, set, frozenset)):
        return any(part is ... for part in parts)
    return answer is ... or answer is None


def _holds(condition: Callable[[Any], object], value: Any) -> bool:
    try:
        return bool(condition(value))
    except Exception:  # a comparison that makes no sense for this value does not hold
        return False


def _unanswered(exercise: Exercise, what: str = "the three dots (`...`)") -> Feedback:
    message = f"Replace {what} with {exercise.asks}, and run the cell again."
    return Feedback(exercise.number, State.UNANSWERED, message)


def _kind(answer: Any) -> str:
    """What makes two answers the same: of functions the code, as each run of a cell makes a new one."""
    if not isinstance(answer, FunctionType):
        return _text(answer)
    code = answer.__code__
    return str((code.co_code, code.co_consts, code.co_names))


def _text(answer: Any) -> str:
    if isinstance(answer, FunctionType):
        return f"the function {answer.__name__}"
    try:
        return repr(answer)
    except Exception:  # also an int too long to print
        return f"a {type(answer).__name__}"


def shortened(answer: Any) -> str:
    """Return an answer as text, cut to at most 60 characters."""
    text = _text(answer)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


_checker = Checker()


def check(exercise: str, answer: object) -> Feedback:
    """Return the feedback on `answer` to the exercise with this number, such as "01.2".

    An answer that is still `...` is told so. No answer raises, whatever its type; ValueError only for the
    number of an exercise that does not exist.
    """
    feedback = _checker.check(exercise, answer)
    if feedback.right:
        from .progress import note

        note(find(exercise).number)  # an older copy of a lesson has another
    return feedback
