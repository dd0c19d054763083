"""The exercises of lesson 01, the preconditions."""

from __future__ import annotations

from collections.abc import Callable

from ..ports.candidates import Order
from ..ports.clients import ClientKind
from ..ports.eras import era_of_kernel
from ..results.run import Run
from ..tcp.words import counted
from .answers import a_run, a_verdict, truth, whole_number
from .engine import Exercise, Mistake, one_letter, one_value, some_letters
from .trying import a_function

ARTICLE_PORT = 33333


def _the_way(run: Run) -> str:
    """Say by which of the possible ways the article's port was made to loop."""
    if run.client is ClientKind.BIND_SELF:
        way = "Your client bound itself to the very port that it dialled, so the kernel had nothing to choose."
    elif run.client is ClientKind.BIND_ZERO:
        way = "A client that calls bind() with port 0 gets the other parity: odd ports, in this range."
    elif run.port_range.width == 1:
        way = "A range of one port leaves no choice, odd or even."
    elif run.client is ClientKind.SOCKET_RANGE:
        way = "With a range of its own a socket has no preference for a parity on this kernel."
    elif run.port_range.low % 2:
        way = f"The range {run.port_range} begins with an odd port, so odd ports go first."
    else:
        way = "Odd ports come last in this range: every even one was taken, or this kernel is older than Linux 4.2."
    return f"Port {run.port} met itself after {counted(run.tries, 'try')}. {way}"


def _of_another_day(run: Run) -> bool:
    """Whether the lab simulated a kernel for it on which an odd port is nothing special."""
    era = era_of_kernel(run.kernel) if run.label else None
    return era is not None and era.order is not Order.LOW_PARITY


# goes_first(port, low, high) for ranges of an even number of ports, and what it is.
CASES = {
    (33334, 32768, 60999): True,
    (33333, 32768, 60999): False,
    (33333, 1025, 65000): True,
    (33334, 1025, 65000): False,
    (8080, 32768, 60999): False,
    (61000, 32768, 60999): False,
    (40000, 40000, 40199): True,
    (40199, 40000, 40199): False,
}


def _misses(port: int, low: int) -> Callable[[tuple[bool, ...]], bool]:
    """Whether the function was wrong about this port of the range that begins there."""
    place, right = next((i, CASES[case]) for i, case in enumerate(CASES) if case[:2] == (port, low))
    return lambda answers: answers[place] is not right


EXERCISES = (
    some_letters(
        number="01.1",
        among="abcdef",
        because="The same address on both sides, a port of the range, the parity that goes first: c, e and f.",
        hint="Go through the letters one by one: address, range, parity.",
        stronger="You can ask the kernel: `testbed.check(50002, host='127.0.0.3').can_loop`, and so on.",
        wrong={
            "a": "Look at a again: the kernel takes source ports from the range only, and 8080 is not in it.",
            "b": "Look at b again: 50001 is odd. Which parity goes first in a range that begins with 32768?",
            "d": "Look at d again: which source address does the kernel use when you dial 127.0.0.3?",
        },
        missing={
            "e": "One is missing: what does a client change that binds its source address first?",
            "f": "One is missing: ::1 is loopback too.",
            "c": "One is missing: the plain case of this lesson.",
        },
    ),
    one_value(
        number="01.2",
        asks="a whole number of ports",
        reads=whole_number,
        right=31988,
        because="63,976 ports, and every second one, the odd ones, is tried first.",
        hint="Count the ports of the range, both ends included. Then ask how many of them are tried first.",
        stronger="`range(1025, 65000 + 1, 2)` holds just these ports, and `len` counts them.",
        wrong={
            (63975, 63976): "That is the whole range. The kernel tries one parity first.",
            (31987, 31989): "Close. Both ends of the range belong to it: it has high - low + 1 ports.",
            14116: "That is M for the default range. This machine has another range.",
        },
    ),
    Exercise(
        number="01.3",
        asks="your run on port 33333",
        reads=a_run,
        right=lambda run: run.port == ARTICLE_PORT and run.self_connected and not _of_another_day(run),
        because=_the_way,
        hint="`run.self_connected` must be True, on port 33333.",
        stronger="One way: open a testbed with `port_range=(33333, 40000)`. Where does that range begin?",
        mistakes=(
            Mistake(lambda run: run.port != ARTICLE_PORT, "That is another port. This is about 33333."),
            Mistake(
                _of_another_day,
                "That kernel is a simulated one on which odd ports are nothing special, as in section 7. Make the port "
                "loop on the kernel that `testbed` has.",
            ),
            Mistake(
                lambda run: run.connected,
                "A listener answered. Both ends must be the same socket.",
            ),
            Mistake(
                lambda run: run.port not in run.port_range,
                "Port 33333 is outside the range of that testbed, so the kernel never picks it.",
            ),
            Mistake(
                lambda run: run.port_range.low % 2 == 0 and run.port_range.width > 1,
                "That range begins with an even port, so even ports go first. What if it began with "
                "an odd one? "
                "Or had one port only? Or if the client chose the port itself?",
            ),
        ),
    ),
    Exercise(
        number="01.4",
        asks="a verdict with exactly two broken rules",
        reads=a_verdict,
        right=lambda verdict: len(verdict.broken) == 2,
        because=lambda verdict: "Broken: " + " and ".join(rule.name for rule in verdict.broken) + ".",
        hint="Count with `len(answer.broken)`.",
        stronger="Take a port that is outside the range, and odd.",
        mistakes=(
            Mistake(
                lambda verdict: verdict.can_loop,
                "Every rule holds there: this port can loop. Break two at once.",
            ),
            Mistake(
                lambda verdict: len(verdict.broken) == 1,
                "Just one rule is broken there. Keep it broken, and break another one beside it.",
            ),
            Mistake(
                lambda verdict: len(verdict.broken) > 2,
                "More than two rules are broken there. Mend one of them.",
            ),
        ),
    ),
    one_letter(
        number="01.5",
        among="abc",
        right="b",
        because="The port was picked, so the kernel was free to choose it. The SYN arrived at an address where no "
        "such socket was: the addresses differed.",
        hint="In which section did `picked` show more than 0 without a self-connection?",
        stronger="Run the scene again: `narrow.connect_loop(40100, host='127.0.0.2', max_tries=5_000, trace=True)`, "
        "and count the tries that used source port 40100.",
        wrong={
            "a": "A reserved port is never picked as a source port, so it would not be in the trace at all.",
            "c": "A held port is skipped by connect(), so it would not be in the trace at all.",
        },
    ),
    Exercise(
        number="01.6",
        asks="the body of the function",
        reads=a_function(tuple(CASES), truth),
        right=lambda answers: list(answers) == list(CASES.values()),
        because="In the range, and an even number of ports above its lower end.",
        hint="Two conditions: the port is in the range, and it has the parity of the range's lower end.",
        stronger="`port in range(low, high + 1, 2)` says both in one line.",
        mistakes=(
            Mistake(_misses(33333, 1025), "The range may begin with an odd port: then the odd ports go first."),
            Mistake(
                _misses(33333, 32768), "Every second port goes last: 33333, in the range 32768-60999, for example."
            ),
            Mistake(_misses(8080, 32768), "8080 is outside the range 32768-60999, so the kernel never picks it."),
            Mistake(_misses(61000, 32768), "61000 is above the range 32768-60999, so the kernel never picks it."),
            Mistake(_misses(40000, 40000), "The lower end belongs to the range: 40000 goes first in 40000-40199."),
        ),
    ),
)
