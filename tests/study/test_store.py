"""The file of a study: nothing twice, nothing lost, and a clear line for every file that is no such file."""

from __future__ import annotations

import contextlib
import sqlite3
from array import array
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.study import reading
from tcploop_lab.study.store import Store, StoreFull
from tcploop_lab.testbed.sampling import Samples

STUDY = lab.Study([40500, 40502], (40000, 40999), samples=10)


def samples(*tries: int) -> Samples:
    """Samples that all hit."""
    return Samples("here", "Linux 6", array("Q", tries), array("B", [1] * len(tries)), array("d", [0.5] * len(tries)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A study file that holds samples 1, 2 and 7 of its second cell."""
    path = tmp_path / "study.sqlite"
    with Store.create(path, STUDY) as store:
        here = {"kernel": "Linux 6", "testbed": "namespace", "era": "random-walk"}
        store.set_facts(here, [("random-walk", 9999)] * 2)
        store.add(1, range(1, 3), samples(11, 12))
        store.add(1, [7], samples(13))
    return path


def test_the_gaps_are_what_is_missing(path: Path) -> None:
    """The runs of missing numbers, in order, of each cell for itself."""
    with Store.resume(path, STUDY) as store:
        assert list(store.read().gaps(1)) == [range(0, 1), range(3, 7), range(8, 10)]
        assert list(store.read().gaps(0)) == [range(0, 10)]
        assert len(store.read().rows) == 3


def test_a_task_is_stored_whole_or_not_at_all(path: Path) -> None:
    """A sample that is there already refuses the whole task, also those of it that were new."""
    with Store.resume(path, STUDY) as store:
        with pytest.raises(ValueError, match="another run stores into it"):
            store.add(1, [0, 1, 2], samples(1, 2, 3))
        assert next(store.read().gaps(1)) == range(0, 1)


def test_an_interrupted_task_stores_what_it_has(path: Path) -> None:
    """Fewer samples than numbers: the first numbers are used."""
    with Store.resume(path, STUDY) as store:
        store.add(0, range(5), samples(21, 22))
        assert store.read().of(0)[["sample", "tries"]].tolist() == [(0, 21), (1, 22)]


def test_a_person_can_read_the_file(path: Path) -> None:
    """Plain SQL gives one row per sample, with its cell."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT port, low, client, sample, tries, hit FROM samples JOIN cells USING (cell)")
        assert rows.fetchall() == [(40502, 40000, "same-socket", n, t, 1) for n, t in ((1, 11), (2, 12), (7, 13))]


def test_a_full_disk_loses_nothing_that_was_stored(path: Path) -> None:
    """SQLite's limit of pages acts as a full disk does: a clear error, and the file stays sound."""
    with Store.resume(path, STUDY) as store:
        store._connection.execute("PRAGMA max_page_count = 5")
        with pytest.raises(StoreFull, match="full; what was stored before is safe"):
            store.add(0, range(2000), samples(*range(1, 2001)))
    with Store.resume(path, STUDY) as store:
        assert len(store.read().rows) == 3


def test_an_existing_file_is_not_overwritten(path: Path) -> None:
    """Without resume an existing file is refused, and stays as it was."""
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"it exists; give another path, resume it \(resume=True, --resume\)"):
        Store.create(path, STUDY)
    assert path.read_bytes() == before


def test_another_study_is_refused_with_the_difference(path: Path) -> None:
    """Resuming needs the very same plan."""
    with pytest.raises(ValueError, match=r"another study \(ports 40500,40502 there, 40504 here, samples 10 there"):
        Store.resume(path, lab.Study(40504, (40000, 40999), samples=20))


def damaged(path: Path) -> bytes:
    """The file with its last page overwritten."""
    whole = path.read_bytes()
    return whole[:-4096] + b"\xff" * 4096


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda path: b"hello, this is text\n" * 50, "file is not a database"),
        (lambda path: path.read_bytes()[:-4096], "malformed"),
        (lambda path: path.read_bytes()[:5000], "malformed"),
        (damaged, "damaged"),
    ],
    ids=["text", "a page short", "cut off", "overwritten"],
)
def test_a_file_that_is_none_is_refused(path: Path, content: object, message: str) -> None:
    """What is no sound study file is refused in one line, for resuming and for loading, and not touched."""
    path.write_bytes(content(path))  # type: ignore[operator]
    before = path.read_bytes()
    for use in (lambda: Store.resume(path, STUDY), lambda: lab.StudyResult.load(path)):
        with pytest.raises(ValueError, match=message) as caught:
            use()
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("change", ["UPDATE samples SET host", "UPDATE samples SET kernel", "UPDATE cells SET era"])
def test_a_name_with_changed_bytes_is_told(path: Path, change: str) -> None:
    """SQLite finds such a file sound; a name in it that is no text any more is told in one line all the same."""
    with sqlite3.connect(path) as connection:
        connection.execute(f"{change} = CAST(x'0aff0a' AS TEXT)")
    with pytest.raises(ValueError, match=r"decode to UTF-8.*; restore a copy") as caught:
        lab.StudyResult.load(path)
    assert "\n" not in str(caught.value)


