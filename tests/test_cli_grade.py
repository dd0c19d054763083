"""tcploop grade: points for files that were handed in, without nbgrader."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest

from tcploop_lab.cli import main
from tcploop_lab.exercises import judging, marks
from tcploop_lab.exercises.late import DAY, Deadline
from tcploop_lab.exercises.sandbox import Came

from .assignments.answers import PARTLY, right
from .assignments.course import ASSIGNMENTS, NAMES
from .assignments.test_judging import answered
from .matrix import inside
from .matrix.situations import BY_NAME

FIRST = NAMES[0]


def hand_in(path: Path, student: str, answers: dict[str, str], name: str = FIRST) -> str:
    """Write a notebook with these answers, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=answered(answers, student, name)), path)
    return str(path)


@pytest.fixture(autouse=True)
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The instructor's folder, in which the command is called. Its key is empty: data of the name alone."""
    made = tmp_path / "course"
    made.mkdir()
    (made / "key").touch()
    for name in ("judges", "release"):
        shutil.copytree(ASSIGNMENTS / name, made / name)  # a handout writes into it
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def handed_in(tmp_path: Path) -> list[str]:
    """Files in every layout: right, partly right, a cheat who raises the points, no notebook, nothing."""
    bea = hand_in(tmp_path / "bea.ipynb", "bea", right(FIRST) | PARTLY[FIRST][0])
    cheat = nbformat.read(hand_in(tmp_path / "cem" / f"{FIRST}.ipynb", "cem", {}), as_version=4)
    extra = nbformat.v4.new_code_cell(
        "import ctypes", metadata={"nbgrader": {"grade": True, "grade_id": "x", "points": 99}}
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[*cheat.cells, extra]), tmp_path / "cem" / f"{FIRST}.ipynb")
    (tmp_path / "dan.ipynb").write_text("no notebook")
    ada = hand_in(tmp_path / "ada" / FIRST / f"{FIRST}.ipynb", "ada", right(FIRST))
    return [
        ada,
        bea,
        str(tmp_path / "cem" / f"{FIRST}.ipynb"),
        str(tmp_path / "dan.ipynb"),
        str(tmp_path / "eve.ipynb"),
    ]


def test_every_file_has_its_points_or_the_reason(handed_in: list[str], tmp_path: Path, capsys) -> None:
    """Each file is graded by itself; what cannot be graded says why, and exit code 1 that there is some."""
    assert main(["grade", *handed_in, "--json", "--csv", str(tmp_path / "grades.csv")]) == 1
    grades = json.loads(capsys.readouterr().out)["grades"]
    found = [(one["student"], one["points"], one["most"]) for one in grades]
    assert found == [("ada", 20, 20), ("bea", PARTLY[FIRST][1], 20), ("cem", 0, 20), ("dan", 0, 0), ("eve", 0, 0)]
    assert grades[2]["suspicious"] == ["ctypes", "x: 99 points of 0"]
    assert "it is no notebook" in grades[3]["reasons"] and "No such file" in grades[4]["reasons"]
    with (tmp_path / "grades.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [(row["student"], float(row["points"])) for row in rows] == [(name, points) for name, points, _ in found]


@pytest.mark.parametrize(
    ("file", "student"),
    [
        (f"ada_lovelace/{FIRST}.ipynb", "ada_lovelace"),
        (f"ada_lovelace/{FIRST}/{FIRST}.ipynb", "ada_lovelace"),
        (f"ada_lovelace_{FIRST}.ipynb", "ada_lovelace"),
        (f"Ada Lovelace_657737_assignsubmission_file_{FIRST}.ipynb", "Ada Lovelace"),
        (f"lovelaceada_LATE_1234_56789_{FIRST}.ipynb", "lovelaceada"),
        ("ada_second try.ipynb", "ada"),
        ("ada.ipynb", "ada"),
    ],
)
def test_a_folder_or_a_name_says_whose_file_it_is(file: str, student: str) -> None:
    """A login may hold an underscore where the assignment's name is behind it."""
    assert marks.student_of(Path(file), FIRST) == student


def test_a_link_to_the_file_of_another_is_not_that_ones(handed_in: list[str], tmp_path: Path, capsys) -> None:
    """A symbolic link in Cem's folder is Cem's, whatever it leads to, and earns him nothing."""
    Path(handed_in[2]).unlink()
    Path(handed_in[2]).symlink_to(handed_in[0])
    main(["grade", handed_in[2], "--json"])
    (row,) = json.loads(capsys.readouterr().out)["grades"]
    assert (row["student"], row["points"]) == ("cem", 0)


@pytest.mark.parametrize(
    "cells, why",
    [
        ([{"cell_type": "raw", "metadata": {}, "source": ""}] * 100_000, "it has 100000 cells, and 1000 are read"),
        ([{"cell_type": "code", "metadata": {}, "source": "", "outputs": ["x"] * 1_000_000}], "none of the assign"),
        ([{"cell_type": "raw", "metadata": {}, "source": [1]}], "it is no notebook"),
        ([{"cell_type": "raw", "metadata": {"tags": [{"a": n} for n in range(20_000)]}, "source": ""}], "none of the"),
    ],
)
def test_a_notebook_of_many_pieces_is_not_checked_piece_by_piece(cells, why, tmp_path: Path) -> None:
    """It is read outside the sandbox, where no time limit is: a million pieces took minutes."""
    page = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (tmp_path / "bea.ipynb").write_text(json.dumps(page))
    began = time.process_time()
    assert why in marks.mark(tmp_path / "bea.ipynb", marks.Course.at(Path())).failed
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("whole", "why"),
    [
        (None, "it is a pipe, not a file"),
        (b'{"cells":' + b"[" * 1_000_000, "it is no notebook"),
        (b'{"cells": "abc", "nbformat": 4}', "it is no notebook"),
        (b'{"nbformat": 3, "worksheets": [{"cells": []}]}', "it is no notebook"),
        (b" " * (marks._LARGEST + 1), "over 20 MiB; give a smaller one"),
    ],
)
def test_what_is_no_notebook_is_still_its_students(whole: bytes | None, why: str, course: Path, tmp_path: Path) -> None:
    """A file that cannot be graded is told under the name of who handed it in, not of its file."""
    path = tmp_path / "bea" / f"{FIRST}.ipynb"
    path.parent.mkdir()
    os.mkfifo(path) if whole is None else path.write_bytes(whole)
    found = marks.mark(path, marks.Course.at(course))
    assert (found.student, found.assignment, found.points) == ("bea", FIRST, 0) and why in found.failed


