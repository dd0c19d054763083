"""Grading cannot be bought: what a student's program does, it does not reach its points, nor those of others."""

from __future__ import annotations

import json
import os
import sys
from copy import deepcopy
from functools import partial
from pathlib import Path

import psutil
import pytest
from nbformat import NotebookNode

from tcploop_lab.exercises import judging, plain
from tcploop_lab.exercises.cage import NOBODYS
from tcploop_lab.exercises.inside import Job, Question
from tcploop_lab.exercises.sandbox import run
from tcploop_lab.exercises.submission import grade_id, programs, restored
from tcploop_lab.exercises.submission import points as worth

from ..waiting import wait_until_gone
from .answers import right
from .cheats import HARMFUL, WORTHLESS
from .course import ASSIGNMENTS, NAMES, notebook

FIRST = NAMES[0]


def released(name: str = FIRST) -> list[NotebookNode]:
    """The cells that students get."""
    return notebook(ASSIGNMENTS / "release" / name / f"{name}.ipynb").cells


def answered(answers: dict[str, str], student: str = "bea", name: str = FIRST) -> list[NotebookNode]:
    """The released cells with these answers."""
    cells = deepcopy(released(name))
    for cell in cells:
        cell.source = {"name": f"student = {student!r}", **answers}.get(grade_id(cell), cell.source)
    return cells


def points(cells: list[NotebookNode], student: str = "bea", name: str = FIRST) -> dict[str, float]:
    """What the cells earn, by exercise."""
    judge, whole = judging.load(ASSIGNMENTS / "judges" / f"{name}.py"), restored(cells, released(name))
    grade = judging.graded(judge, programs(whole), worth(whole), student, name)
    return {one.exercise: one.points for one in grade.exercises}


@pytest.mark.parametrize("cheat", WORTHLESS)
def test_a_cheat_earns_nothing(cheat: str) -> None:
    """A program that knows no answer gets no point, whatever else it does."""
    nothing = dict.fromkeys(right(FIRST), "")  # a stub behind it would take its answers away
    earned = points(answered(nothing | {"loops": WORTHLESS[cheat]}))
    assert len(earned) == 7 and sum(earned.values()) == 0


UNTIL_THE_END = ("a sleep that no alarm wakes",)  # of its time: a right notebook needs some two seconds
AS_ANY_USER = ("a fork bomb", "rm -rf ~")  # the cage is another one without root; the limits in it are the same


