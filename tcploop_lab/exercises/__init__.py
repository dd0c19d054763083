"""Exercises that check themselves: `exercises.check("01.2", answer)` says if it is right, and helps if not.

The content of lesson NN is data in `lesson_NN.py`; `engine.py` reads it.
"""

from __future__ import annotations

from .engine import Checker, Feedback

__all__ = ["Feedback", "check"]

_checker = Checker()


def check(exercise: str, answer: object) -> Feedback:
    """Return the feedback on `answer` to the exercise with this number, such as "01.2".

    An answer that is still `...` is told so. No answer raises, whatever its type; ValueError only for the
    number of an exercise that does not exist.
    """
    return _checker.check(exercise, answer)