def test_no_text_of_a_student_breaks_the_table(tmp_path: Path, capsys) -> None:
    """Texts and names that no file or terminal takes are spelled out; an accent of its own is the same name (macOS)."""
    odd = right(FIRST) | {"why": "raise ValueError('\\ud800 \\x1b[2J')"}
    jose = hand_in(tmp_path / "jose\u0301" / f"{FIRST}.ipynb", "jos\u00e9", odd)
    (tmp_path / "\udcff").symlink_to(Path(jose).parent)
    other = str(tmp_path / "\udcff" / f"{FIRST}.ipynb")
    assert main(["grade", jose, other, jose, "--csv", str(tmp_path / "grades.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "grades.csv").read_text().splitlines()))
    assert [row["points"] for row in rows] == ["18.0", "0.0", "18.0"] and rows[1]["student"] == r"\udcff"
    assert r"ValueError: \ud800 \x1b[2J" in rows[0]["reasons"] and "\x1b" not in capsys.readouterr().out
    assert [row["look at"] for row in rows] == ["one of 2 files", "", "one of 2 files"]


@pytest.mark.parametrize("worth", [10**400, [[]], None, "many"])
def test_points_that_are_no_numbers_are_told(worth: object) -> None:
    """Whatever a notebook says that a cell is worth, it ends no grading of the others."""
    mark = {"nbgrader": {"grade": True, "grade_id": "x", "points": worth}}
    page = {"cells": [{"cell_type": "raw", "metadata": mark, "source": ""}], "metadata": {}, "nbformat": 4}
    assert marks._raised(marks._cells(json.dumps(page).encode()), {}) == ("points that are no numbers",)


def test_a_huge_program_is_not_parsed() -> None:
    """It would be outside the sandbox, at six hundred times its size; blanks and comments of others do not matter."""
    assert marks._program(huge := "a = 1\n" * 100_000) == huge
    assert marks._program("a = f(b)  # mine\n" * 9) == marks._program("a=f( b ) # yours too\n" * 9) != ""


def test_one_program_of_two_students_is_shown(handed_in: list[str], capsys) -> None:
    """Answers that are one program, blanks and comments aside, are counted by pair."""
    main(["grade", *handed_in[:2], "--json"])
    (pair,) = json.loads(capsys.readouterr().out)["equal"]
    assert (pair["one"], pair["other"]) == ("ada", "bea") and pair["programs"] >= 1


def test_days_late_cost_what_was_said(handed_in: list[str], tmp_path: Path, capsys) -> None:
    """A begun day counts as one; nbgrader's timestamp goes before the file's own time. An endless one is none."""
    late = ["--due", "2026-11-20T12:00+00:00", "--late-percent", "25", "--late-days", "1", "--json"]
    Path(handed_in[0]).with_name("timestamp.txt").write_text("2026-11-22 12:30:00.000000 Europe/Berlin")
    os.utime(handed_in[1], times=(0, 0))
    (tmp_path / "timestamp.txt").symlink_to("/dev/zero")
    assert main(["grade", *handed_in[:2], *late]) == 0
    ada, bea = json.loads(capsys.readouterr().out)["grades"]
    assert (ada["days_late"], ada["points"], bea["days_late"], bea["points"]) == (2, 15, 0, PARTLY[FIRST][1])
    assert ada["reasons"] == "2 days late, 75% of the points count"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--due", "tomorrow"), ("--late-days", "-1"), ("--late-percent", "nan"), ("--before", "nothing.csv")],
)
def test_a_rule_that_is_none_is_told_in_one_line(option: str, value: str, capsys) -> None:
    """The line names the value and what is allowed, before anything is graded."""
    assert main(["grade", "any.ipynb", option, value]) == 2
    told = capsys.readouterr().err
    assert value in told and len(told.splitlines()) == 1


def test_what_a_correction_changes_is_shown(handed_in: list[str], tmp_path: Path, capsys) -> None:
    """Against a CSV of before, this command's or nbgrader's: other points, and more than there are."""
    main(["grade", handed_in[0], "--csv", str(tmp_path / "old.csv")])
    main(["grade", handed_in[0], "--before", str(tmp_path / "old.csv"), "--json"])
    assert "changed" not in json.loads(capsys.readouterr().out.splitlines()[-1])
    (tmp_path / "nb.csv").write_text(f"assignment,student_id,score\n{FIRST},ada,140\n{FIRST},bea,{PARTLY[FIRST][1]}\n")
    main(["grade", *handed_in[:2], "--before", str(tmp_path / "nb.csv"), "--json"])
    assert json.loads(capsys.readouterr().out)["changed"] == [
        {"student": "ada", "assignment": FIRST, "before": 140, "points": 20, "note": "more than there are"}
    ]


def test_a_file_may_vanish_while_it_is_graded(handed_in: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its grade stands, as do those of the others."""
    monkeypatch.setattr(judging, "run", lambda *_: Path(handed_in[1]).unlink() or Came((), "", 0.0))
    found = marks.mark(Path(handed_in[1]), marks.Course.at(Path()), deadline=Deadline(datetime.now(UTC) + DAY))
    assert (found.student, found.late, found.failed) == ("bea", 0, "")


@pytest.mark.parametrize("name", ['=HYPERLINK("x")', "\uff1dcmd", " +1", "\tx", "@a", "-b"])
def test_a_spreadsheet_computes_nothing(name: str, tmp_path: Path) -> None:
    """A name that begins like a formula is written as text, and read back as what it is."""
    (tmp_path / "old.csv").write_bytes(marks.as_csv([marks.Marks("f", name, "1", failed="@no")]))
    (row,) = csv.DictReader((tmp_path / "old.csv").open(newline="", encoding="utf-8"))
    assert (row["student"], row["reasons"]) == (f"'{name}", "'@no")
    assert marks.earlier(tmp_path / "old.csv") == {(name, "1"): 0}


@pytest.mark.parametrize("bad", [["--course", "/tmp"], []])
def test_a_folder_that_is_no_course_is_told_in_one_line(bad: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    """Without judges there is nothing to grade by: the line names the folder and the way out."""
    monkeypatch.chdir(tmp_path)
    assert main(["grade", "any.ipynb", *bad]) == 2
    assert "no judges/ and release/ in it; name the folder of the instructor's archive" in capsys.readouterr().err


def test_a_course_without_a_key_is_not_graded(course: Path, handed_in: list[str], capsys) -> None:
    """From a name alone the installed lab tells what is right: the line says how to make a key."""
    (course / "key").unlink()
    assert main(["grade", handed_in[1]]) == 2
    told = capsys.readouterr().err
    assert "no key in it" in told and "tcploop handout NAME" in told and len(told.splitlines()) == 1
    assert main(["handout", "bea"]) == 0 and len((course / "key").read_text()) == 33


@pytest.mark.parametrize("name", ["unshare forbidden", "macOS", "Windows"])
def test_without_a_sandbox_nothing_runs(name: str, handed_in: list[str], tmp_path: Path) -> None:
    """Where the system refuses the sandbox no program of a student runs: exit code 3, with the way out in one line."""
    (tmp_path / "home").mkdir()
    command = [sys.executable, "-m", "tcploop_lab", "grade", handed_in[0], "--course", str(tmp_path / "course")]
    done = inside.run(BY_NAME[name], command, tmp_path / "home", tmp_path, 60)
    assert (done.returncode, done.stdout) == (3, "")
    assert ("--no-sandbox" in done.stderr) == (name != "Windows") and done.stderr.count("\n") == 1


def test_an_interrupt_loses_no_grade(handed_in: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    """After a Ctrl-C the files that were graded by then are told and written, and the exit code is 130."""
    mark, graded = marks.mark, []

    def interrupted(path: Path, *more: object) -> marks.Marks:
        if graded:
            raise KeyboardInterrupt
        graded.append(path)
        return mark(path, *more)

    monkeypatch.setattr(marks, "mark", interrupted)
    assert main(["grade", *handed_in, "--json", "--csv", str(tmp_path / "grades.csv")]) == 130
    out, err = capsys.readouterr()
    assert [(one["student"], one["points"]) for one in json.loads(out)["grades"]] == [("ada", 20)]
    assert err.splitlines() == ["interrupted: 1 of 5 files are graded"]
    assert (tmp_path / "grades.csv").read_text().count("\n") == 2
