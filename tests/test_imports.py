"""Who may import whom inside the package, and what a plain import must not load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"IPython", "ipywidgets", "matplotlib", "numpy", "pandas", "scapy", "scipy"}
LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))


def lint_imports(folder):
    """What import-linter says of the package in a folder: its exit status, and its report."""
    done = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def test_every_part_imports_only_what_it_may():
    """The contracts in pyproject.toml hold: layers, purity, and where a kernel is touched."""
    status, report = lint_imports(ROOT)
    assert (status, "3 kept, 0 broken" in report) == (0, True), report


def test_the_contracts_find_a_layer_that_is_skipped(tmp_path):
    """The rule itself sees an import that goes up, and a socket in what must be pure."""
    for name in ("tcploop_lab", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    with (tmp_path / "tcploop_lab" / "ports" / "ranges.py").open("a") as file:
        file.write("\n\ndef broken():\n    import socket\n    from ..testbed import loop\n")
    status, report = lint_imports(tmp_path)
    assert (status, "1 kept, 2 broken" in report) == (1, True), report


@pytest.mark.parametrize("module", ["tcploop_lab", "tcploop_lab.stacks.worker"])
def test_a_plain_import_is_light(module):
    """Importing the package, or what each worker process runs, loads no heavy package."""
    code = f"import {module}, sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).split())
    assert "tcploop_lab" in loaded
    assert loaded & HEAVY == set()


def test_public_names_load():
    """Every public name of the package can be had from it, and is listed once."""
    import tcploop_lab

    names = tcploop_lab.__all__
    assert len(names) == len(set(names)) > 5
    assert [name for name in names if getattr(tcploop_lab, name, None) is None] == []
