"""What graded cells say: one line of words for whatever a student wrote, and nobody gets another's points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tcploop_lab.exercises.answers import truth, whole_number
from tcploop_lab.exercises.grading import NotYet, expect, given, owner, result_of


def told(function, *arguments) -> str:
    """The line that a student reads."""
    with pytest.raises(NotYet) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 400
    return str(caught.value)


@pytest.mark.parametrize("answer", [..., None, [...], {"P": ..., "Q": 1}])
def test_unanswered_is_said_in_words(answer):
    """Three dots are no wrong answer: the line says that nothing is there yet."""
    assert told(given, answer, whole_number).startswith("not answered yet")


@pytest.mark.parametrize("answer", ["ten", math.nan, 1e308 * 10, [], object, b"7", "7" * 5000])
def test_what_cannot_be_read_is_told_what_is_asked_for(answer):
    """An answer of a wrong type is repeated, cut short, with what is asked for."""
    line = told(given, answer, whole_number)
    assert line.startswith("you gave ")
    assert line.endswith("whole number, such as 1234.")
    assert len(line) < 150


def test_what_resists_is_told_in_words():
    """An answer on which the reader itself fails ends in words too."""
    assert told(given, np.arange(3), whole_number) == "you gave array([0, 1, 2]): it cannot be read."


def test_what_can_be_read_is_returned():
    """A readable answer comes back as a plain value."""
    assert given("14,116", whole_number) == 14116
    assert given(np.True_, truth) is True


def refuses(_: int) -> None:
    """A student's function that raises."""
    raise KeyError("port")


def rambles(_: int) -> None:
    """A student's function that raises with a text of many lines."""
    raise ValueError("no\n" * 5000)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (rambles, "rambles(7) raised ValueError: no no no"),
        (refuses, "refuses(7) raised KeyError: 'port'"),
        (lambda: 1, "takes 0 positional arguments but 1 was given"),
        (..., "this asks for a function"),
        (7, "this asks for a function"),
    ],
)
def test_a_function_that_fails_is_told_how(function, words):
    """A function that raises, takes other arguments, or is none, ends in one line that says so."""
    assert words in told(result_of, function, 7)


def test_a_function_that_prints_costs_nothing(capsys):
    """What a student's function prints is swallowed: nbgrader takes all points off for a line on stderr."""

    def chatty(number: int) -> int:
        print("warning", file=__import__("sys").stderr)
        return number + 1

    assert result_of(chatty, 7) == 8
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("holds", [False, 0, None, np.array([1, 2]), math.nan > 1])
def test_what_does_not_hold_is_told(holds):
    """A condition that is false, or that cannot be decided, earns nothing and says why."""
    assert told(expect, holds, "count again.") == "count again."


def test_a_notebook_shows_the_line_alone(capsys):
    """IPython shows the words and no traceback of the lab."""
    shell = InteractiveShell()
    shell.run_cell("from tcploop_lab.exercises.grading import expect; expect(False, 'count again.')")
    assert capsys.readouterr().out.strip() == "Not yet: count again."


@pytest.mark.parametrize("nameless", ["your name here", "", None, ...])
def test_a_name_is_asked_for(nameless):
    """Without a name there are no points, and the line says where to write it."""
    assert "into the first cell" in told(owner, nameless)


def test_the_name_counts_in_any_case() -> None:
    """The name of the notebook is its student's."""
    assert owner(" Bea ") == "bea"
