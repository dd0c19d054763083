"""What is kept of solved exercises, and where."""

from __future__ import annotations

import re

import pytest

from tcploop_lab import exercises


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A learner's copy of the course, in which the notebook runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".tcploop-course.json").write_text("{}")
    return tmp_path


def test_a_solved_exercise_is_kept_in_the_copy(copy):
    """A right answer counts once and for good, a wrong one does not; the page to print has name and table, escaped."""
    for answer in ("a", "c", "a", "c"):
        exercises.check("00.1", answer)
    made = exercises.progress()
    assert made.lessons[0][2] == ("00.1",) and made.summary.startswith("1 of ")
    made.page("certificate.html", name="Ada <b>")
    text = (copy / "certificate.html").read_text()
    assert "Ada &lt;b&gt;" in text and "00.2, 00.3, 00.4" in text and re.search(r"<p>2\d{3}-\d\d-\d\d</p>", text)
    with pytest.raises(ValueError, match="it exists"):
        made.page("certificate.html")


def test_outside_a_copy_nothing_is_written(tmp_path, monkeypatch):
    """In any other folder a right answer leaves no file."""
    monkeypatch.chdir(tmp_path)
    assert exercises.check("00.1", "c").right
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("found", ["", "{", '{"a": 1}', "[1, [2]]", "\0"])
def test_a_file_that_was_changed_is_no_progress_and_no_error(copy, found):
    """Whatever stands in the file, an answer is answered, and then kept."""
    (copy / ".tcploop-progress.json").write_text(found)
    assert exercises.progress().summary.startswith("0 of ")
    assert exercises.check("00.1", "c").right
    assert exercises.progress().summary.startswith("1 of ")
