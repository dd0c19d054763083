"""What is right in assignment 3. For the instructor."""

from itertools import pairwise

import numpy as np

import tcploop_lab as lab
from tcploop_lab.exercises import assignment
from tcploop_lab.exercises.answers import whole_number
from tcploop_lab.exercises.grading import expect
from tcploop_lab.exercises.judging import Judge
from tcploop_lab.exercises.lesson_05 import four_eras

judge = Judge(assignment.probability)


@judge.value("candidates-test", "candidates", whole_number)
def candidates(own, number):
    """The ports of one parity."""
    expect(number == own.port_range.width // 2, "M counts the ports of one parity, both ends included.")


@judge.value("first-mean-test", "first_mean", float)
def first_mean(own, tries):
    """8/9 of M, from a random start."""
    many = own.port_range.width // 2
    expect(abs(tries / many - 1) > 0.02, "that is M, the mean of returns. From a random start the walk is nearer.")
    expect(abs(tries / many - 1 / 2) > 0.02, "that is M/2, as if every step were the same. This era steps at random.")
    expect(abs(tries / (8 / 9 * many) - 1) < 0.02, "from a random start the walk takes 8/9 of M on average.")


@judge.value("return-mean-test", "return_mean", float)
def return_mean(own, tries):
    """M, from just past the port."""
    many = own.port_range.width // 2
    expect(abs(tries / many - 8 / 9) > 0.02, "that is the mean from a random start. It begins just past the port here.")
    expect(abs(tries / many - 1) < 0.02, "whatever the era, a return takes M tries on average (Kac).")


@judge.value("needed-test", "needed", whole_number)
def needed(own, number):
    """The smallest number that has the chance."""
    law = lab.distribution("random-walk", own.port_range, own.port)
    lottery = lab.distribution("geometric", own.port_range, own.port)
    expect(number != lottery.tries_needed(own.chance), "that is the lottery. Your machine walks.")
    expect(law.chance(number) >= own.chance, f"with {number} tries the chance is only {law.chance(number):.4f}.")
    expect(law.chance(number - 1) < own.chance, "enough, but a smaller number is enough too. Give the smallest.")


@judge.value("eras-test", "eras", four_eras)
def eras(own, named):
    """Which kernel steps so."""
    expect(len(set(named.values())) == 4, "you named one era twice. Each of them is there once.")
    for letter, ports in own.walks.items():
        steps = {after - before for before, after in pairwise(ports)}
        forward = min(steps) >= 2 and max(steps) <= 16
        era = {frozenset({1}): "hashed-sequence", frozenset({2}): "even-sequence"}.get(frozenset(steps))
        era = era or ("random-walk" if forward else "geometric")
        expect(named[letter] == era, f"look at {letter} again. Its steps: {sorted(steps)}.")


TRIES, SEEN = (3, 5, 9, 9), (True, True, True, False)
SHARES = {
    5: (1 / 2, "after 5 tries a loop that took 5 has succeeded: n itself is included."),
    8: (1 / 2, "a loop that was given up later is one of the loops too: divide by all of them."),
    9: (3 / 4, "a loop that was given up after 9 tries has not succeeded."),
    2: (0, "after 2 tries none had succeeded."),
}


def _shares(own):
    cases = {f"n={n}": (TRIES, SEEN, n) for n in SHARES}
    return {"one of two": ([3, 5], [True, True], 4), **cases, "your own": (own.tries, own.observed, 200)}


@judge.calls("share-test", "share", float, _shares)
def share(own, answers):
    """Of all loops, those that had succeeded."""
    expect(answers["one of two"] == 0.5, "one of two had succeeded after 4 tries.")
    for n, (right, otherwise) in SHARES.items():
        expect(abs(answers[f"n={n}"] - right) < 1e-9, otherwise)
    right = sum(one <= 200 for one in own.tries) / len(own.tries)
    expect(abs(answers["your own"] - right) < 1e-9, "your own loops, n=200: another share is right.")


@judge.value("law-test", "law", str)
def law(own, name):
    """The law that is likeliest for the sample, those given up included."""
    name = name.strip().lower()
    expect(name in assignment.LAWS, "this is none of the three laws.")
    tries, seen = np.array(own.tries), np.array(own.observed)
    likely = {}
    for era in assignment.LAWS:
        kernel = lab.distribution(era, own.port_range, own.port)
        chances = np.where(seen, kernel.pmf(tries), kernel.sf(tries))
        likely[era] = np.log(np.maximum(chances, 1e-300)).sum()
    why = "take all 5,000 loops, also those given up: to leave them out makes the mean too small."
    expect(name == max(likely, key=likely.get), f"another law fits far better; {why}")
