"""A course with a key: its students have their data, and nobody can work out from the package how they were made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tcploop_lab.cli import main
from tcploop_lab.exercises import assignment, handout
from tcploop_lab.exercises.handout import FILE, key_of
from tcploop_lab.exercises.submission import graded, restored

from .answers import right
from .course import ASSIGNMENTS, NAMES
from .test_judging import answered, released

MAKERS = {NAMES[0]: assignment.preconditions, NAMES[1]: assignment.wire, NAMES[2]: assignment.probability}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The instructor's folder, after `tcploop handout`."""
    for folder in ("judges", "release"):
        shutil.copytree(ASSIGNMENTS / folder, tmp_path / folder)
    assert main(["handout", "Ada", "bea", "--course", str(tmp_path)]) == 0
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_students_have_the_data_that_the_key_makes(course: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the file, the data are those of the key, which are others than those of the name alone."""
    without = MAKERS[name]("ada")
    monkeypatch.chdir(course / "release" / name)
    assert MAKERS[name]("Ada ") == MAKERS[name]("ada", key_of(course)) != without
    assert "ada" not in json.loads(Path(FILE).read_text()) and key_of(course) not in Path(FILE).read_text()
    with pytest.raises(ValueError, match=r"name 'eve': data\.json has no data for it"):
        MAKERS[name]("eve")
    assert MAKERS[name](assignment.NOBODY)


@pytest.mark.parametrize("name", NAMES)
def test_grading_knows_the_key(course: Path, name: str) -> None:
    """Right answers get every point; answers worked out from the package, without the key, do not."""
    grade = graded(course, name, restored(answered(right(name), "bea", name), released(name)), "bea")
    assert grade.points == 20, grade


@pytest.mark.parametrize("name", NAMES)
def test_the_package_does_not_tell_what_is_right(course: Path, name: str) -> None:
    """Who makes the data again from the name, as the package does without a key, answers other questions."""
    (course / "key").write_text("of this test\n")  # so that no two answers are equal by chance
    first, *rest = right(name).items()
    again = "from tcploop_lab.exercises import handout\nhandout.found = lambda *_: None\n"
    again += f"data = assignment.{MAKERS[name].__name__}(student)\n"
    answers = {first[0]: again + first[1], **dict(rest)}
    grade = graded(course, name, restored(answered(answers, "bea", name), released(name)), "bea")
    assert grade.exercises[0].points == 0


def test_the_key_is_made_once_and_for_its_owner(course: Path) -> None:
    """A second handout, for who came late, leaves the key and everybody's data as they were."""
    key = key_of(course)
    before = (course / "release" / NAMES[1] / FILE).read_text()
    assert main(["handout", "ada", "bea", "cem", "--course", str(course)]) == 0
    assert (key_of(course), (course / "key").stat().st_mode & 0o077) == (key, 0) and len(key) == 32
    assert (course / "release" / NAMES[1] / FILE).read_text().startswith(before[:-1])


@pytest.mark.parametrize("name", ["", " ", assignment.NOBODY.upper()])
def test_nobody_gets_no_data(name: str, course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty variable of a shell is no student: the line names it, and everybody's data stay."""
    before = (course / "release" / NAMES[1] / FILE).read_text()
    assert main(["handout", "ada", name, "--course", str(course)]) == 2
    assert f"name {name!r}: it is nobody's" in capsys.readouterr().err
    assert (course / "release" / NAMES[1] / FILE).read_text() == before


@pytest.mark.parametrize("whole", ["", "[]", "null", '{"x": 1}', "\xff", "[" * 99_999])
def test_a_damaged_handout_is_one_line(whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is another one is named, in one line; so is an entry that cannot be unpacked."""
    monkeypatch.chdir(tmp_path)
    for text in (whole, json.dumps({handout._entry("ada", "preconditions"): "eHh4"})):
        Path(FILE).write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=r"data\.json") as refused:
            assignment.preconditions("ada")
        assert "\n" not in str(refused.value)