@pytest.mark.parametrize(
    "harm", [pytest.param(harm, marks=[pytest.mark.anyuser] * (harm in AS_ANY_USER)) for harm in HARMFUL]
)
def test_harm_costs_only_what_comes_after_it(harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a program destroys, the answers before it count, and nothing of it is left, running or stored."""
    if harm in UNTIL_THE_END:
        monkeypatch.setattr(judging, "run", partial(run, seconds=20))
    before = set(psutil.pids()), sorted(os.listdir(ASSIGNMENTS))
    earned = points(answered(right(FIRST) | {"why": HARMFUL[harm]}))
    assert [earned[cell] for cell in ("loops-test", "candidates-test", "picks-test")] == [4, 2, 2]
    assert earned["why-test"] == 0
    new = [process for process in psutil.process_iter(["cmdline", "uids"]) if process.pid not in before[0]]
    mine = [process for process in new if process.info["uids"].real in (os.getuid(), NOBODYS + os.getpid())]
    judged = [process.info["cmdline"] or [] for process in mine]
    here = [words for words in judged if sys.executable in words and "tcploop_lab.exercises.inside" in words]
    assert here == []  # of another checkout there may be some: another run of these tests
    assert sorted(os.listdir(ASSIGNMENTS)) == before[1]


@pytest.mark.parametrize("caged", [True, False])
def test_an_exit_code_of_a_notebook_is_no_refusal(caged: bool) -> None:
    """A notebook that ends as a refused sandbox does, before any output, ends itself and not the grading."""
    assert run(Job([("name", "import os; os._exit(120)")], {}, 30), caged=caged).ended == "it ended the program"


def test_without_a_cage_a_closed_output_is_waited_for_in_time() -> None:
    """A notebook that closes its way out and sleeps on has its time, and no more."""
    sleeps = "import os, time; os.closerange(3, 100); time.sleep(1e6)"
    assert run(Job([("name", sleeps)], {}, 100), caged=False, seconds=6).ended == "its time was over"


@pytest.mark.parametrize("ends", ["", "os._exit(0)", "time.sleep(1e6)"])
def test_without_a_cage_its_children_end_with_it(ends: str) -> None:
    """What a notebook has started is ended with it, in a session of its own and without a parent too."""
    daemon = "import os, subprocess, time; number = subprocess.Popen(['setsid', 'sh', '-c', 'sleep 1000 & echo $!'], "
    cells = [
        ("child", f"{daemon}stdout=-1).stdout.readline().decode()"),
        ("home", "home = os.path.expanduser('~')"),
        ("end", ends),
    ]
    came = run(Job(cells, {"child": Question("number"), "home": Question("home")}, 30), caged=False, seconds=8)
    number, home = [json.loads(line["value"]["is"]) for line in came.lines if "of" in line]
    wait_until_gone(int(number))
    assert home != str(Path.home()) and not Path(home).exists()


@pytest.mark.anyuser
def test_the_keys_of_the_user_are_out_of_reach() -> None:
    """A keyring is its user's in every namespace: no system call about keys is answered."""
    look = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
keyctl = {"x86_64": 250, "aarch64": 219}[__import__("platform").machine()]
said = [libc.syscall(keyctl, 0, ring, 0) for ring in (-3, -4, -5)], ctypes.get_errno()"""
    (line,) = [line for line in run(Job([("look", look)], {"look": Question("said")}, 30)).lines if "of" in line]
    assert plain.read(line["value"]["is"]) == ([-1, -1, -1], 1), line


@pytest.mark.anyuser
def test_nothing_of_the_course_is_in_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a submission no judge, notebook, key or gradebook can be found, no process of others, and no network.

    The notebooks that an installed lab brings along are those that every student has. nbgrader's exchange is by default
    in /usr/local/share, where nothing is that Python needs; a course may lie in the folder of the environment.
    """
    for folder in ("lib", "judges"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    look = f"""
import os
found = [(place, name) for place, folders, names in os.walk("/") for name in folders + names]
seen = [one for one in found if one[1].startswith("1_preconditions") and "/tcploop_lab/course/" not in one[0] + "/"]
seen += [place for place in {[str(ASSIGNMENTS), str(tmp_path / "judges")]} if os.path.exists(place)]
seen += [place for place, _ in found if place == "/usr/local/share"]
numbers = [number for number in range(2, 5000) if os.path.exists("/proc/" + str(number))]
"""
    questions = {"look": Question("seen"), "more": Question("numbers"), "net": Question("net")}
    cells = [("look", look), ("more", ""), ("net", "import socket; net = [n for _, n in socket.if_nameindex()]")]
    lines = {line["of"]: line["value"]["is"] for line in run(Job(cells, questions, 30)).lines if "of" in line}
    assert lines == {"look": "[]", "more": "[]", "net": '["lo"]'}


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_earn_every_point(name: str) -> None:
    """The instructor's answers get 20 points on any student's data, and none under another's name."""
    assert sum(points(answered(right(name), "bea", name), "Bea", name).values()) == 20
    assert sum(points(answered(right(name), "bea", name), "ada", name).values()) == 0


def test_numbers_of_another_student_earn_nothing() -> None:
    """Ada's numbers, handed in under one's own name, are wrong."""
    from tcploop_lab.exercises.assignment import preconditions

    own = preconditions("ada")
    numbers = {"candidates": f"candidates = {own.port_range.width // 2}", "picks": "picks = 999999"}
    assert sum(points(answered(numbers)).values()) == 0


def test_a_table_of_another_students_cases_is_no_rule() -> None:
    """Functions are called with data of each student: what is right for one does not answer for the other."""
    judge = judging.load(ASSIGNMENTS / "judges" / f"{FIRST}.py")
    ada, bea = (judge.questions(judge.data(name, "")) for name in ("ada", "bea"))
    asked = [(cell, question.calls, bea[cell].calls) for cell, question in ada.items() if question.calls]
    assert len(asked) == 3
    assert [cell for cell, hers, others in asked if hers == others] == []


def test_what_is_not_the_students_is_restored() -> None:
    """Raised points, replaced data, copied and deleted graded cells change nothing."""
    cells = answered(right(FIRST))
    for cell in cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.metadata.nbgrader.points = 100
        if grade_id(cell) == "data":
            cell.source = "from types import SimpleNamespace; data = SimpleNamespace()"
    twice = [copy for cell in cells for copy in (cell, cell) if grade_id(cell) != "loop-stops-test"]
    assert sum(points(twice).values()) == 20


@pytest.mark.parametrize("value", [7, 1.5, "a", b"hi", None, True, (1, [2, {3}]), {"P": (1,)}, frozenset({1}), 10**30])
def test_plain_values_cross_the_border(value: object) -> None:
    """Plain data comes out as what it was, with its type."""
    crossed = plain.read(plain.written(value))
    assert crossed == value and type(crossed) is type(value)


@pytest.mark.parametrize("value", [object(), lambda: 1, plain, int, {1: object()}, "x" * 200_000])
def test_nothing_else_does(value: object) -> None:
    """An object with a behaviour of its own stays inside."""
    with pytest.raises(plain.NotPlain):
        plain.written(value)


def test_an_answer_that_is_too_long_is_not_read() -> None:
    """Numbers of one hash are slow to put into a set: what `written` would not write is refused before."""
    forged = {"set": [n * (2**61 - 1) for n in range(20_000)]}
    with pytest.raises(plain.NotPlain, match="characters, and 100000 are read"):
        plain.read(json.dumps(forged))
