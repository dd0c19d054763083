"""Prepared answers: partly wrong ones, what they are worth, and what their student must read."""

from __future__ import annotations

from .course import solutions

LOOP_THAT_NEVER_GIVES_UP_EARLY = """
def loop(connect, max_tries):
    for tries in range(1, max_tries + 1):
        error = connect()
        if error == 0:
            break
    return tries, error
"""
# For each assignment: the answers that are wrong, the points for the others, and some of the words of the feedback.
PARTLY = {
    "1_preconditions": (
        {
            "loops": "loops = {letter for letter, port in data.ports.items() if port in data.port_range}",
            "candidates": "candidates = data.port_range.width",
            "can-loop": "def can_loop(port, low, high, reserved):\n    return low <= port <= high and port % 2 == 0",
            "loop": LOOP_THAT_NEVER_GIVES_UP_EARLY,
        },
        2 + 2 + 3,
        ("is reserved: it is never picked", "both parities", "33333 loops in 1025-65000", "the loop must stop there"),
    ),
    "2_wire": (
        {
            "numbers": 'x = data.first\nnumbers = {"P": x + 1, "Q": x + 1, "R": x + 5, "T": x + 6}',
            "is-self-connection": "def is_self_connection(them):\n    return them[0].sport == them[0].dport",
            "written": 'def written(segments):\n    return b"".join(s.payload for s in segments)',
        },
        4 + 2 + 3,
        ("sequence numbers wrap", "equal ports, but two addresses", "comes twice counts once"),
    ),
    "3_probability": (
        {
            "first-mean": "first_mean = candidates",
            "needed": 'needed = lab.distribution("geometric", data.port_range, data.port).tries_needed(data.chance)',
            "share": "def share(tries, observed, n):\n    return sum(one <= n for one in tries) / len(tries)",
        },
        1 + 2 + 4 + 4,
        ("that is M, the mean of returns", "that is the lottery", "given up after 9 tries has not succeeded"),
    ),
}
# It sleeps: a cell that computes without end would use a processor for all of its ten seconds.
ENDLESS, NO_PYTHON = "import time\nwhile True:\n    time.sleep(1)", "candidates = = 3"
DELETED = ("can-loop", "loop-stops-test")


def right(assignment: str) -> dict[str, str]:
    """The instructor's answers, without the name."""
    return {name: source for name, source in solutions(assignment).items() if name != "name"}
