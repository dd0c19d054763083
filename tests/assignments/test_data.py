"""The students' data: each their own, the same everywhere, and always with exactly one right answer."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from tcploop_lab.exercises import assignment
from tcploop_lab.exercises.lesson_03 import whole_life
from tcploop_lab.tries.theory import distribution

STUDENTS = [f"student-{number}" for number in range(40)]
MAKERS = (assignment.preconditions, assignment.wire, assignment.probability)
preconditions, wire, probability = map(cache, MAKERS)


@pytest.mark.parametrize(("make", "kept"), [*zip(MAKERS, (preconditions, wire, probability), strict=True)])
def test_each_student_has_their_own_data(make, kept):
    """No two of forty students share their data, and the same student always gets the same."""
    made = [repr(kept(student)) for student in STUDENTS]
    assert len(set(made)) == len(STUDENTS)
    assert [repr(make(student)) for student in STUDENTS[:5]] == made[:5]


def test_data_are_the_same_in_another_process():
    """What the student saw is what the teacher's machine makes again, whatever the hash seed."""
    code = "from tcploop_lab.exercises.assignment import *; print(wire('ada').first, probability('ada').tries[-1])"
    printed = {
        subprocess.check_output([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, text=True, timeout=60)
        for seed in ("1", "2")
    }
    assert printed == {f"{assignment.wire('ada').first} {assignment.probability('ada').tries[-1]}\n"}


def test_draws_never_change():
    """The draws of one text, written down: data must not change while a course runs."""
    draw = assignment.Draws("ada")
    assert [draw.below(1000) for _ in range(6)] == [535, 716, 720, 502, 14, 533]
    assert "".join(draw.shuffled("abcdef")) == "cabdfe"


@pytest.mark.parametrize("name", ["Ada", " ada ", "ADA\n"])
def test_case_and_blanks_do_not_matter(name):
    """A name counts in any case, with or without blanks around it."""
    assert assignment.wire(name) == assignment.wire("ada")


@pytest.mark.parametrize("nonsense", ["", "  ", None, ..., 7, float("nan"), ["ada"], b"ada"])
def test_what_is_no_name_is_nobody(nonsense):
    """Before a name is written, the notebook still shows data: those of nobody."""
    assert assignment.name_of(nonsense) == assignment.NOBODY
    assert assignment.preconditions(nonsense) == assignment.preconditions(assignment.NOBODY)


def loops(data: assignment.Preconditions) -> set[str]:
    """The letters of the ports that can loop, by the lab's own law."""
    taken = [data.reserved]
    return {
        letter
        for letter, port in data.ports.items()
        if distribution("random-walk", data.port_range, port, reserved=taken).can_loop
    }


@pytest.mark.parametrize("student", STUDENTS[:10])
def test_some_ports_loop_and_some_do_not(student):
    """By the lab's law two to four of the eight ports can loop: those of the range, of its parity, not reserved."""
    data = preconditions(student)
    able = [port for port in range(data.port_range.low, data.port_range.high + 1, 2) if port != data.reserved]
    assert len(set(data.ports.values())) == 8
    assert {data.ports[letter] for letter in loops(data)} == set(able) & set(data.ports.values())
    assert 2 <= len(loops(data)) <= 4


@pytest.mark.parametrize("student", STUDENTS)
def test_a_trace_tells_why_it_failed(student):
    """A trace picks every candidate but a held one: not to be picked by chance is out of the question (< 1e-20)."""
    data = preconditions(student)
    missing = set(range(data.port_range.low, data.port_range.high, 2)) - set(data.trace)
    own_parity = (data.dialled - data.port_range.low) % 2 == 0
    assert missing in (set(), {data.dialled})
    assert bool(missing) == (own_parity and data.dialled not in data.trace)
    assert {(b - a) % data.port_range.width for a, b in pairwise(data.trace)} <= set(range(2, 19, 2))


def test_each_cause_occurs():
    """Among forty students all three causes occur, so that the letter cannot be guessed from a neighbour's."""
    data = [preconditions(student) for student in STUDENTS]
    causes = {("picked" if d.dialled in d.trace else (d.dialled - d.port_range.low) % 2) for d in data}
    assert causes == {"picked", 0, 1}


@pytest.mark.parametrize("student", STUDENTS)
def test_numbers_wrap_for_everybody(student):
    """The second connection of assignment 2 passes 4294967295 before or within its word, and keeps to 32 bits."""
    data = wire(student)
    numbers = [segment.seq for segment in whole_life(data.first, data.word)]
    assert numbers[-1] <= len(data.word) < numbers[0] < 2**32
    assert [segment.time for segment in data.shuffled.values()] == [0.0] * 7


@pytest.mark.parametrize("student", STUDENTS)
def test_the_law_of_the_loops_is_beyond_doubt(student):
    """The law that fits the 5,000 loops best is 100,000 times likelier than the next, and the mean shows it too."""
    data = probability(student)
    tries, seen, fits, means = np.array(data.tries), np.array(data.observed), {}, {}
    for era in assignment.LAWS:
        law = distribution(era, data.port_range, data.port)
        fits[era] = np.log(np.maximum(np.where(seen, law.pmf(tries), law.sf(tries)), 1e-300)).sum()
        means[era] = abs(law.mean - tries.sum() / seen.sum())
    first, second = sorted(fits, key=fits.get, reverse=True)[:2]
    assert fits[first] - fits[second] > np.log(1e5)
    assert min(means, key=means.get) == first


@pytest.mark.parametrize("student", STUDENTS)
def test_the_four_kernels_can_be_told_by_their_steps(student):
    """Each of the four columns has the steps of just one era."""
    walks = probability(student).walks
    steps = [{after - before for before, after in pairwise(ports)} for ports in walks.values()]
    walk = [s for s in steps if len(s) > 1 and min(s) >= 2 and max(s) <= 16]
    assert {1} in steps and {2} in steps and len(walk) == 1
    assert sum(min(s) < 0 for s in steps) == 1
