"""What is right in assignment 1. For the instructor."""

from errno import ECONNREFUSED, EMFILE, ENETUNREACH

from tcploop_lab.exercises import assignment
from tcploop_lab.exercises.answers import letters_of, one_of, truth, whole_number
from tcploop_lab.exercises.grading import expect
from tcploop_lab.exercises.inside import Script
from tcploop_lab.exercises.judging import Judge

judge = Judge(assignment.preconditions)


@judge.value("loops-test", "loops", letters_of("abcdefgh"))
def loops(own, letters):
    """Exactly the ports of the range, of its parity, not reserved."""
    chosen = {own.ports[letter] for letter in letters}
    low, high = own.port_range.low, own.port_range.high
    expect(all(low <= port <= high for port in chosen), "one of your ports is outside the range: it is never picked.")
    expect(own.reserved not in chosen, f"{own.reserved} is reserved: it is never picked.")
    expect(all(port % 2 == low % 2 for port in chosen), f"the range begins with {low}. Which parity goes first then?")
    able = set(range(low, high + 1, 2)) - {own.reserved}
    expect(able & set(own.ports.values()) == chosen, "one is missing. The low end of the range belongs to it.")


@judge.value("candidates-test", "candidates", whole_number)
def candidates(own, number):
    """The ports of one parity."""
    every = own.port_range.high - own.port_range.low + 1
    expect(number not in (every, every - 1), "those are the ports of both parities. connect() tries one parity first.")
    expect(number == every // 2, "count the ports of one parity, both ends included.")


@judge.value("picks-test", "picks", whole_number)
def picks(own, number):
    """How often the dialled port is in the trace."""
    counted = sum(port == own.dialled for port in own.trace)
    expect(number == counted, f"count how often {own.dialled} is in the trace.")


@judge.value("why-test", "why", one_of("abc"))
def why(own, letter):
    """The cause that the trace shows."""
    if own.dialled in own.trace:
        expect(letter == "c", "the port was picked, so parity and bind() were no obstacle. Where did the SYN go?")
    elif own.dialled % 2 == own.port_range.low % 2:
        expect(letter == "b", "never picked in 20,000 tries, though range and parity fit: something skips this port.")
    else:
        expect(letter == "a", "compare the last bit of the dialled port with that of every port in the trace.")


def _rules(own):
    """The rules by name: what is right, and the arguments, most of them of this student's range."""
    low, high, reserved = own.port_range.low, own.port_range.high, own.reserved
    return {
        "33334 loops in the default range": (True, 33334, 32768, 60999, set()),
        "33333 does not loop in the default range": (False, 33333, 32768, 60999, set()),
        "33333 loops in 1025-65000, which begins with an odd port": (True, 33333, 1025, 65000, set()),
        "the low end belongs to the range": (True, low, low, high, set()),
        "the high end has the other parity": (False, high, low, high, set()),
        "a port below the range is never picked": (False, low - 2, low, high, set()),
        "a port above the range is never picked": (False, high + 1, low, high, set()),
        "a reserved port is never picked": (False, reserved, low, high, {reserved}),
        "a reserved port does not disturb the others": (True, reserved - 2, low, high, {reserved}),
    }


@judge.calls("can-loop-test", "can_loop", truth, lambda own: {rule: case[1:] for rule, case in _rules(own).items()})
def can_loop(own, answers):
    """The rule holds for the ends of the range, for odd ranges and for reserved ports."""
    for rule, (right, *arguments) in _rules(own).items():
        answer = answers[rule]
        expect(answer == right, f"can_loop{tuple(arguments)} is {answer}, but {rule}.")


def _refused(own):
    return {f"{many} refusals, then 0": many for many in (0, 1, own.refusals)}


@judge.calls(
    "loop-connects-test", "loop", tuple,
    lambda own: {case: (Script([ECONNREFUSED] * n + [0]), n + 1) for case, n in _refused(own).items()},
)  # fmt: skip
def loop_connects(own, answers):
    """The loop goes on until it is connected, and counts."""
    for case, many in _refused(own).items():
        expect(answers[case] == (many + 1, 0), f"{case}: the answer is {(many + 1, 0)}, not {answers[case]}.")


def _stops(own):
    """The cases by name: what connect() returns, how many tries are allowed, and what the loop must return."""
    refused = [ECONNREFUSED] * own.refusals
    cases = {f"refused for ever, max_tries={own.refusals}": (refused, own.refusals, (own.refusals, ECONNREFUSED))}
    for error in (EMFILE, ENETUNREACH):
        cases[f"a refusal, then error {error}: the loop must stop there"] = ([ECONNREFUSED, error, 0], 9, (2, error))
    return cases


@judge.calls(
    "loop-stops-test", "loop", tuple,
    lambda own: {case: (Script(errors), most) for case, (errors, most, _) in _stops(own).items()},
)  # fmt: skip
def loop_stops(own, answers):
    """The loop stops at the most tries, and at every other error."""
    for case, (_, _, right) in _stops(own).items():
        expect(answers[case] == right, f"{case}. It returned {answers[case]}.")
