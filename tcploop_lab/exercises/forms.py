"""Forms that many exercises share: one right value, one letter, some letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .answers import letters_of, one_of
from .engine import Exercise, Mistake


def one_value(*, right: Any, wrong: Mapping[Any, str], **rest: Any) -> Exercise:
    """Return an exercise with one right value.

    `wrong` has the hint for each typical wrong value, or for a tuple of values that share one. The rest is that of
    Exercise.
    """
    mistakes = tuple(Mistake(_is_one_of(values), hint) for values, hint in wrong.items())
    return Exercise(right=lambda value: value == right, mistakes=mistakes, **rest)


def one_letter(*, among: str, right: str, wrong: Mapping[str, str], **rest: Any) -> Exercise:
    """Return an exercise with one right letter; `wrong` has the hint for each of the others."""
    return one_value(asks='one letter, such as `"a"`', reads=one_of(among), right=right, wrong=wrong, **rest)


def some_letters(*, among: str, wrong: Mapping[str, str], missing: Mapping[str, str], **rest: Any) -> Exercise:
    """Return an exercise in which the letters of `missing` are right and those of `wrong` are not.

    Each, or some that share one, has the hint for an answer with a wrong letter, or without a right one; the wrong ones
    come first.
    """
    picked = tuple(Mistake(_has(letters), hint) for letters, hint in wrong.items())
    left_out = tuple(Mistake(_lacks(letters), hint) for letters, hint in missing.items())
    return Exercise(
        reads=letters_of(among),
        right=lambda answer: answer == set("".join(missing)),
        mistakes=(*picked, *left_out),
        **{"asks": 'letters, such as `"ab"`', **rest},
    )


def _is_one_of(values: Any) -> Callable[[Any], bool]:
    return lambda value: value in (values if isinstance(values, tuple) else (values,))


def _has(letters: str) -> Callable[[Any], bool]:
    return lambda answer: bool(answer & set(letters))


def _lacks(letters: str) -> Callable[[Any], bool]:
    return lambda answer: bool(set(letters) - answer)
