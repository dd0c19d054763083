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
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from ..errors import LabError
from ..testbed import files
from ..testbed.sampling import Samples
from . import reading
from .reading import Content, clear_errors

if TYPE_CHECKING:
    from .study import Study


class StoreFull(LabError):
    """A finished task could not be stored. What was stored before is intact."""


class Store:
    """An open study file, or a temporary one (path None) that ends with it. Use it in a `with` block."""

    def __init__(
        self, connection: sqlite3.Connection, path: str | os.PathLike[str] | None, plan: Callable[[str], Study]
    ) -> None:
        self._connection, self._plan = connection, plan
        self.path = path

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @classmethod
    def create(cls, path: str | os.PathLike[str] | None, study: Study) -> Store:
        """Begin a file with this plan. Raises ValueError if the path holds anything, or cannot be written."""
        if path is not None:
            files.must_be_new(path, force=True)  # of what is there only an empty file is as good as none
        if path is not None and _size(path):
            raise ValueError(
                f"file {path}: it exists; give another path, resume it (resume=True, --resume), or replace it (--force)"
            )
        with clear_errors(path), _no_half_made_file(path):
            connection = reading.connect(path, "rwc")
            store = cls(connection, path, study.from_json)
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
        store = cls.open(path, study.from_json)
        with clear_errors(path), _closed_on_error(store._connection):
            _same_plan(path, store.read().study, study)
            store._connection.execute("BEGIN IMMEDIATE")  # fails now, and not after an hour, if it is read-only
            store._connection.rollback()
        return store

    @classmethod
    def open(cls, path: str | os.PathLike[str], plan: Callable[[str], Study]) -> Store:
        """Open an existing study file to read it; `plan` is Study.from_json, which is above this module.

        Raises ValueError if there is none, or it is damaged.
        """
        if not os.path.exists(path):
            raise ValueError(f"file {path}: there is no such file")
        with clear_errors(path):
            connection = reading.connect(path, "rw")  # a commit that was cut off is rolled back, which writes
            return cls(connection, path, plan)

    def read(self) -> Content:
        """Return all that the file says, every value checked. Raises ValueError if one is impossible."""
        return reading.read(self._connection, self.path, self._plan)

    def _begin(self, study: Study) -> None:
        rows = [(i, c.port, c.port_range.low, c.port_range.high, c.client) for i, c in enumerate(study.cells)]
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in reading.SCHEMA.values():
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {reading.APPLICATION}")
            connection.executemany("INSERT INTO cells VALUES (?, ?, ?, ?, ?, NULL, NULL)", rows)
            connection.execute("INSERT INTO study VALUES ('plan', ?)", (study.to_json(),))

    def set_facts(self, facts: Mapping[str, object], settings: Sequence[tuple[str, int]]) -> None:
        """Write what is known once the testbed is open: its facts, and (era, max_tries) of every cell."""
        with self._writing() as connection:
            pairs = [(key, str(value)) for key, value in facts.items()]
            connection.executemany("INSERT OR REPLACE INTO study VALUES (?, ?)", pairs)
            rows = [(*setting, cell) for cell, setting in enumerate(settings)]
            connection.executemany("UPDATE cells SET era = ?, max_tries = ? WHERE cell = ?", rows)

    def add(self, cell: int, numbers: Sequence[int], samples: Samples) -> None:
        """Store the samples of one task: all of them or, if this fails, none.

        Raises StoreFull if they cannot be stored, ValueError if a sample is there already.
        """
        columns = (samples.tries, samples.hits, samples.seconds, repeat(samples.host), repeat(samples.kernel))
        rows = zip(repeat(cell), numbers, *columns, strict=False)  # an interrupted task has fewer samples
        with self._writing() as connection:
            connection.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.IntegrityError:
            raise ValueError(f"file {self.path}: another run stores into it; let one finish") from None
        except sqlite3.Error as error:
            raise StoreFull(f"file {self.path}: {reading.reason(error)}; what was stored before is safe") from None


def _size(path: str | os.PathLike[str]) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # opening it will say what is wrong, if anything is


@contextlib.contextmanager
def _no_half_made_file(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Take the file away again if it was not there before and could not be begun, as on a full disk."""
    if path is None or os.path.exists(path):
        yield
        return
    try:
        yield
    except BaseException:
        if not _size(path):  # else somebody else began it meanwhile
            with contextlib.suppress(OSError):
                os.unlink(path)
        raise


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _same_plan(path: str | os.PathLike[str], stored: Study, wanted: Study) -> None:
    if stored != wanted:
        names = [name for name in stored.__dataclass_fields__ if getattr(stored, name) != getattr(wanted, name)]
        differ = ", ".join(f"{name} {_text(stored, name)} there, {_text(wanted, name)} here" for name in names)
        raise ValueError(f"file {path}: it holds another study ({differ}); give another path")


def _text(study: Study, name: str) -> str:
    value = getattr(study, name)
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
