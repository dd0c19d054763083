"""One rule for every file that the lab writes: new, or replaced by --force; never a pipe, a device or a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.cli import main
from tcploop_lab.study import reading
from tcploop_lab.testbed import files

LOOP = ["--range", "40000-40000", "--json"]
STUDY = ["study", "--ports", "40000", "--ranges", "40000-40000", "--samples", "1", "--json"]


def from_python(path: str) -> None:
    """Write a recorded exchange."""
    lab.recorded("self-connection").pcap(path)


def from_a_study(path: str) -> None:
    """Begin a study."""
    with lab.open_testbed() as testbed:
        lab.Study([40000], [(40000, 40000)], samples=1).run(testbed, path, progress=False)


def from_the_command(*words: str) -> Callable[[str], None]:
    """Run a command whose last word is the path; a usage error is a ValueError again."""

    def write(path: str) -> None:
        if main([*words, path]) == 2:
            raise ValueError("exit code 2")

    return write


def from_the_audit(option: str) -> Callable[[str], None]:
    """Audit a program that dials nobody; the path is no last word there."""

    def write(path: str) -> None:
        if main(["audit", option, path, "--", "true"]) == 2:
            raise ValueError("exit code 2")

    return write


WRITERS = {
    "Exchange.pcap": from_python,
    "Study.run": from_a_study,
    "capture --pcap": from_the_command("capture", "40000", *LOOP, "--pcap"),
    "study --out": from_the_command(*STUDY, "--out"),
    "audit --junit": from_the_audit("--junit"),
    "audit --sarif": from_the_audit("--sarif"),
    "notebooks": from_the_command("notebooks", "--json"),
}


def pipe(folder: Path) -> str:
    """A pipe that nobody reads."""
    os.mkfifo(folder / "pipe")
    return str(folder / "pipe")


def file(folder: Path) -> str:
    """A file that somebody wants to keep."""
    (folder / "file").write_text("keep me")
    return str(folder / "file")


PLACES = {
    "a file": file,
    "a pipe": pipe,
    "a device": lambda _: "/dev/null",
    "a folder with a file": lambda folder: str(Path(file(folder)).parent),
    "a name of 256 characters": lambda folder: str(folder / ("x" * 256)),
    "in no folder": lambda folder: file(folder) + "/x",
    "a null byte": lambda folder: f"{folder}/a\0b",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_there_is_left_alone(
    writer: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line names the path; nothing waits, nothing is left, what was there is as it was."""
    path = PLACES[place](tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"^(file [^\n]*; [^\n]*|exit code 2)$"):
        WRITERS[writer](path)
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == (1 if " " in writer or writer == "notebooks" else 0)
    assert sorted(tmp_path.iterdir()) == before
    assert not (tmp_path / "file").exists() or (tmp_path / "file").read_text() == "keep me"


@pytest.mark.private_network
@pytest.mark.parametrize(
    "words", [("capture", "40000", *LOOP, "--pcap"), (*STUDY, "--out")], ids=lambda words: words[0]
)
def test_force_replaces_a_file_alone(words: tuple[str, ...], tmp_path: Path) -> None:
    """With --force a file is replaced, and a pipe is refused all the same."""
    path = file(tmp_path)
    assert main([*words, path]) == 2
    assert main([*words, path, "--force"]) == 0
    assert Path(path).read_bytes() != b"keep me"
    assert main([*words, pipe(tmp_path), "--force"]) == 2


def test_force_and_resume_are_one_too_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beginning again and going on exclude each other."""
    assert main([*STUDY, "--out", str(tmp_path / "x"), "--force", "--resume"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_what_is_replaced_stays_until_the_new_file_is_whole(tmp_path: Path) -> None:
    """While a file is written, and after a failure, the old one is there as it was, and nothing beside it."""
    path = Path(file(tmp_path))
    for error in (KeyboardInterrupt, OSError(28, "No space left on device")):
        with pytest.raises((KeyboardInterrupt, ValueError)), files.written(path, force=True) as new:
            new.write(b"half of it")
            assert path.read_text() == "keep me"
            raise error
    assert [one.name for one in tmp_path.iterdir()] == ["file"] and path.read_text() == "keep me"
    with files.written(path, force=True) as new:
        new.write(b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["file"] and path.read_text() == "new"


def test_a_study_that_cannot_begin_brings_the_old_file_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """study --force whose new file cannot be begun leaves the old one."""
    path = file(tmp_path)
    monkeypatch.setattr(reading, "SCHEMA", {"study": "CREATE TABLE no schema"})
    assert main([*STUDY, "--kernel", "6.18", "--force", "--out", path]) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["file"] and Path(path).read_text() == "keep me"
