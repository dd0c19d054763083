"""Whatever is read may be anything: a parser returns a value or says in one line (ValueError) why not. Nothing else.

How many inputs each parser gets in CI stands in `elsewhere.FUZZED`, and with it in docs/faults.md; `make fuzz` gives
each 10,000, and runs the pcap reader under atheris, which follows the coverage, where that is installed.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tcploop_lab as lab
from tcploop_lab.audits.audit import AuditResult
from tcploop_lab.audits.table import AuditTable
from tcploop_lab.ports.ranges import PortRange, parse_port, parse_ports, parse_ranges, parse_reserved
from tcploop_lab.results import stored
from tcploop_lab.stacks import namespace
from tcploop_lab.study.store import Store
from tcploop_lab.study.study import Study
from tcploop_lab.testbed import sockets
from tcploop_lab.testbed.recorded import FOLDER, recorded_names

from .elsewhere import FUZZED

STUDY = lab.Study([40500], [(40000, 40999)], samples=300)
LINKS = (0, 1, 12, 101, 108, 113, 226, 228, 229, 276, 0x5400_0001)  # of the loopbacks: testbed/pcap_file.py
ETHERNET = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)  # the head of a file
TO_TCP = bytes(12) + b"\x08\x00\x45" + bytes(2) + b"\xff" + bytes(4) + b"\x40\x06" + bytes(2) + b"\x7f\0\0\1" * 2
LIKE_PORTS = st.text(st.sampled_from("0123456789-,. +_\n\t٣e"), max_size=24)
ANYTHING = st.one_of(LIKE_PORTS, st.text(max_size=30), st.integers(), st.floats(), st.none(), st.binary(max_size=9))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "array", "bytes", "packed", "tuple", "enum", "dict", "x"]), inner, max_size=2
        )
    ),
    max_leaves=8,
)


# Values that no study has, each as SQL; and what else a file may hold.
VALUES = ["NULL", "-1", "0", "2", "9223372036854775807", "-9223372036854775808", "1e999", "0.5", "'x'", "x'00ff'",
          "'\x1b]0;owned\x07'", "CAST(x'0aff' AS TEXT)", "''", "printf('%.*c', 5000, 'x')",
          "printf('%.*c', 100000, '[')", "'{\"ports\": 1}'", "'[1]'", "'socket-range'", "'return'"]  # fmt: skip
COLUMNS = {
    "study": ["key", "value"],
    "cells": ["cell", "port", "low", "high", "client", "era", "max_tries"],
    "samples": ["cell", "sample", "tries", "hit", "seconds", "host", "kernel"],
}
OTHER_SQL = [
    "CREATE TRIGGER t AFTER INSERT ON samples BEGIN DELETE FROM samples; END",
    "CREATE VIEW v AS SELECT * FROM samples",
    "CREATE TABLE more (x)",
    "ALTER TABLE samples RENAME TO samples2",
    "ALTER TABLE cells ADD COLUMN more",
    "PRAGMA application_id = 7",
    "PRAGMA user_version = 9",
    "INSERT INTO samples SELECT cell, sample + 1000000000000, tries, hit, seconds, host, kernel FROM samples",
    "INSERT INTO study VALUES ('x', 'y')",
]
PLAIN = """
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql, 'STRICT, ', ''), 'STRICT', '') WHERE type = 'table';
PRAGMA writable_schema = RESET;
"""


@st.composite
def statements(draw: st.DrawFn) -> str:
    """One statement that changes a study file as no study does."""
    table = draw(st.sampled_from(sorted(COLUMNS)))
    column, value = draw(st.sampled_from(COLUMNS[table])), draw(st.sampled_from(VALUES))
    few = draw(st.sampled_from(["", " WHERE rowid = 1", " WHERE sample = 7", " WHERE key = 'plan'"]))
    change = [
        f"UPDATE OR IGNORE {table} SET {column} = {value}{few}",
        f"DELETE FROM {table}{few}",
        f"DROP TABLE {table}",
    ]
    return draw(st.sampled_from([*change[:1] * 6, *change[1:], *OTHER_SQL]))


def changed_by(path: Path, script: list[str]) -> None:
    """Let these statements change a file, as far as SQLite lets them."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in script:
            with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                connection.executescript(statement)


def quick(name: str) -> Callable[[Any], Any]:
    """So many inputs as FUZZED says."""
    inputs = int(os.environ.get("FUZZ_INPUTS", FUZZED[name]))
    unchecked = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(max_examples=inputs, suppress_health_check=unchecked)


def value_or_one_line(call: Callable[[], Any]) -> None:
    """Fail unless the call returns, or raises a ValueError of one line that says something."""
    try:
        call()
    except ValueError as error:
        assert str(error).strip()
        assert "\n" not in str(error).strip()


@quick("ports and ranges")
@given(value=ANYTHING)
def test_ports_and_ranges(value: object) -> None:
    """Ports, ranges, lists of them and reservations, from the command line or a notebook."""
    for parse in (parse_port, PortRange.parse, parse_ports, parse_ranges, sockets.parse_reservation):
        value_or_one_line(lambda parse=parse: parse(value))


