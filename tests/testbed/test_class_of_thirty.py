"""A class of thirty on one machine, as a JupyterHub has it: thirty processes with a testbed each, all at once."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks.namespace import network_id, read_port_range
from tcploop_lab.study.tasks import ADDRESSES
from tcploop_lab.tries.theory import TriesDistribution, distribution

from ..waiting import is_gone, wait_until_gone
from .student import PORT, RANGE, SAMPLES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STUDENTS = 30
MEGABYTE = 1 << 20
BINS = 20
NEVER = 1e-7  # p-value: a false alarm in ten million runs


class Class:
    """Thirty students. What they are asked they do at the same time."""

    def __init__(self) -> None:
        # An address that was dialled a moment ago has its own place on the kernel's walk: begin anywhere.
        first = str(random.SystemRandom().randrange(ADDRESSES))
        command = [sys.executable, "-m", "tests.testbed.student"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        self.students = [subprocess.Popen([*command, str(n), first], **pipes) for n in range(STUDENTS)]
        self.places = self.ask("place")

    def ask(self, what: str) -> list[Any]:
        """Tell all of them, then collect their answers."""
        for student in self.students:
            student.stdin.write(f"{what}\n")
            student.stdin.flush()
        return [json.loads(student.stdout.readline()) for student in self.students]

    def dismiss(self) -> None:
        """Let all of them end by themselves."""
        for student in self.students:
            with contextlib.suppress(BrokenPipeError):  # it was killed
                student.stdin.close()
        for student in self.students:
            student.wait(20)
            student.stdout.close()


@pytest.fixture(scope="module")
def thirty() -> Iterator[Class]:
    """A class that is dismissed at the end."""
    made = Class()
    yield made
    made.dismiss()


@pytest.fixture(scope="module")
def samples(thirty: Class) -> np.ndarray:
    """The tries of a hundred loops of each student, all drawn at once."""
    return np.array(thirty.ask("sample"))


@pytest.fixture(scope="module")
def law(thirty: Class) -> TriesDistribution:
    """What a student who is alone would measure."""
    return distribution("random-walk", RANGE, PORT)


def test_each_has_a_network_of_its_own(thirty: Class) -> None:
    """Thirty networks, none of them the host's, each with the range that its student asked for."""
    networks = {place["network"] for place in thirty.places}
    assert len(networks) == STUDENTS and network_id() not in networks
    assert {place["range"] for place in thirty.places} == {str(PortRange(*RANGE))}
    assert read_port_range() != PortRange(*RANGE)


def test_all_have_the_same_port_at_once(thirty: Class) -> None:
    """Everybody listens on one and the same port, and sees only the socket that is there at home."""
    assert thirty.ask("listen") == [["127.0.0.1:40150"]] * STUDENTS


def test_the_distribution_of_the_class_fits(samples: np.ndarray, law: TriesDistribution) -> None:
    """3,000 loops drawn all at once follow the law of one student alone: chi-square over 20 bins."""
    assert samples.shape == (STUDENTS, SAMPLES)
    edges = np.array([law.quantile(q) for q in np.arange(1, BINS) / BINS])
    expected = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]])) * samples.size
    counted = np.bincount(np.searchsorted(edges, samples.ravel()), minlength=BINS)
    assert stats.chisquare(counted, expected).pvalue > NEVER


def test_the_distribution_of_each_student_fits(samples: np.ndarray, law: TriesDistribution) -> None:
    """No student's hundred loops leave the law (Massart's bound for thirty: a false alarm in a million runs)."""
    bound = np.sqrt(np.log(2 * STUDENTS / 1e-6) / (2 * SAMPLES))
    at = np.arange(1, samples.max() + 1)
    gaps = [np.abs((mine[:, None] <= at).mean(axis=0) - law.cdf(at)).max() for mine in samples]
    assert len(gaps) == STUDENTS
    assert max(gaps) < bound


def test_the_memory_of_a_student_is_bounded(thirty: Class) -> None:
    """What a testbed adds to a student's kernel is its worker: about 8 MB, shared pages counted in parts.

    The student's own process, without Jupyter and the figures, brings it to about 20 MB.
    """
    workers = [place["worker_memory"] / MEGABYTE for place in thirty.places]
    whole = [place["memory"] / MEGABYTE for place in thirty.places]
    assert 1 < max(workers) < 20
    assert 1 < max(whole) < 60


def test_all_are_gone_at_the_end(thirty: Class) -> None:
    """No worker is left: not of students who close their testbeds, nor of those killed in the middle of a loop."""
    workers = [place["worker"] for place in thirty.places]
    assert len(set(workers)) == STUDENTS and not any(map(is_gone, workers))
    for student in thirty.students[::2]:
        student.stdin.write("sample\n")
        student.stdin.flush()
        student.kill()
    thirty.dismiss()
    wait_until_gone(*workers)
