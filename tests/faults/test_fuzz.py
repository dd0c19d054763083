"""Whatever is read may be anything: a parser returns a value or says in one line (ValueError) why not. Nothing else.

How many inputs each parser gets in CI stands in `elsewhere.FUZZED`, and with it in docs/faults.md. `make fuzz` runs the
pcap reader under atheris, which follows the coverage, where that is installed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tcploop_lab as lab
from tcploop_lab.ports.ranges import PortRange, parse_port, parse_ports, parse_ranges, parse_reserved
from tcploop_lab.stacks import namespace
from tcploop_lab.study.plan import Study
from tcploop_lab.testbed import sockets

from .elsewhere import FUZZED

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


def quick(name: str) -> Callable[[Any], Any]:
    """So many inputs as FUZZED says, without a time limit for each: the machine may be busy."""
    return settings(
        max_examples=FUZZED[name], deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )


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
    """A real capture with some bytes changed, cut off, or doubled."""
    whole = bytearray((Path(lab.__file__).parent / "recorded" / "self-connection-ipv6.pcap").read_bytes())
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)):
        whole[place] = byte
    file = tmp_path / "fuzzed.pcap"
    file.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] * data.draw(st.integers(1, 2)))
    value_or_one_line(lambda: lab.read_pcap(file).replayed)


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study file."""
    path = tmp_path_factory.mktemp("study") / "whole.sqlite"
    lab.Study([40500], [(40000, 40999)], samples=300).run(out=path, progress=False)
    return path


@quick("study files")
@given(data=st.data())
def test_study_files(study_file: Path, tmp_path: Path, data: st.DataObject) -> None:
    """A study file with some bytes changed, or cut off."""
    whole = bytearray(study_file.read_bytes())
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)):
        whole[place] = byte
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    (tmp_path / "fuzzed.sqlite").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    value_or_one_line(lambda: lab.StudyResult.load(tmp_path / "fuzzed.sqlite"))


@quick("plans of a study")
@given(value=JSON)
def test_plans_of_a_study(value: Any) -> None:
    """JSON that may stand in the place of a plan."""
    value_or_one_line(lambda: Study.from_json(json.dumps(value)))
