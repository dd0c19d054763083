"""The environment that the course runs in: what is asked for, what was tested, what is here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec, Version, VersionSpec

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
PIN = re.compile(r"[A-Za-z0-9][\w.-]*==[\w.!+]+")
ENTRY = re.compile(r"(\S+==\S+)( ; [^\\\n]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")
# Named by the people who asked for the course as what a learner's environment must hold.
NAMED = {"jupyterlab", "ipywidgets", "matplotlib", "scapy", "nbval"}


def requirements(*lists: list[str]) -> dict[str, Requirement]:
    """The requirements of these lists by canonical name, as they hold on this Python."""
    parsed = [Requirement(line) for lines in lists for line in lines]
    return {canonicalize_name(each.name): each for each in parsed if each.marker is None or each.marker.evaluate()}


def pins() -> dict[str, str]:
    """The tested version of each distribution in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def lock(name: str) -> dict[str, Requirement]:
    """The pins of environment/NAME.txt by canonical name; each has hashes, and nothing else but the file it adds to."""
    text = (ROOT / "environment" / f"{name}.txt").read_text()
    text = re.sub(r"^-r (\w+\.txt)\n", lambda other: (ROOT / "environment" / other[1]).read_text(), text)
    entries = ENTRY.findall(text)
    assert entries and "".join(ENTRY.sub("", text).split()) == ""
    parsed = [Requirement(pin + marker) for pin, marker, _ in entries]
    return {canonicalize_name(one.name): one for one in parsed}


def here(name: str) -> set[str]:
    """What the lock installs on this machine."""
    return {each for each, pin in lock(name).items() if pin.marker is None or pin.marker.evaluate()}


def conda_specs() -> dict[str, MatchSpec]:
    """What environment.yml asks of conda, by name; the nested pip list is not a spec."""
    specs = [MatchSpec(line) for line in CONDA["dependencies"] if isinstance(line, str)]
    return {str(line).split()[0]: line for line in specs}


RUNTIME = requirements(PROJECT["dependencies"])
TEST = requirements(PROJECT["optional-dependencies"]["test"])
ASKED = RUNTIME | TEST


def needs(lines: list[str], extra: str = "") -> set[tuple[str, str]]:
    """The distributions that these requirements name on this Python, each with "" and with each extra asked of it."""
    parsed = [Requirement(line) for line in lines]
    wanted = [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {(canonicalize_name(one.name), each) for one in wanted for each in ("", *one.extras)}


def closure(extra: str = "test") -> set[str]:
    """Every distribution that the project brings along with this extra, "" for none; itself left out."""
    found: set[tuple[str, str]] = set()
    waiting = needs(PROJECT["dependencies"] + PROJECT["optional-dependencies"].get(extra, []))
    while waiting:
        found |= waiting
        waiting = {one for name, more in waiting for one in needs(metadata.requires(name) or [], more)} - found
    return {name for name, _ in found}


def test_versions_are_in_the_ranges_asked_for():
    """The tested version of each requirement of pyproject.toml, and the one here, are such as its range allows."""
    for versions in (pins(), {name: metadata.version(name) for name in ASKED}):
        assert [name for name, one in ASKED.items() if versions[name] not in one.specifier] == []


@pytest.mark.parametrize(("name", "extra"), [("lab", ""), ("tests", "test")])
def test_the_lock_is_all_that_is_asked_for_and_no_more(name: str, extra: str) -> None:
    """environment/NAME.txt has each distribution that pyproject.toml brings along on this machine, and no other."""
    assert here(name) == closure(extra)


def test_the_lock_has_the_extras_that_are_asked_for() -> None:
    """pip meets a package pinned without them, where another asks for them, with the newest version, and stops."""
    locked = lock("tests")
    asked = [Requirement(line) for name in here("tests") for line in metadata.requires(name) or ()]
    with_extras = [one for one in asked if one.extras and (not one.marker or one.marker.evaluate({"extra": ""}))]
    assert {canonicalize_name(one.name) for one in with_extras} >= {"jsonschema"}
    assert [one for one in with_extras if not one.extras <= locked[canonicalize_name(one.name)].extras] == []


def test_the_lock_and_the_constraints_are_the_same_versions() -> None:
    """constraints.txt is environment/tests.txt without hashes, and a learner gets what was tested."""
    tested = {name: str(pin.specifier).removeprefix("==") for name, pin in lock("tests").items()}
    assert pins() == tested
    assert {name: str(pin.specifier).removeprefix("==") for name, pin in lock("lab").items()}.items() < tested.items()


@pytest.mark.parametrize("uv", [True, False])
def test_make_installs_by_hash(tmp_path: Path, uv: bool) -> None:
    """With uv, or pip where there is none or it fails, all from elsewhere is in a lock; the project brings nothing."""
    if uv:
        (tmp_path / "uv").touch(mode=0o755)
    others = [each for each in os.environ["PATH"].split(":") if not (Path(each) / "uv").exists()]
    path = {"PATH": ":".join([str(tmp_path), *others])}
    printed = subprocess.check_output(["make", "-n", "-B", "env"], cwd=ROOT, text=True, env=os.environ | path)
    installed = [line.split(" || ") for line in printed.splitlines() if "pip install" in line]
    assert [" uv pip " in first for first, *_ in installed] == [uv] * 3
    assert [" -m pip " in line[-1] and len(line) == 1 + uv for line in installed] == [True] * 3
    by_hash, alone = "--require-hashes --requirement environment/{}.txt", "--no-deps --editable ."
    wanted = [by_hash.format("lab"), alone, by_hash.format("tests")]
    assert [
        way for line, end in zip(installed, wanted, strict=True) for way in line if not way.endswith(f" {end}")
    ] == []


def test_environment_that_make_built_has_the_tested_versions():
    """In an environment made by make every version is the tested one."""
    if not (Path(sys.prefix) / ".made-for-the-tests").exists():
        pytest.skip("this environment was not made by make; run it as: make test")
    tested = pins()
    assert {name: metadata.version(name) for name in closure()} == {name: tested[name] for name in closure()}


def test_conda_environment_has_the_named_packages():
    """environment.yml holds the packages that the course was asked to provide, and the project."""
    assert set(conda_specs()) >= NAMED
    assert CONDA["channels"][0] == "conda-forge"
    nested = [entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict)]
    assert nested == [["--editable ."]]


