"""The exercises of lesson 00, start here."""

from __future__ import annotations

from ..results.run import Run
from ..tcp.words import counted
from .answers import a_run, truth
from .engine import Exercise, Mistake, one_letter

FIRST_PORT = 40000  # the port of the lesson's own run


def _why_no_loop(run: Run) -> bool:
    return run.port in run.port_range and not run.connected


EXERCISES = (
    one_letter(
        number="00.1",
        among="abc",
        right="c",
        because="The socket that called connect() is the one that answered: it is both ends of its connection.",
        hint="Look at `run.local` and `run.peer`.",
        stronger="One socket has one name, an address and a port. How many names do the two ends have here?",
        wrong={
            "a": "A listener keeps its own port and the client gets another one: the two names would differ. "
            "Compare `run.local` with `run.peer`.",
            "b": "A second socket would have a name of its own. Compare `run.local` with `run.peer`.",
        },
    ),
    Exercise(
        number="00.2",
        asks="the run that you made",
        reads=a_run,
        right=lambda run: run.self_connected and run.port != FIRST_PORT,
        because=lambda run: f"Port {run.port} met itself after {counted(run.tries, 'try')}.",
        hint="`run.self_connected` must be True.",
        stronger="For example: `answer = testbed.connect_loop(45678)`.",
        mistakes=(
            Mistake(
                lambda run: run.port == FIRST_PORT,
                f"That is port {FIRST_PORT} again. Choose another one.",
            ),
            Mistake(
                lambda run: run.connected,
                "Somebody listens on that port and answered. Choose a port that nobody uses.",
            ),
            Mistake(
                lambda run: run.port not in run.port_range,
                "That port is outside the range that `testbed` shows. The kernel never picks it as a source port.",
            ),
            Mistake(
                lambda run: _why_no_loop(run) and run.tries < run.port_range.width,
                "That run ended before much could happen: give it as many tries as it takes, without max_tries.",
            ),
            Mistake(
                _why_no_loop,
                "All tries were refused, so you found a port that resists. Lesson 01 explains why. "
                "For now, take the port next to it.",
            ),
        ),
    ),
    Exercise(
        number="00.3",
        asks="True or False",
        reads=truth,
        right=lambda answer: answer is False,
        because="Your client holds the port: bind() fails with EADDRINUSE, address already in use. "
        "A client without a server has locked the server out. Lesson 06 shows where that happened.",
        hint="Try it: run the loop, keep the run open, then call `testbed.hold(run.port)`.",
        stronger="`testbed.hold` calls bind(). What does the last line of its error say?",
    ),
    one_letter(
        number="00.4",
        among="abcd",
        right="b",
        because="One name, one end: an address and a port together name an end, where no NAT rewrites them.",
        hint="Section 3 names the comparison that recognises a self-connection.",
        stronger="It compares what two calls return: one tells the local end, the other one the peer's.",
        wrong={
            "a": "Every connection that succeeds returns 0, whoever answers.",
            "c": "127.0.0.1 on both sides is true of every client that talks to its own machine. And the ports?",
            "d": "An echo server sends back what you write, too. Who is the peer?",
        },
    ),
)