def test_a_value_of_another_type_is_found(path: Path) -> None:
    """A kernel whose name has become a row of bytes, as one changed bit in the file makes it."""
    name = b"Linux 6"
    whole, marks = path.read_bytes(), (13 + 2 * len(name), 12 + 2 * len(name))  # of a text, of a blob of this length
    place = whole.index(name, whole.rindex(b"here"))
    head = whole.rindex(bytes([marks[0]]), 0, place)
    path.write_bytes(whole[:head] + bytes([marks[1]]) + whole[head + 1 :])
    with pytest.raises(ValueError, match=r"it is damaged .*kernel"):
        lab.StudyResult.load(path)


def test_another_database_is_refused(tmp_path: Path) -> None:
    """A database of some other program is not written to."""
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE samples (x)")
    with pytest.raises(ValueError, match="it is not the file of a study"):
        Store.resume(path, STUDY)


def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    """A file of no bytes, as a kill at the first moment leaves it, is begun."""
    path = tmp_path / "study.sqlite"
    path.touch()
    with Store.resume(path, STUDY) as store:
        assert store.read().study == STUDY


def test_resuming_needs_a_file() -> None:
    """Resume without a path says what is missing."""
    with pytest.raises(ValueError, match="give out, the path"):
        Store.resume(None, STUDY)


def after(path: Path, script: str) -> Path:
    """The study file, changed by these statements."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("INSERT INTO samples VALUES (1, 1000000000000, 1, 1, 0.5, 'a', 'b')", "no such sample can be"),
        ("INSERT INTO samples VALUES (2, 0, 1, 1, 0.5, 'a', 'b')", "no such sample can be"),
        ("UPDATE samples SET tries = -5", "no such sample can be"),
        ("UPDATE samples SET tries = 9223372036854775807", "no such sample can be"),
        ("UPDATE samples SET tries = 100000", "more tries than its cell allows"),
        ("UPDATE samples SET hit = 2", "no such sample can be"),
        ("UPDATE samples SET seconds = 1e999", "no such sample can be"),
        ("UPDATE samples SET kernel = printf('%.*c', 5000, 'x')", "no such sample can be"),
        ("UPDATE cells SET max_tries = -1", "max_tries -1 of port 40500"),
        ("UPDATE cells SET max_tries = NULL WHERE cell = 1", "max_tries None of port 40502"),
        ("UPDATE cells SET era = 'x'", "era 'x' of port 40500"),
        ("UPDATE cells SET era = NULL, max_tries = NULL", "samples, and no settings"),
        ("DELETE FROM cells WHERE cell = 1", "1 cells, its plan has 2"),
        ("UPDATE cells SET port = 7 WHERE cell = 1", "its cells are not those of its plan"),
        ("DELETE FROM study", "its plan cannot be read"),
        ("UPDATE study SET value = printf('%.*c', 100000, '[') WHERE key = 'plan'", "its plan cannot be read"),
        ("UPDATE study SET value = 'null' WHERE key = 'plan'", "its plan cannot be read"),
        ("DROP TABLE cells", "no such table: cells"),
        ("CREATE TRIGGER t AFTER INSERT ON samples BEGIN DELETE FROM study; END", "the trigger t in it is none"),
        ("CREATE VIEW v AS SELECT 1", "the view v in it is none of a study's"),
        ("CREATE TABLE \"\x1b[2J\" (x)", r"the table \\x1b\[2J in it is none of a study's"),
        ("ALTER TABLE samples ADD COLUMN more TEXT", "the table samples in it is none of a study's"),
    ],
)  # fmt: skip
def test_what_no_study_has_is_refused(path: Path, script: str, words: str) -> None:
    """Every value is held to what is possible, and the file to what a study has: one line, for reading and resuming."""
    after(path, script)
    before = path.read_bytes()
    for use in (lambda: lab.StudyResult.load(path), lambda: STUDY.run(out=path, resume=True, progress=False)):
        with pytest.raises(ValueError, match=words) as caught:
            use()
        assert str(caught.value).isprintable()
    assert path.read_bytes() == before


def test_texts_of_a_file_do_not_steer_the_terminal(path: Path) -> None:
    """Control characters in the names of a file are spelled out where it is read, and so wherever they are shown."""
    after(path, "UPDATE samples SET kernel = 'Linux\x1b]0;x\x07', host = '\u202ehere'")
    after(path, "UPDATE study SET value = '\x1b[2J' WHERE key = 'testbed'")
    result = lab.StudyResult.load(path)
    assert result.machines == (("\\u202ehere", "Linux\\x1b]0;x\\x07"),)
    assert (result.provenance["testbed"], result.summary.isprintable()) == ("\\x1b[2J", True)


def test_a_file_of_an_earlier_version_is_read(path: Path) -> None:
    """The first version's tables were not STRICT, and are laid out otherwise."""
    old = "SELECT replace(replace(replace(sql, 'STRICT, ', ''), 'STRICT', ''), '\n', ' ') FROM sqlite_schema"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute(old) if row[0]]
    earlier = path.with_name("earlier.sqlite")
    moved = "".join(f"INSERT INTO main.{name} SELECT * FROM now.{name};" for name in ("study", "cells", "samples"))
    after(earlier, f"{';'.join(tables)}; ATTACH '{path}' AS now; {moved} PRAGMA application_id = {0x5443504C}")
    assert "STRICT" not in earlier.read_bytes().decode("latin-1")
    assert lab.StudyResult.load(earlier).summary == lab.StudyResult.load(path).summary


def test_a_locked_file_is_said_to_be_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program writes, the way out is to wait, not to restore a copy."""
    monkeypatch.setattr(reading, "_BUSY_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ValueError, match="locked; another program works on it: let it finish"):
            lab.StudyResult.load(path)
