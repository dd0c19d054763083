"""The engine of the exercises: unanswered, right, wrong, and the second hint; and that nothing raises."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest

from tcploop_lab import exercises
from tcploop_lab.exercises import answers, lesson_07, trying
from tcploop_lab.exercises.engine import Checker, Exercise, Mistake, State, find

from .test_trying import ends, opens, prints, sleeps

LESSONS = [name for _, name, _ in iter_modules(exercises.__path__) if name.startswith("lesson_")]
EVERY = [e.number for name in LESSONS for e in import_module(f"{exercises.__name__}.{name}").EXERCISES]

DOUBLE = Exercise(
    number="99.1",
    asks="a whole number",
    reads=answers.whole_number,
    right=lambda number: number == 10,
    because=lambda number: f"{number} is twice 5.",
    hint="Count again.",
    stronger="It is `5 + 5`.",
    mistakes=(Mistake(lambda number: number == 25, "That is the square."),),
)


class Odd:
    """An object that resists being looked at."""

    def __getattr__(self, name):
        raise RuntimeError("no attribute")

    def __repr__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    __hash__ = None


def raises(*_):
    """Raises what is no Exception."""
    raise BaseException("nonsense\n" * 5000)


CYCLE: list[object] = []
CYCLE.append(CYCLE)
NONSENSE = [
    "", "xyz!", b"\xff", "7" * 5000, 10**5000, -77, 0.1, math.nan, math.inf, -math.inf, 1e308, 1j,
    Fraction(1, 3), [], ["?"], CYCLE, {}, {"a": -77}, set(), object(), Odd(), int, len, itertools.count(),
    np.nan, np.arange(9), np.array([]), np.float64("inf"), np.datetime64("NaT"), memoryview(b"?"),
    prints, raises, ends, sleeps, opens,
]  # fmt: skip


@pytest.fixture
def checker() -> Checker:
    """A checker with one exercise and no memory of earlier answers."""
    return Checker(find=lambda _: DOUBLE)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        *((answer, "the three dots (`...`)") for answer in (..., [...], (1, ...), {"a": ...})),
        (None, "`None`, which a call gives that returns nothing,"),
    ],
)
def test_unanswered_says_what_to_do(checker, answer, what):
    """Three dots, alone or in a list, and None are no wrong answers: the feedback says what to write there."""
    feedback = checker.check("99.1", answer)
    assert feedback.state is State.UNANSWERED
    assert feedback.message == f"Replace {what} with a whole number, and run the cell again."
    assert (feedback.attempt, feedback.right) == (0, False)


@pytest.mark.parametrize("answer", [10, 10.0, "10", "10.0", " 1_0 ", "+10.", np.int16(10), np.float32(10)])
def test_right_answer_in_any_spelling(checker, answer):
    """The same number counts, however it is written, and the explanation may use it."""
    feedback = checker.check("99.1", answer)
    assert (feedback.state, feedback.message) == (State.RIGHT, "10 is twice 5.")


def test_typical_mistake_has_its_own_hint(checker):
    """A typical wrong answer gets its own hint, any other one the general hint."""
    assert checker.check("99.1", 25).message == "That is the square."
    assert Checker(find=lambda _: DOUBLE).check("99.1", 11).message == "Count again."


def test_second_wrong_answer_gets_the_stronger_hint(checker):
    """The stronger hint comes with the second different wrong answer, and not by running the cell again."""
    first, again, second = (checker.check("99.1", answer) for answer in (25, 25, 11))
    assert first == again
    assert (second.attempt, second.message) == (2, "Count again. It is `5 + 5`.")


@pytest.mark.parametrize("number", EVERY)
def test_nonsense_never_raises(number, capsys, monkeypatch):
    """Whatever is passed to an exercise, the feedback is one short text, says that it is not right, and comes soon."""
    for place in (trying, lesson_07):
        monkeypatch.setattr(place, "SECONDS", 0.3)
    for answer in NONSENSE:
        feedback = Checker().check(number, answer)
        words = repr(feedback)
        assert (feedback.state, 0 < len(words) < 700, "\n" in words) == (State.WRONG, True, False), (answer, words)
        assert feedback._repr_html_().count("<div") == 1, answer
    assert capsys.readouterr().out == ""


def test_condition_that_raises_does_not_hold():
    """A condition that makes no sense for a value counts as not met; the learner gets the general hint."""
    broken = replace(DOUBLE, right=lambda _: 1 / 0, mistakes=(Mistake(lambda value: value.missing, "Never."),))
    assert Checker(find=lambda _: broken).check("99.1", 10).message == "Count again."


def test_unreadable_answer_is_told_what_is_asked_for(checker):
    """An answer of a wrong type is repeated back, cut short, with what the exercise asks for."""
    assert checker.check("99.1", "ten").message == "You gave 'ten': this asks for a whole number, such as 1234."
    assert len(checker.check("99.1", "ten" * 1000).message) < 200


@pytest.mark.parametrize("number", ["99.1", "1.2", "00.99", "", "../00.1", 1.2, None, "00.1\n"])
def test_unknown_exercise_is_a_clear_error(number):
    """A number that no exercise has raises one line that names it."""
    with pytest.raises(ValueError, match="there is none"):
        exercises.check(number, 1)


def test_feedback_shows_itself_safely():
    """HTML shows code as code and an answer as text, never as markup; the plain text has no backticks."""
    feedback = Checker(find=lambda _: DOUBLE).check("99.1", "<script>")
    assert "&lt;script&gt;" in feedback._repr_html_() and "<script" not in feedback._repr_html_()
    strong = Checker(find=lambda _: DOUBLE)
    strong.check("99.1", 1)
    assert "<code>5 + 5</code>" in strong.check("99.1", 2)._repr_html_()
    assert "`" not in repr(strong.check("99.1", 2))


@pytest.mark.parametrize("number", EVERY)
def test_every_exercise_has_a_stronger_hint(number):
    """In every exercise of the course the second different wrong answer brings the stronger hint as well."""
    checker, stronger = Checker(), find(number).stronger
    first, second = checker.check(number, object()), checker.check(number, "xyz!")
    assert stronger not in first.message
    assert second.message.endswith(f" {stronger}")
    assert (first.attempt, second.attempt) == (1, 2)


@pytest.mark.parametrize("number", EVERY)
def test_the_hints_of_an_exercise_are_all_different(number):
    """No two mistakes of an exercise share a hint, and the general and the stronger hint are others again."""
    exercise = find(number)
    hints = [exercise.hint, exercise.stronger, *(mistake.hint for mistake in exercise.mistakes)]
    assert all(hints)
    assert len(set(hints)) == len(hints)


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_lesson_has_exercises(lesson):
    """Each lesson has three to six, numbered without a gap."""
    numbers = [number for number in EVERY if number.startswith(lesson[-2:])]
    assert 3 <= len(numbers) <= 6
    assert numbers == [f"{lesson[-2:]}.{place}" for place in range(1, len(numbers) + 1)]


def test_every_exercise_is_found_by_its_number():
    """No two exercises share a number, and each is found in the lesson that its number names."""
    assert {"00.1", "01.1", "02.1"} <= set(EVERY)
    assert len(set(EVERY)) == len(EVERY)
    assert [find(number).number for number in EVERY] == EVERY


@pytest.mark.parametrize(
    ("opened", "asked", "now"),
    [
        ("course/04_probability.ipynb", "04.1", "05.1"),
        ("05_in_the_wild.ipynb", "05.5", "06.5"),
        ("06_defences.ipynb", "06.6", "07.6"),
        ("03_on_the_wire.ipynb", "03.6", "04.1"),
        ("05_probability.ipynb", "05.1", "05.1"),
        ("04_probability.ipynb", "05.1", "05.1"),
        ("", "04.1", "04.1"),
    ],
)
def test_an_older_copy_of_a_lesson_finds_its_exercises(monkeypatch, opened, asked, now):
    """A learner's copy from before the lessons were renumbered asks by its old numbers, and gets its own exercises."""
    monkeypatch.setenv("JPY_SESSION_NAME", opened)
    assert find(asked).number == now
