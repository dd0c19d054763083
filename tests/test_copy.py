"""The learner's copy of the course: what an update does to work, and what stands in its way."""

from __future__ import annotations

import errno
import filecmp
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import pytest

from tcploop_lab.cli import main
from tcploop_lab.cli.course import bring, copy_course
from tcploop_lab.testbed import files


def lesson_of(source: str) -> bytes:
    """A lesson of one cell, with a stored output."""
    output = {"output_type": "stream", "name": "stdout", "text": "the answer"}
    cell = {"cell_type": "code", "source": source, "outputs": [output], "execution_count": 1, "metadata": {}}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def test_an_update_never_loses_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the learner changed stays, the new lesson comes beside and is named; what is unchanged is replaced."""
    installed, copy = tmp_path / "course", tmp_path / "mine"
    monkeypatch.setattr("tcploop_lab.cli.course._INSTALLED", installed)
    installed.mkdir()
    for edition in ("1", "2", "3"):
        for name in ("00_a.ipynb", "01_b.ipynb"):
            (installed / name).write_bytes(lesson_of(f"edition {edition}"))
        written = copy_course(copy)
        if edition == "1":
            (copy / "00_a.ipynb").write_text("my answers")
    assert written == {"00_a.ipynb": "00_a.new-2.ipynb", "01_b.ipynb": "01_b.ipynb"} and copy_course(copy) == {}
    assert (copy / "00_a.ipynb").read_text() == "my answers"
    assert "edition 2" in (copy / "00_a.new.ipynb").read_text()
    text = (copy / "01_b.ipynb").read_text()
    assert "edition 3" in text and "the answer" not in text


def test_what_stands_in_a_copy_is_never_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link, one that leads nowhere, a folder in a lesson's place and a renamed lesson stay; the new comes beside."""
    installed, copy, elsewhere = tmp_path / "course", tmp_path / "mine", tmp_path / "elsewhere.ipynb"
    monkeypatch.setattr("tcploop_lab.cli.course._INSTALLED", installed)
    installed.mkdir()
    names = ("00_link.ipynb", "01_nowhere.ipynb", "02_folder.ipynb", "03_renamed.ipynb")
    for edition in ("1", "2"):
        for name in names:
            (installed / name).write_bytes(lesson_of(f"edition {edition}"))
        if edition == "1":
            copy_course(copy)
            (copy / names[0]).rename(elsewhere)
            for name, target in zip(names, (elsewhere, tmp_path / "nothing"), strict=False):
                (copy / name).unlink(missing_ok=True)
                (copy / name).symlink_to(target)
            (copy / names[2]).unlink()
            (copy / names[2]).mkdir()
            (copy / names[3]).rename(copy / "my own.ipynb")
    beside = {name: name.replace(".ipynb", ".new.ipynb") for name in names[:3]}
    assert copy_course(copy) == beside | {names[3]: names[3]}
    assert "edition 1" in elsewhere.read_text() and not (tmp_path / "nothing").exists()
    assert "edition 1" in (copy / "my own.ipynb").read_text() and (copy / names[0]).is_symlink()


def test_a_copy_that_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a full disk or a kill in the middle the next run makes the rest, and takes nothing for the learner's."""
    whole, real = tmp_path / "whole", files.written
    copy_course(whole)
    for last in (0, 1, 7, 20):
        copy, room = tmp_path / f"copy-{last}", iter(range(last))

        def written(path: Path, force: bool, room: Iterator[int] = room) -> AbstractContextManager[IO[bytes]]:
            if next(room, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            return real(path, force)

        monkeypatch.setattr(files, "written", written)
        with pytest.raises(OSError):
            copy_course(copy)
        monkeypatch.setattr(files, "written", real)
        assert [line for line in bring(str(copy)).notes if "You changed" in line] == []
        assert filecmp.dircmp(whole, copy).left_only == filecmp.dircmp(whole, copy).diff_files == []


@pytest.mark.parametrize("there", ["a file", "a folder of its own", "a folder in it that leads out"])
def test_what_stands_in_the_way_of_a_copy_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    """It is named, with the way out, and stays as it was."""
    copy, mine = tmp_path / "course", tmp_path / "mine"
    mine.mkdir()
    if there == "a file":
        copy.write_text("my answers")
    else:
        copy.mkdir()
        (copy / "docs").symlink_to(mine)
        if there == "a folder in it that leads out":
            assert main(["notebooks", str(tmp_path / "other")]) == 0
            (tmp_path / "other" / ".tcploop-course.json").rename(copy / ".tcploop-course.json")
            capsys.readouterr()
    assert main(["notebooks", str(copy)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tcploop: folder '{copy}': ") and "name " in said and said.count("\n") == 1
    assert os.listdir(mine) == [] and (copy.is_dir() or copy.read_text() == "my answers")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    """Such as one that was mounted into a container."""
    assert main(["notebooks", str(tmp_path)]) == 0
    assert (tmp_path / "00_start_here.ipynb").is_file()