@quick("sysctl and /proc text")
@given(text=LIKE_PORTS | st.text(max_size=40))
def test_what_the_kernel_prints(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ephemeral range and the reserved ports, as files of /proc/sys."""
    file = tmp_path / "sysctl"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(namespace, "PORT_RANGE_FILE", file)
    value_or_one_line(namespace.read_port_range)
    value_or_one_line(lambda: parse_reserved(text))


@quick("pcap files")
@given(data=st.data())
def test_pcap_files(tmp_path: Path, data: st.DataObject) -> None:
    """A real capture of any link type, with some bytes changed, cut off, or doubled, packed or not; or random bytes.

    Random bytes stand in place of the file, behind its mark, or in place of a TCP header. What is read can be shown.
    """
    whole = bytearray((FOLDER / f"{data.draw(st.sampled_from(recorded_names()))}.pcap").read_bytes())
    whole[20:24] = data.draw(st.sampled_from(LINKS) | st.integers(0, 2**32 - 1)).to_bytes(4, "little")
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)):
        whole[place] = byte
    file = tmp_path / "fuzzed.pcap"
    content = bytes(whole[: data.draw(st.integers(0, len(whole)))] * data.draw(st.integers(1, 2)))
    noise = data.draw(st.binary(min_size=1, max_size=120))
    frame = struct.pack("<4I", 0, 0, len(TO_TCP + noise), len(TO_TCP + noise)) + TO_TCP + noise
    content = data.draw(st.sampled_from([content] * 4 + [noise, bytes(whole[:4]) + noise, ETHERNET + frame]))
    file.write_bytes(
        gzip.compress(content, 1)[: data.draw(st.integers(1, 2000))] if data.draw(st.booleans()) else content
    )
    value_or_one_line(lambda: looked_at(lab.read_pcap(file)))


def looked_at(exchange: lab.Exchange) -> None:
    """What is read has segments, the state table says something of each, and its line is one."""
    assert len(exchange.replayed.steps) == len(exchange.segments) > 0
    assert "\n" not in repr(exchange)


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study file."""
    path = tmp_path_factory.mktemp("study") / "whole.sqlite"
    STUDY.run(out=path, progress=False)
    return path


@quick("study files")
@given(data=st.data())
def test_study_files(study_file: Path, tmp_path: Path, data: st.DataObject) -> None:
    """A study file with some bytes changed, or cut off, or changed by statements: it is loaded, shown and resumed."""
    whole = bytearray(study_file.read_bytes())
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)):
        whole[place] = byte
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    file = tmp_path / "fuzzed.sqlite"
    file.write_bytes(whole if data.draw(st.booleans()) else whole[: data.draw(st.integers(0, len(whole)))])
    script = data.draw(st.lists(statements(), max_size=3))
    changed_by(file, [PLAIN, *script] if data.draw(st.booleans()) else script)
    value_or_one_line(lambda: shown(lab.StudyResult.load(file)))
    value_or_one_line(lambda: resumed(file))


def shown(result: lab.StudyResult) -> None:
    """What people see of a study can be printed, and its numbers are such as a study has."""
    texts = [result.summary, repr(result), *result.provenance.values(), *map(str, result.machines)]
    assert all(text.isprintable() for text in texts)
    assert result.samples <= result.study.size and result.tries >= 0 and math.isfinite(result.seconds)


def resumed(file: Path) -> None:
    """Going on with it fills nothing but gaps of the plan."""
    with Store.resume(file, STUDY) as store:
        content = store.read()
    assert all(0 <= gap.start < gap.stop <= STUDY.samples for gap in content.gaps(0))


RECORDED: dict[str, Any] = {"audits": list[AuditResult], "programs": AuditTable, "looks": dict[str, sockets.Look]}


def replaced(value: Any, places: list[int], new: Any) -> Any:
    """The value with something else at one place, which is found by going down."""
    if not places or not isinstance(value, (dict, list)) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[places[0] % len(keys)]
    inner = replaced(value[key], places[1:], new)
    return value | {key: inner} if isinstance(value, dict) else [*value[:key], inner, *value[key + 1 :]]


@quick("recorded results")
@given(data=st.data())
def test_recorded_results(data: st.DataObject) -> None:
    """What ships recorded, with something else at some places, or cut off: it is read, or told in one line."""
    name = data.draw(st.sampled_from(sorted(RECORDED)))
    value = json.loads((FOLDER / f"{name}.json").read_text())
    for places in data.draw(st.lists(st.lists(st.integers(0, 99), max_size=7), max_size=3)):
        value = replaced(value, places, data.draw(JSON | st.sampled_from([1e400, -1, 10**30, "\x1b]0;x\x07"])))
    text = json.dumps(value)
    text = text[: data.draw(st.integers(0, len(text)))] if data.draw(st.integers(0, 9)) == 0 else text
    value_or_one_line(lambda: repr(stored.loads(text, RECORDED[name])))


@quick("plans of a study")
@given(value=JSON)
def test_plans_of_a_study(value: Any) -> None:
    """JSON that may stand in the place of a plan."""
    value_or_one_line(lambda: Study.from_json(json.dumps(value)))
