"""Reads a study file as what it is: input, which anybody may have written. What it returns was checked, value by value.

The connection trusts nothing: a file holds the three tables of a study in the very words in which the lab makes them,
and nothing else, so there is no trigger, view, default or check of somebody else's that could run.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..results.printable import printable
from .result import CellPlan

if TYPE_CHECKING:
    from .study import Study

APPLICATION = 0x5443504C  # "TCPL": PRAGMA application_id tells the file from any other database
# STRICT: SQLite itself refuses, and finds in a damaged file, a value that is not of its column's type.
SCHEMA = {
    "study": "CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "cells": """CREATE TABLE cells (
  cell INTEGER PRIMARY KEY, port INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, client TEXT NOT NULL,
  era TEXT, max_tries INTEGER
) STRICT""",
    "samples": """CREATE TABLE samples (
  cell INTEGER NOT NULL, sample INTEGER NOT NULL, tries INTEGER NOT NULL, hit INTEGER NOT NULL, seconds REAL NOT NULL,
  host TEXT NOT NULL, kernel TEXT NOT NULL, PRIMARY KEY (cell, sample)
) STRICT, WITHOUT ROWID""",
}
ROW = np.dtype([("cell", "i8"), ("sample", "i8"), ("tries", "i8"), ("hit", "?"), ("seconds", "f8"), ("machine", "i2")])

_BUSY_SECONDS = 10.0  # how long to wait while another program reads the file
_MOST_BYTES = 1 << 20  # of one value, and of one row
_MOST_TRIES = 10**12  # in one sample
_MOST_SECONDS = 10**9  # in one sample
_MOST_MACHINES = 1000
_NAME = 500  # characters
_DEFENCES = ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0")
_OFF = ("SQLITE_DBCONFIG_ENABLE_TRIGGER", "SQLITE_DBCONFIG_ENABLE_VIEW", "SQLITE_DBCONFIG_TRUSTED_SCHEMA")

# The first sample that cannot be one. In SQL, since it is looked at before anything is made of it.
_STRAY = """
SELECT * FROM samples WHERE NOT (
  typeof(cell) = 'integer' AND typeof(sample) = 'integer' AND typeof(tries) = 'integer' AND typeof(hit) = 'integer'
  AND typeof(seconds) = 'real' AND typeof(host) = 'text' AND typeof(kernel) = 'text'
  AND cell >= 0 AND cell < :cells AND sample >= 0 AND sample < :samples AND tries >= 0 AND tries <= :tries
  AND hit IN (0, 1) AND tries >= hit AND seconds >= 0 AND seconds <= :seconds
  AND length(host) <= :name AND length(kernel) <= :name) LIMIT 1
"""


@dataclass(frozen=True, eq=False)
class Content:
    """What a study file says. `settings` are (era, max_tries) of every cell, none before a testbed was open.

    `rows` are the samples in the order of cell and number; `machine` in them is the index of (host, kernel) in
    `machines`. All texts can be printed.
    """

    study: Study
    facts: Mapping[str, str]
    settings: tuple[tuple[str, int], ...]
    rows: NDArray[np.void]
    machines: tuple[tuple[str, str], ...]

    def of(self, cell: int) -> NDArray[np.void]:
        """The samples of a cell."""
        begin, end = np.searchsorted(self.rows["cell"], [cell, cell + 1])
        return self.rows[begin:end]

    def gaps(self, cell: int) -> Iterator[range]:
        """Yield the runs of sample numbers of a cell that are not stored."""
        begin = 0
        for number in (*self.of(cell)["sample"].tolist(), self.study.samples):
            if number > begin:
                yield range(begin, number)
            begin = number + 1


def connect(path: str | os.PathLike[str] | None, mode: str) -> sqlite3.Connection:
    """Open a file (None: a temporary one) on a connection of its own that runs nothing of what is in it."""
    where = "" if path is None else f"{Path(path).absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(where, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    if hasattr(connection, "setconfig"):  # Python 3.12; before, that nothing of the kind is in the schema must do
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # type: ignore[attr-defined]
        for name in _OFF:
            connection.setconfig(getattr(sqlite3, name), False)
    for setting in _DEFENCES:
        connection.execute(f"PRAGMA {setting}")
    return connection


@contextlib.contextmanager
def clear_errors(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Turn what SQLite says of a file, or of a value in it, into one clear line (ValueError)."""
    try:
        yield
    except sqlite3.Error as error:
        raise ValueError(f"file {path}: {reason(error)}; {_way_out(error)}") from None
    except (OverflowError, UnicodeDecodeError) as error:  # Python's module about a number, about SQLite's own words
        raise ValueError(f"file {path}: {_damaged(str(error))}") from None
    except _NotRead as why:
        raise ValueError(f"file {path}: {why}") from None


def reason(error: sqlite3.Error) -> str:
    """What SQLite says, in one line."""
    return printable(" ".join(str(error).split()), _NAME)