def test_conda_ranges_agree_with_pyproject():
    """environment.yml asks for the ranges of pyproject.toml, and for every runtime requirement."""
    written = requirements([line for line in CONDA["dependencies"] if isinstance(line, str) and ">=" in line])
    assert set(written) >= set(RUNTIME)
    assert {name: one.specifier for name, one in written.items()} == {name: ASKED[name].specifier for name in written}


def test_conda_specs_match_the_tested_versions():
    """Conda's own matching accepts each tested version and refuses version 0."""
    specs = {name: spec for name, spec in conda_specs().items() if name in ASKED}
    ranges = {name: VersionSpec(str(spec.version)) for name, spec in specs.items()}
    assert len(ranges) > 12
    assert [name for name, range_ in ranges.items() if not range_.matches(Version(pins()[name]))] == []
    assert [name for name, range_ in ranges.items() if range_.matches(Version("0"))] == []


def test_the_learners_lab_shows_nothing_of_nbgrader():
    """`make env` turns off each extension of the server and of JupyterLab that nbgrader brings along."""
    printed = subprocess.check_output(["make", "-n", "-B", "env"], cwd=ROOT, text=True)
    files = [str(file) for file in metadata.files("nbgrader") or []]
    servers = {m[1] for file in files if (m := re.match(r"nbgrader/server_extensions/(\w+)/__init__\.py$", file))}
    pages = {m[1] for file in files if (m := re.search(r"share/jupyter/labextensions/(.+)/package\.json$", file))}
    assert servers and pages
    assert [name for name in servers if f"nbgrader.server_extensions.{name}" not in printed] == []
    assert [name for name in pages if f'"{name}"' not in printed] == []


def test_a_learner_installs_nothing_that_only_tests_need():
    """`make lab` installs the project alone; `make test` adds the tests' tools to the same environment."""
    lab, tests = (subprocess.check_output(["make", "-n", "-B", goal], cwd=ROOT, text=True) for goal in ("lab", "env"))
    assert "environment/lab.txt" in lab and "environment/tests.txt" not in lab
    assert "environment/lab.txt" in tests and "environment/tests.txt" in tests
