"""How an answer is read: each function returns a plain value, or raises ValueError with what is asked for."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ..ports.preconditions import Verdict
from ..results.run import Run

Kind = TypeVar("Kind")
Value = TypeVar("Value")

_WORDS = {"true": True, "yes": True, "false": False, "no": False}
# Up to 18 digits; a comma stands between thousands, for "1,0" is no ten.
_WHOLE = re.compile(r"([+-]?(?:[0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,5}))(?:\.0*)?(?:ports?|tries|segments?)?")


class Unanswered(Exception):
    """The answer is there in form, but nothing has been written into it."""


def listed(answer: Any) -> list[str]:
    """What an answer lists, as text: the one text that it is, or the parts of a collection, numpy's too."""
    if isinstance(answer, str):
        return [answer]
    parts = answer.tolist() if hasattr(answer, "tolist") else answer
    return [str(part) for part in parts] if isinstance(parts, (list, tuple, set, frozenset)) else []


def _bare(text: str) -> str:
    """The letters and digits of a text, small: what is left of "a), c) and e)", "b > a > c" and "FIN_WAIT_2"."""
    return re.sub(r"\band\b|[\W_]", "", text.lower())


def whole_number(answer: Any) -> int:
    """Read 14116, 14116.0, "14,116", "14,116 ports" or a numpy number."""
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
    if isinstance(answer, str) and _bare(answer) in _WORDS:
        return _WORDS[_bare(answer)]
    if type(answer).__name__ not in ("bool", "bool_"):  # numpy's truth values too
        raise ValueError("this asks for True or False")
    return bool(answer)


def one_of(letters: str) -> Callable[[Any], str]:
    """Return a reader of one letter of `letters`, such as "b", "B", "b)" or ["b"]."""

    def read(answer: Any) -> str:
        text = _bare(" ".join(listed(answer)))
        if len(text) != 1 or text not in letters:
            raise ValueError(f'this asks for one letter from {letters[0]} to {letters[-1]}, such as "{letters[0]}"')
        return text

    return read


def letters_of(letters: str) -> Callable[[Any], frozenset[str]]:
    """Return a reader of some letters of `letters`: "ace", "a), c) and e)", ["a", "c", "e"] or a set."""

    def read(answer: Any) -> frozenset[str]:
        found = set(_bare(" ".join(listed(answer))))
        if not found or not found <= set(letters):
            raise ValueError(f'this asks for letters from {letters[0]} to {letters[-1]}, such as "{letters[:2]}"')
        return frozenset(found)

    return read


def order_of(letters: str) -> Callable[[Any], str]:
    """Return a reader of all `letters`, each once, in the learner's order: "cadb", "c > a > d > b", "1c 2a 3d 4b"."""

    def read(answer: Any) -> str:
        if isinstance(answer, Mapping):
            answer = [f"{place}{letter}" for place, letter in answer.items()]
        text = "" if isinstance(answer, (set, frozenset)) else _bare(" ".join(listed(answer)))
        numbered = re.findall(r"([1-9])([a-z])", text)
        if 2 * len(numbered) == len(text):
            text = "".join(letter for _, letter in sorted(numbered))
        if sorted(text) != sorted(letters):
            raise ValueError(f'this asks for the letters {", ".join(letters)}, each once, such as "{letters}"')
        return text

    return read


def some_bytes(answer: Any) -> bytes:
    """Read bytes, or text in their place: b"hi", "hi", "b'hi'"."""
    if isinstance(answer, str):
        quoted = re.fullmatch(r"b?(['\"])(.*)\1", answer, re.DOTALL)
        return (quoted[2] if quoted else answer).encode()
    if not isinstance(answer, (bytes, bytearray, memoryview)):
        raise ValueError('this asks for bytes, such as b"hi"')
    return bytes(answer)


def word_of(words: Iterable[str], also: Mapping[str, str] | None = None) -> Callable[[Any], str]:
    """Return a reader of one of `words`, however its parts are joined; `also` has other words for some of them."""
    known = {_bare(word): word for word in words}
    spelt = known | {_bare(other): word for other, word in (also or {}).items()}

    def read(answer: Any) -> str:
        if (word := spelt.get(_bare(str(answer)))) is None:
            raise ValueError(f"{str(answer)[:20]!r} is none of {', '.join(sorted(known.values()))}")
        return word

    return read


def for_each(names: str, reads: Callable[[Any], Value], asks: str) -> Callable[[Any], dict[str, Value]]:
    """Return a reader of a dict with an answer for each letter of `names`; `asks` says so, with an example."""

    def read(answer: Any) -> dict[str, Value]:
        given = {_bare(str(name)).upper(): value for name, value in answer.items()} if hasattr(answer, "items") else {}
        if set(given) != set(names):
            raise ValueError(f"this asks for {asks}")
        return {name: reads(given[name]) for name in names}

    return read


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
    if answer.type != socket.SOCK_STREAM or answer.family not in (socket.AF_INET, socket.AF_INET6):
        raise ValueError("this asks for a TCP socket, as testbed.tcp_socket() makes one")
    return answer
