"""The workflow that grades a class's repositories: its steps, run in a plain shell on repositories of this machine."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import yaml

from .answers import PARTLY, right
from .course import ASSIGNMENTS, NAMES, ROOT
from .test_judging import answered

FIRST = NAMES[0]
LATE, IN_TIME = "2026-12-03T10:00:00+01:00", "2026-12-01T10:00:00+01:00"


def hostile(place: Path) -> None:
    """Hand in for others, in folders of their names, and what Bea has handed in, by a link."""
    for name in ("bea", "eve"):
        (place / name).mkdir()
        nbformat.write(nbformat.v4.new_notebook(cells=answered({}, name)), place / name / f"{FIRST}.ipynb")
    (place / f"{FIRST}.ipynb").unlink()
    (place / f"{FIRST}.ipynb").symlink_to(f"../bea/{FIRST}.ipynb")


def back_dated(place: Path) -> None:
    """Lay nbgrader's timestamp beside the notebook."""
    (place / "timestamp.txt").write_text("2026-11-20 10:00:00.000000 UTC")


def repository(
    folder: Path, name: str, answers: dict[str, str], committed: str, more: Callable[[Path], None] = lambda _: None
) -> None:
    """What a student has pushed."""
    place = folder / f"{FIRST}-{name}"
    place.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=answered(answers, name)), place / f"{FIRST}.ipynb")
    more(place)
    who = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": "a@b"}
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "done"]):
        subprocess.run(
            ["git", *command], cwd=place, check=True, env={**os.environ, **who, "GIT_COMMITTER_DATE": committed}
        )


def test_the_workflow_grades_the_repositories_of_a_class(tmp_path: Path) -> None:
    """Who has pushed is graded under the repository's name, with its days late; who has not is named.

    Nobody's repository makes a row for another, or a date of its own.
    """
    workflow = yaml.safe_load((ASSIGNMENTS / "classroom.yml").read_text())
    steps = {step["name"]: step["run"] for step in workflow["jobs"]["grade"]["steps"] if "name" in step}
    repository(tmp_path, "ada", right(FIRST), LATE, back_dated)
    repository(tmp_path, "bea", right(FIRST) | PARTLY[FIRST][0], IN_TIME)
    repository(tmp_path, "dan", right(FIRST), IN_TIME, hostile)
    (tmp_path / "names.txt").write_text("ada\nbea\ncem\ndan")  # the last line has no end
    (tmp_path / "notebooks" / "assignments").mkdir(parents=True)
    for folder in ("judges", "release"):
        (tmp_path / "notebooks" / "assignments" / folder).symlink_to(ASSIGNMENTS / folder)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "tcploop").write_text(f'#!/bin/sh\nexec {sys.executable} -m tcploop_lab "$@"\n')
    (tmp_path / ".venv" / "bin" / "tcploop").chmod(0o755)
    secrets = {"TOKEN": "none", "KEY": "of this test"}
    named = {**workflow["env"], **secrets, "FROM": tmp_path.as_uri(), "PYTHONPATH": str(ROOT)}
    said = ""
    for step in ("Fetch what was handed in", "Grade"):
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", steps[step]],
            cwd=tmp_path, env={**os.environ, **named}, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    with (tmp_path / "points.csv").open(newline="") as table:
        rows = [(row["student"], float(row["points"]), int(row["days late"])) for row in csv.DictReader(table)]
    assert rows == [("ada", 20, 2), ("bea", PARTLY[FIRST][1], 0)]
    assert "cem: no repository" in said and f"dan: no file {FIRST}.ipynb" in said
