"""Functions as answers: whatever a learner's function does, the feedback is in words and comes in time."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tcploop_lab.exercises import trying
from tcploop_lab.exercises.answers import whole_number
from tcploop_lab.exercises.engine import Checker, Exercise, Feedback, State

DOUBLE = Exercise(
    number="99.2",
    asks="the body of the function",
    reads=trying.a_function([(1,), (5,)], whole_number),
    right=lambda answers: answers == (2, 10),
    because="Twice.",
    hint="Double it.",
    stronger="`return 2 * number`",
)


def check(function: object) -> Feedback:
    """What a learner reads who hands this in first."""
    return Checker(find=lambda _: DOUBLE).check("99.2", function)


def says_nothing(number):
    """The stub as the notebook has it."""


def prints(number):
    """Prints where it should return."""
    print(2 * number)


def raises(number):
    """Divides by zero, at the second case only."""
    return 2 if number == 1 else number / 0


def ends(number):
    """Ends the program."""
    sys.exit(3)


def sleeps(number):
    """Takes far too long."""
    time.sleep(60)


def never_ends(number):
    """Takes for ever, and keeps every Exception."""
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def opens(number):
    """Opens a file that is not there."""
    with Path("/no/such/file").open() as file:
        return file.read()


def asks(number):
    """Waits for somebody to type."""
    return input("number? ")


class Stubborn(BaseException):
    """No Exception."""


def resists(number):
    """Raises what `except Exception` does not catch, with a long message of many lines."""
    raise Stubborn("no\n" * 5000)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """A tenth of a second is enough here."""
    monkeypatch.setattr(trying, "SECONDS", 0.1)


def test_a_right_function_is_right():
    """A function that returns the right value for every case is right, also if it prints."""
    assert check(lambda number: 2 * number).right

    def chatty(number):
        print("thinking")
        return 2 * number

    assert check(chatty).right


def test_a_function_that_does_nothing_is_unanswered():
    """The stub of the notebook is not wrong, but not there yet."""
    feedback = check(says_nothing)
    assert feedback.state is State.UNANSWERED
    assert feedback.message.startswith("Replace the three dots (`...`) with the body of the function")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (prints, "Write `return` in place of `print`"),
        (raises, "raises(5) raised ZeroDivisionError: division by zero."),
        (ends, "ends(1) raised SystemExit: 3."),
        (sleeps, "sleeps(1) did not return within"),
        (never_ends, "never_ends(1) did not return within"),
        (opens, "opens(1) raised FileNotFoundError"),
        (asks, "asks(1) raised "),
        (resists, "resists(1) raised Stubborn: no no no"),
        (lambda: 1, "takes 0 positional arguments but 1 was given"),
        (lambda number: "two", "returned 'two': this asks for a whole number"),
        (lambda number: float("nan"), "returned nan: this asks for a whole number"),
        (lambda number: 10**5000, "Double it."),
        (4, "this asks for the function itself"),
        (print, "Write `return` in place of `print`"),
    ],
)
def test_what_a_function_does_is_told_in_words(function, words, capsys):
    """Print, raise, exit, sleep, run for ever, open files, ask: short words, nothing printed, soon."""
    began = time.monotonic()
    feedback = check(function)
    assert feedback.state is State.WRONG
    assert words in feedback.message
    assert len(feedback.message) < 300 and "\n" not in feedback.message
    assert time.monotonic() - began < 30  # it sleeps for longer
    assert capsys.readouterr().out == ""


def test_the_learners_own_interrupt_comes_through():
    """Who presses stop while the function runs has stopped it."""

    def interrupted(number):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(interrupted)


def test_no_alarm_is_left_behind():
    """After a function, a quick or a slow one, no alarm is set and the handler is the one from before."""
    before = signal.getsignal(signal.SIGALRM)
    check(lambda number: 2 * number)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    check(sleeps)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_in_another_thread_there_is_no_alarm():
    """Where alarms cannot be set, functions are tried all the same."""
    found: list[Feedback] = []
    thread = threading.Thread(target=lambda: found.append(check(lambda number: 2 * number)))
    thread.start()
    thread.join(5)
    assert [feedback.right for feedback in found] == [True]


def test_to_run_the_same_cell_again_is_no_new_attempt():
    """Each run of a cell makes a new function; the same code is the same answer, other code is a new attempt."""
    checker = Checker(find=lambda _: DOUBLE)
    first, again = (checker.check("99.2", lambda n: 3 * n) for _ in range(2))
    other = checker.check("99.2", lambda n: n * n)
    assert [feedback.attempt for feedback in (first, again, other)] == [1, 1, 2]
    assert (again.message, other.message) == ("Double it.", "Double it. `return 2 * number`")


def test_a_function_is_named_and_not_addressed():
    """The feedback names the function; its address would change from run to run."""
    assert check(sleeps).message.startswith("You gave the function sleeps: ")
    assert "0x" not in check(sleeps).message
