"""The assignments as a course: generated, handed out, handed in, graded and given back, from the command line."""

from __future__ import annotations

import csv
import html
import json
import re

import pytest
from nbformat import NotebookNode

from .answers import DELETED, ENDLESS, NO_PYTHON, PARTLY, right
from .course import ASSIGNMENTS, NAMES, USER, Course, commands_of_the_page, grade_id, notebook, points

FIRST = NAMES[0]
REGION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END", re.DOTALL)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a minute on two free cores


def broken(course: Course, student: str) -> NotebookNode:
    """The right answers, but for a syntax error, an endless loop, deleted cells and metadata odd or slow to check."""
    made = course.solved(FIRST, student, right(FIRST) | {"candidates": NO_PYTHON, "picks": ENDLESS})
    made.cells = [cell for cell in made.cells if grade_id(cell) not in DELETED]
    for cell, odd in zip(made.cells[-6:], (1, 99, [], "x", None, 3.5), strict=True):
        cell.metadata["tags"] = [{"number": number} for number in range(20_000)]
        cell.metadata["nbgrader"] = cell.metadata.get("nbgrader", {}) | {"schema_version": odd, "points": 99}
    return made


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course in which everybody has handed in and everything is graded."""
    made = Course.made(tmp_path_factory.mktemp("nbgrader"))
    made.run(*("*" if word == FIRST else word for word in commands_of_the_page()["generate_assignment"]))
    made.hand_in_by_exchange(FIRST, USER, right(FIRST))
    made.hand_in(FIRST, "bea", made.released(FIRST))
    for name in NAMES:
        made.hand_in(name, "cem", made.solved(name, "cem", right(name) | PARTLY[name][0]))
    made.hand_in(FIRST, "dan", broken(made, "dan"))
    made.hand_in(FIRST, "fay", made.solved(FIRST, "ada", right(FIRST)))
    made.hand_in(FIRST, "gil", made.solved(FIRST, "gil", {"loops": "print(In[-2])", "candidates": NO_PYTHON}))
    made.run("db", "student", "add", "--first-name", "Ada", "--last-name", "Lovelace", USER)
    made.run("db", "assignment", "add", "--duedate", "2026-12-01 23:59", FIRST)
    said = made.run("autograde", "*")
    assert "has changed" not in "\n".join(line for line in said.splitlines() if "bea" in line), said
    made.run("generate_feedback", "*")
    made.run("release_feedback", FIRST, f"--student={USER}")
    made.run("fetch_feedback", FIRST, "--course", "tcploop-lab", folder="student")
    return made


@pytest.fixture(scope="module")
def scores(course: Course) -> dict[tuple[str, str], float]:
    """The points of (student, assignment)."""
    return course.scores()


def secrets(name: str) -> list[str]:
    """The lines of the solutions and of the judge that are long enough to be none of the lab's own."""
    cells = notebook(ASSIGNMENTS / "source" / name / f"{name}.ipynb").cells
    solved = [part for cell in cells for part in REGION.findall(cell.source)]
    judge = (ASSIGNMENTS / "judges" / f"{name}.py").read_text()
    lines = [line.strip() for text in (*solved, judge) for line in text.splitlines()]
    return [line for line in lines if len(line) > 20 and not line.startswith(("from ", "import "))]


@pytest.mark.parametrize("name", NAMES)
def test_the_release_reveals_no_answer(course, name):
    """What students get holds no line of a solution or of a judge, and no output; it is the stored release."""
    released = course.released(name)
    kept = "\n".join(cell.source for cell in released.cells)
    assert len(secrets(name)) > 40
    assert [line for line in secrets(name) if line in kept] == []
    assert not any(cell.get("outputs") for cell in released.cells)
    assert released == notebook(ASSIGNMENTS / "release" / name / f"{name}.ipynb"), "it fell behind: make assignments"


@pytest.mark.parametrize("student", ["cem", "dan", "fay", "gil"])
def test_feedback_shows_no_line_of_a_judge(course, student):
    """Neither a wrong answer, nor a syntax error, nor print(In[-2]) brings a line of a judge or of a solution back."""
    page = html.unescape(re.sub(r"<[^>]+>", "", course.feedback(student, FIRST)))
    handed_in = (course.root / "course" / "submitted" / student / FIRST / f"{FIRST}.ipynb").read_text()
    unknown = [line for line in secrets(FIRST) if json.dumps(line)[1:-1] not in handed_in]
    assert len(unknown) > 30 and "Not yet" in page
    assert [line for line in unknown if line in page] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_is_worth_twenty_points(course, name):
    """Each assignment has 20 points, and says so at the top."""
    released = course.released(name)
    assert sum(map(points, released.cells)) == 20
    assert "20 points" in released.cells[0].source


def test_names_and_due_dates_are_in_the_csv(course, scores):
    """What the gradebook was told of students and assignments stands in grades.csv."""
    with (course.root / "course" / "grades.csv").open(newline="") as table:
        (row,) = [row for row in csv.DictReader(table) if (row["student_id"], row["assignment"]) == (USER, FIRST)]
    assert (row["first_name"], row["last_name"]) == ("Ada", "Lovelace") and "2026-12-01 23:59" in row["duedate"]


def test_the_solution_gets_full_marks_and_the_stub_nothing(scores):
    """The instructor's answers get every point, the notebook as it was released none; see also test_judging.py."""
    assert (scores[USER, FIRST], scores["bea", FIRST]) == (20, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_answer_costs_its_own_points_and_is_told_why(course, scores, name):
    """The others count, and the page that comes back has a line of words for each wrong answer."""
    assert scores["cem", name] == PARTLY[name][1]
    page = course.feedback("cem", name)
    assert [words for words in PARTLY[name][2] if words not in page] == []
    assert page.count("Not yet:") == len(PARTLY[name][2])


def test_broken_cells_cost_only_what_depends_on_them(scores):
    """Grading goes on behind a syntax error, an endless loop and a deleted answer; a deleted check is put back.

    A notebook that carries another name than the one it was handed in under gets no point.
    """
    depends = {"candidates-test": 2, "picks-test": 2, "why-test": 2, "can-loop-test": 4}
    assert (scores["dan", FIRST], scores["fay", FIRST]) == (20 - sum(depends.values()), 0)


def test_the_instructors_page_gives_the_commands_that_were_run(course, scores):
    """Every nbgrader command of the page was run above, where there is a release already."""
    named, ran = commands_of_the_page(), {command.split()[1] for command in course.ran}
    assert len(named) > 6
    assert named.keys() - ran == set()