def _way_out(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the module's own errors have none
    ways = {
        sqlite3.SQLITE_BUSY: "another program works on it: let it finish, and try again",
        sqlite3.SQLITE_LOCKED: "another program works on it: let it finish, and try again",
        sqlite3.SQLITE_FULL: "make room on this disk, or give a path on another one",
        sqlite3.SQLITE_READONLY: "give a path that can be written",
        sqlite3.SQLITE_CANTOPEN: "give a path that can be written",
    }
    return ways.get(code, "restore a copy, or give another path")


def read(connection: sqlite3.Connection, path: str | os.PathLike[str] | None, plan: Callable[[str], Study]) -> Content:
    """Return what a study file says. Raises ValueError, in one line, unless it is whole and every value is possible."""
    with clear_errors(path), _one_look(connection):
        _check_form(connection)
        study, facts = _read_facts(connection, plan)
        settings = _read_settings(connection, study)
        rows, machines = _read_samples(connection, study, settings)
        return Content(study, facts, settings, rows, machines)


@contextlib.contextmanager
def _one_look(connection: sqlite3.Connection) -> Iterator[None]:
    """What is read in this block is of one moment: what was checked is what is handed back."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.rollback()


class _NotRead(Exception):
    """Why a file is not read."""


def _damaged(what: str) -> _NotRead:
    return _NotRead(f"it is damaged ({printable(what, _NAME)}); restore a copy, or begin with another path")


def _check_form(connection: sqlite3.Connection) -> None:
    """Raise unless this is a study file, with nothing in it that a study does not have, and sound."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        raise _NotRead("it is not the file of a study; give another path")
    found = {}
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_schema"):
        if (kind, sql) != ("index", None):  # the one that SQLite makes for a primary key
            found[name] = sql
            if kind != "table" or name not in SCHEMA or _words(sql) != _words(SCHEMA[name]):
                raise _NotRead(
                    f"the {printable(str(kind), 20)} {printable(str(name), 100)} in it is none of a "
                    "study's; it is not read, nor gone on with: give another path"
                )
    if missing := ", ".join(SCHEMA.keys() - found.keys()):
        raise _damaged(f"no such table: {missing}")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _damaged(str(verdict).splitlines()[-1])


def _words(sql: object) -> str:
    """A statement without what differs between versions of the lab: spaces, and the first one's lack of STRICT."""
    words = "".join(str(sql).split()).lower()
    return words.replace(")strict,withoutrowid", ")withoutrowid").removesuffix("strict")


def _read_facts(connection: sqlite3.Connection, plan: Callable[[str], Study]) -> tuple[Study, dict[str, str]]:
    pairs = connection.execute("SELECT key, value FROM study LIMIT 100").fetchall()
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in pairs):
        raise _damaged("a fact of the study is no text")
    facts = dict(pairs)
    try:
        study = plan(facts.pop("plan"))
    except (LookupError, ValueError):
        raise _damaged("its plan cannot be read") from None
    return study, {printable(key, _NAME): printable(value, _NAME) for key, value in facts.items()}


def _read_settings(connection: sqlite3.Connection, study: Study) -> tuple[tuple[str, int], ...]:
    (count,) = connection.execute("SELECT count(*) FROM cells").fetchone()
    if count * study.samples != study.size:  # asked first: a short plan may stand for millions of cells
        raise _damaged(f"{count} cells, its plan has {study.size // study.samples}")
    rows = connection.execute("SELECT * FROM cells ORDER BY cell").fetchall()
    wanted = [(i, c.port, c.port_range.low, c.port_range.high, str(c.client)) for i, c in enumerate(study.cells)]
    if [row[:5] for row in rows] != wanted:
        raise _damaged("its cells are not those of its plan")
    settings = tuple(row[5:] for row in rows)
    if all(setting == (None, None) for setting in settings):
        return ()
    for cell, (era, max_tries) in zip(study.cells, settings, strict=True):
        _check_setting(study, cell, era, max_tries)
    return settings


def _check_setting(study: Study, cell: CellPlan, era: Any, max_tries: Any) -> None:
    try:
        cell.law(era, study.start)
    except (ValueError, TypeError, AttributeError):
        raise _damaged(f"era {era!r} of {cell}") from None
    possible = type(max_tries) is int and 1 <= max_tries <= _MOST_TRIES
    if not possible or study.max_tries not in (None, max_tries):
        raise _damaged(f"max_tries {max_tries!r} of {cell}")


def _read_samples(
    connection: sqlite3.Connection, study: Study, settings: tuple[tuple[str, int], ...]
) -> tuple[NDArray[np.void], tuple[tuple[str, str], ...]]:
    limits = {"cells": len(study.cells), "samples": study.samples, "tries": _MOST_TRIES}
    stray = connection.execute(_STRAY, limits | {"seconds": _MOST_SECONDS, "name": _NAME}).fetchone()
    if stray is not None:
        raise _damaged(f"no such sample can be: {stray!r}")
    codes: dict[tuple[str, str], int] = {}
    rows = np.fromiter(_coded(connection, codes), ROW)
    order = rows["cell"] * study.samples + rows["sample"]
    if len(rows) and not (order[1:] > order[:-1]).all():
        raise _damaged("samples are there twice, or out of order")
    if len(rows) and not settings:
        raise _damaged("there are samples, and no settings of their cells")
    bounds = np.array([_most(study, *pair) for pair in zip(study.cells, settings, strict=False)], "f8")
    if len(rows) and (rows["tries"] > bounds[rows["cell"]]).any():
        raise _damaged("a sample has more tries than its cell allows")
    return rows, tuple((printable(host), printable(kernel)) for host, kernel in codes)


def _most(study: Study, cell: CellPlan, setting: tuple[str, int]) -> float:
    """The tries of the longest sample. What leads to a return stands for one that it does not lead to."""
    era, max_tries = setting
    return max(max_tries, cell.max_tries(era, study.start)) if study.start == "return" else max_tries


def _coded(connection: sqlite3.Connection, codes: dict[tuple[str, str], int]) -> Iterator[tuple[Any, ...]]:
    """The samples, with a small number instead of the names of host and kernel."""
    for *numbers, host, kernel in connection.execute("SELECT * FROM samples"):
        code = codes.setdefault((host, kernel), len(codes))
        if code >= _MOST_MACHINES:
            raise _damaged(f"samples of more than {_MOST_MACHINES} machines")
        yield (*numbers, code)
