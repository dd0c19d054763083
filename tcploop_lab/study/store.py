"""The file of a study: SQLite, which every Python and most other tools can open.

    sqlite3 study.sqlite 'SELECT cell, count(*), avg(tries) FROM samples WHERE hit GROUP BY cell'
    pandas.read_sql("SELECT * FROM samples JOIN cells USING (cell)", sqlite3.connect("study.sqlite"))

Why not parquet: a study grows by small pieces and may be killed at any moment. A commit of SQLite is atomic
and appends; a parquet file is readable only once it is closed, so that each piece would have to be a file
of its own. And SQLite needs no package. Tables: `study` (what was planned, where, when), `cells`, `samples`
(one row each).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from ..testbed.sampling import Samples
from .plan import Study

_APPLICATION = 0x5443504C  # "TCPL": PRAGMA application_id tells the file from any other database
# STRICT: SQLite itself refuses, and finds in a damaged file, a value that is not of its column's type.
_SCHEMA = """
CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE cells (
  cell INTEGER PRIMARY KEY, port INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, client TEXT NOT NULL,
  era TEXT, max_tries INTEGER
) STRICT;
CREATE TABLE samples (
  cell INTEGER NOT NULL, sample INTEGER NOT NULL, tries INTEGER NOT NULL, hit INTEGER NOT NULL, seconds REAL NOT NULL,
  host TEXT NOT NULL, kernel TEXT NOT NULL, PRIMARY KEY (cell, sample)
) STRICT, WITHOUT ROWID;
"""
_BUSY_SECONDS = 10.0  # how long to wait while another program reads the file


class StoreFull(RuntimeError):
    """A finished task could not be stored. What was stored before is intact."""


class Store:
    """An open study file, or a temporary one (path None) that ends with it. Use it in a `with` block."""

    def __init__(self, connection: sqlite3.Connection, path: str | os.PathLike[str] | None) -> None:
        self._connection = connection
        self.path = path

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @classmethod
    def create(cls, path: str | os.PathLike[str] | None, study: Study) -> Store:
        """Begin a file with this plan. Raises ValueError if the path holds anything, or cannot be written."""
        if path is not None and _size(path):
            raise ValueError(f"file {path}: it exists; give another path, or resume it (resume=True, --resume)")
        with clear_errors(path):
            connection = _connect(path, "rwc")
            store = cls(connection, path)
            with _closed_on_error(connection):
                store._begin(study)
        return store

    @classmethod
    def resume(cls, path: str | os.PathLike[str] | None, study: Study) -> Store:
        """Open the file of this very study to go on with it; begin it if there is none or it is empty.

        Raises ValueError if the file holds anything else, is damaged, or cannot be written.
        """
        if path is None:
            raise ValueError("resume: there is no file to resume from; give out, the path of the study's file")
        if not _size(path):
            return cls.create(path, study)
        store = cls.open(path)
        with clear_errors(path), _closed_on_error(store._connection):
            _same_plan(path, store.study, study)
            store._connection.execute("BEGIN IMMEDIATE")  # fails now, and not after an hour, if it is read-only
            store._connection.rollback()
        return store

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Store:
        """Open an existing study file to read it. Raises ValueError if there is none, or it is damaged."""
        if not os.path.exists(path):
            raise ValueError(f"file {path}: there is no such file")
        with clear_errors(path):
            connection = _connect(path, "rw")  # a commit that was cut off is rolled back, which writes
            with _closed_on_error(connection):
                _check(connection, path)
        return cls(connection, path)

    def _begin(self, study: Study) -> None:
        rows = [(i, c.port, c.port_range.low, c.port_range.high, c.client) for i, c in enumerate(study.cells)]
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.executemany("INSERT INTO cells VALUES (?, ?, ?, ?, ?, NULL, NULL)", rows)
            connection.execute("INSERT INTO study VALUES ('plan', ?)", (study.to_json(),))

    @property
    def study(self) -> Study:
        """The plan in the file."""
        return Study.from_json(self.facts["plan"])

    @property
    def facts(self) -> dict[str, str]:
        """What the file says of the study: plan, kernel, testbed, era, date, lab version."""
        return dict(self._connection.execute("SELECT key, value FROM study"))

    def set_facts(self, facts: Mapping[str, object], settings: Sequence[tuple[str, int]]) -> None:
        """Write what is known once the testbed is open: its facts, and (era, max_tries) of every cell."""
        with self._writing() as connection:
            pairs = [(key, str(value)) for key, value in facts.items()]
            connection.executemany("INSERT OR REPLACE INTO study VALUES (?, ?)", pairs)
            rows = [(*setting, cell) for cell, setting in enumerate(settings)]
            connection.executemany("UPDATE cells SET era = ?, max_tries = ? WHERE cell = ?", rows)

    @property
    def settings(self) -> list[tuple[str, int]]:
        """(era, max_tries) of every cell; empty before the testbed was open."""
        rows = self._connection.execute("SELECT era, max_tries FROM cells WHERE era NOTNULL ORDER BY cell")
        return rows.fetchall()

    def add(self, cell: int, numbers: Sequence[int], samples: Samples) -> None:
        """Store the samples of one task: all of them or, if this fails, none.

        Raises StoreFull if they cannot be stored, ValueError if a sample is there already.
        """
        columns = (samples.tries, samples.hits, samples.seconds, repeat(samples.host), repeat(samples.kernel))
        rows = zip(repeat(cell), numbers, *columns, strict=False)  # an interrupted task has fewer samples
        with self._writing() as connection:
            connection.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def gaps(self, cell: int, samples: int) -> Iterator[range]:
        """Yield the runs of sample numbers below `samples` that are not stored."""
        begin = 0
        query = "SELECT sample FROM samples WHERE cell = ? ORDER BY sample"
        for (number,) in self._connection.execute(query, (cell,)):
            if number > begin:
                yield range(begin, number)
            begin = number + 1
        if begin < samples:
            yield range(begin, samples)

    def count(self) -> int:
        """How many samples are stored."""
        return int(self._connection.execute("SELECT count(*) FROM samples").fetchone()[0])

    def rows(self, cell: int) -> Iterable[tuple[Any, ...]]:
        """Yield (sample, tries, hit, seconds, host, kernel) of a cell, in the order of the samples.

        Raises sqlite3.Error at one that cannot be read: see `clear_errors`.
        """
        query = "SELECT sample, tries, hit, seconds, host, kernel FROM samples WHERE cell = ? ORDER BY sample"
        return self._connection.execute(query, (cell,))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.IntegrityError:
            raise ValueError(f"file {self.path}: another run stores into it; let one finish") from None
        except sqlite3.Error as error:
            raise StoreFull(f"file {self.path}: {error}; what was stored before is safe") from None


def _connect(path: str | os.PathLike[str] | None, mode: str) -> sqlite3.Connection:
    where = "" if path is None else f"{Path(path).absolute().as_uri()}?mode={mode}"  # "": a temporary file
    return sqlite3.connect(where, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)


def _size(path: str | os.PathLike[str]) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # opening it will say what is wrong, if anything is


@contextlib.contextmanager
def clear_errors(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Turn what SQLite says of a file, or of a value in it, into one clear line (ValueError)."""
    try:
        yield
    except sqlite3.Error as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"file {path}: {reason}; restore a copy, or give another path") from None


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _check(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> None:
    """Raise unless this is a study file, whole and sound."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != _APPLICATION:
        raise ValueError(f"file {path}: it is not the file of a study; give another path")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    try:
        plan = dict(connection.execute("SELECT key, value FROM study"))["plan"]
        Study.from_json(plan)
    except (LookupError, ValueError, sqlite3.Error):
        verdict = "its plan cannot be read"
    if verdict != "ok":
        reason = verdict.splitlines()[-1]
        raise ValueError(f"file {path}: it is damaged ({reason}); restore a copy, or begin with another path")


def _same_plan(path: str | os.PathLike[str], stored: Study, wanted: Study) -> None:
    if stored != wanted:
        names = [name for name in stored.__dataclass_fields__ if getattr(stored, name) != getattr(wanted, name)]
        differ = ", ".join(f"{name} {_text(stored, name)} there, {_text(wanted, name)} here" for name in names)
        raise ValueError(f"file {path}: it holds another study ({differ}); give another path")


def _text(study: Study, name: str) -> str:
    value = getattr(study, name)
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
