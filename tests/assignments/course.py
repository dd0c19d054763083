"""An nbgrader course in a folder of its own, run as the instructor's page says: from the command line."""

from __future__ import annotations

import csv
import getpass
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tcploop_lab.exercises import handout, judging

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = ROOT / "notebooks" / "assignments"
NAMES = tuple(sorted(path.name for path in (ASSIGNMENTS / "source").iterdir() if path.is_dir()))
USER = getpass.getuser()  # nbgrader's exchange knows students by their account
STUDENTS = (USER, "bea", "cem", "dan", "fay", "gil")


def notebook(path: Path) -> NotebookNode:
    """The notebook as nbformat version 4."""
    return nbformat.read(path, as_version=4)


def grade_id(cell: NotebookNode) -> str:
    """The name of an nbgrader cell, empty for any other."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def points(cell: NotebookNode) -> int:
    """What a graded cell is worth, 0 for any other."""
    return cell.metadata.get("nbgrader", {}).get("points", 0)


def solutions(assignment: str) -> dict[str, str]:
    """The instructor's answer cells by their names."""
    cells = notebook(ASSIGNMENTS / "source" / assignment / f"{assignment}.ipynb").cells
    return {grade_id(cell): cell.source for cell in cells if cell.metadata.get("nbgrader", {}).get("solution")}


def commands_of_the_page() -> dict[str, list[str]]:
    """The words of each nbgrader command of the instructor's page, by its name."""
    lines = re.findall(r"^    nbgrader (.*)", (ASSIGNMENTS / "README.md").read_text(), re.MULTILINE)
    return {words[0]: words for words in map(str.split, lines)}


@dataclass(frozen=True)
class Course:
    """A course folder with its own exchange folder beside it."""

    root: Path
    ran: list[str] = field(default_factory=list)

    @classmethod
    def made(cls, root: Path) -> Course:
        """Copy what the instructor's archive has of folders, and the configuration, as a teacher would."""
        for folder in ("source", "judges", "release"):
            shutil.copytree(ASSIGNMENTS / folder, root / "course" / folder)
        shutil.copy(ASSIGNMENTS / "nbgrader_config.py", root / "course")
        (root / "course" / "key").write_text("a test")  # always one: what a mistake costs depends on the data
        handout.hand_out(root / "course", STUDENTS, lambda judge: judging.load(judge).data)
        for folder in ("exchange", "student"):
            (root / folder).mkdir()
            (root / folder).chmod(0o777)
        return cls(root)

    def run(self, *arguments: str, folder: str = "course") -> str:
        """Run one nbgrader command; AssertionError with its log if it fails."""
        command = [sys.executable, "-m", "nbgrader", *arguments, f"--Exchange.root={self.root / 'exchange'}"]
        place, surroundings = self.root / folder, os.environ | self._surroundings
        made = subprocess.run(command, cwd=place, env=surroundings, capture_output=True, text=True, timeout=400)
        assert made.returncode == 0, made.stdout + made.stderr
        self.ran.append(" ".join(("nbgrader", *arguments)))
        return made.stdout + made.stderr

    @property
    def _surroundings(self) -> dict[str, str]:
        """Of this user's no configuration takes part; nbgrader calls alembic by its name alone."""
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": tools, "HOME": str(self.root), "PYTHONPATH": str(ROOT)}

    def released(self, assignment: str) -> NotebookNode:
        """The notebook that students get."""
        return notebook(self.root / "course" / "release" / assignment / f"{assignment}.ipynb")

    def solved(self, assignment: str, student: str, answers: Mapping[str, str]) -> NotebookNode:
        """The released notebook with a name and these answers written into it."""
        filled = self.released(assignment)
        answers = {"name": f"student = {student!r}", **answers}
        for cell in filled.cells:
            cell.source = answers.get(grade_id(cell), cell.source)
        return filled

    def hand_in(self, assignment: str, student: str, filled: NotebookNode) -> None:
        """Put a notebook where collected ones are."""
        place = self.root / "course" / "submitted" / student / assignment / f"{assignment}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(filled))  # unlike nbformat.write() it takes whatever a student may have written

    def hand_in_by_exchange(self, assignment: str, student: str, answers: Mapping[str, str]) -> None:
        """Release, fetch, solve, submit and collect, as on a machine that all share."""
        here = ("--course", "tcploop-lab")
        self.run("release_assignment", assignment)
        self.run("fetch_assignment", assignment, *here, folder="student")
        solved = self.solved(assignment, student, answers)
        nbformat.write(solved, self.root / "student" / assignment / f"{assignment}.ipynb")
        self.run("submit", assignment, *here, folder="student")
        self.run("collect", "--update", assignment)

    def scores(self) -> dict[tuple[str, str], float]:
        """The points of (student, assignment), from `nbgrader export`."""
        self.run("export")
        with (self.root / "course" / "grades.csv").open(newline="") as table:
            return {(row["student_id"], row["assignment"]): float(row["score"]) for row in csv.DictReader(table)}

    def feedback(self, student: str, assignment: str) -> str:
        """The page that the student gets back."""
        return (self.root / "course" / "feedback" / student / assignment / f"{assignment}.html").read_text()
