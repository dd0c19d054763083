"""How an answer is read: each function returns a plain value, or raises ValueError with what is asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from ..ports.preconditions import Verdict
from ..results.run import Run

Kind = TypeVar("Kind")

_WORDS = {"true": True, "yes": True, "false": False, "no": False}
# Up to 18 digits; a comma stands between thousands, for "1,0" is no ten.
_WHOLE = re.compile(r"([+-]?(?:[0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,5}))(?:\.0*)?")


class Unanswered(Exception):
    """The answer is there in form, but nothing has been written into it."""


def whole_number(answer: Any) -> int:
    """Read 14116, 14116.0, "14,116" or a numpy number."""
    wanted = ValueError("this asks for a whole number, such as 1234")
    if isinstance(answer, bool):
        raise wanted
    if isinstance(answer, str):
        digits = _WHOLE.fullmatch(re.sub(r"[\s_]", "", answer))
        if digits is None:
            raise wanted
        return int(digits[1].replace(",", ""))
    if hasattr(answer, "__index__"):
        return int(answer.__index__())
    if not (hasattr(answer, "__float__") and math.isfinite(float(answer)) and float(answer).is_integer()):
        raise wanted
    return int(float(answer))


def percent(answer: Any) -> int:
    """Read 62, "62", "62 %", "62 percent", 62.0 or the share 0.62: a whole number of percent."""
    given = answer
    if isinstance(answer, str):
        given = re.sub(r"\s*(%|per ?cent)\s*$", "", answer.strip().lower())
        if given == answer.strip().lower() and re.fullmatch(r"0?[.,][0-9]{1,9}", given):
            given = float(given.replace(",", "."))
    if hasattr(given, "__float__") and not isinstance(given, bool) and 0 < float(given) < 1:
        return round(100 * float(given))
    try:
        return whole_number(given)
    except ValueError:
        raise ValueError("this asks for a whole number of percent, such as 50") from None


def truth(answer: Any) -> bool:
    """Read True, False, "yes" or "no"."""
    if isinstance(answer, str) and answer.strip().lower() in _WORDS:
        return _WORDS[answer.strip().lower()]
    if type(answer).__name__ not in ("bool", "bool_"):  # numpy's truth values too
        raise ValueError("this asks for True or False")
    return bool(answer)


def one_of(letters: str) -> Callable[[Any], str]:
    """Return a reader of one letter of `letters`, such as "b", "B" or "b)"."""

    def read(answer: Any) -> str:
        text = answer.strip(" ().").lower() if isinstance(answer, str) else ""
        if len(text) != 1 or text not in letters:
            raise ValueError(f'this asks for one letter from {letters[0]} to {letters[-1]}, such as "{letters[0]}"')
        return text

    return read


def letters_of(letters: str) -> Callable[[Any], frozenset[str]]:
    """Return a reader of some letters of `letters`: "ace", "a), c) and e)", ["a", "c", "e"] or a set."""

    def read(answer: Any) -> frozenset[str]:
        parts = re.sub(r"\band\b|[\s,;.()]", "", answer) if isinstance(answer, str) else answer
        found = (
            [str(part).strip().lower() for part in parts]
            if isinstance(parts, (str, list, tuple, set, frozenset))
            else []
        )
        if not found or not set(found) <= set(letters):
            raise ValueError(f'this asks for letters from {letters[0]} to {letters[-1]}, such as "{letters[:2]}"')
        return frozenset(found)

    return read


def order_of(letters: str) -> Callable[[Any], str]:
    """Return a reader of all `letters`, each once, in an order of the learner's: "cadb" or a list."""

    def read(answer: Any) -> str:
        parts = answer if isinstance(answer, (str, list, tuple)) else ""
        text = re.sub(r"[\s,;-]", "", "".join(map(str, parts))).lower()
        if sorted(text) != sorted(letters):
            raise ValueError(f'this asks for the letters {", ".join(letters)}, each once, such as "{letters}"')
        return text

    return read


def some_bytes(answer: Any) -> bytes:
    """Read bytes, or text in their place: b"hi", "hi"."""
    if isinstance(answer, str):
        return answer.encode()
    if not isinstance(answer, (bytes, bytearray, memoryview)):
        raise ValueError('this asks for bytes, such as b"hi"')
    return bytes(answer)


def a(kind: type[Kind], asks: str) -> Callable[[Any], Kind]:
    """Return a reader of what the lab itself hands back; `asks` says how one gets it."""

    def read(answer: Any) -> Kind:
        if not isinstance(answer, kind):
            raise ValueError(f"this asks for {asks}")
        return answer

    return read


a_run = a(Run, "the run itself: run = testbed.connect_loop(...), then answer = run")
a_verdict = a(Verdict, "a verdict: answer = testbed.check(...)")


def a_socket(answer: Any) -> Any:
    """Read a socket, by what it can do."""
    if not all(hasattr(answer, verb) for verb in ("fileno", "getsockname", "getpeername")):
        raise ValueError("this asks for a socket: sock = testbed.tcp_socket(), then answer = sock")
    return answer
