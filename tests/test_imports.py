"""Who may import whom inside the package, and what a plain import must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tcploop_lab"
# A part may import the parts and modules named here; a part covers its modules.
ALLOWED = {
    "model": {"model"},
    "testbed": {"model", "testbed"},
    "study": {"model", "testbed", "study"},
    "show": {"model", "show", "testbed.results", "study.result"},
    "exercises": {"", "model", "testbed", "study", "show", "exercises"},
    "cli": {"", "model", "testbed", "study", "show", "exercises", "cli"},
    "__main__": {"cli"},
}
# The model is pure: no sockets, no files, no plots. Only the testbed touches a kernel.
KERNEL = {"ctypes", "fcntl", "pyroute2", "scapy", "socket"}
IMPURE = KERNEL | {"IPython", "ipywidgets", "matplotlib", "os", "pathlib", "psutil", "subprocess"}
HEAVY = {"IPython", "ipywidgets", "matplotlib", "numpy", "pandas", "scapy", "scipy"}


def part_of(path: Path) -> str:
    """The part a file belongs to: model, testbed, ..., cli."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def base_of(node: ast.ImportFrom, path: Path) -> str:
    """The absolute module that `from ... import` names in this file."""
    if not node.level:
        return node.module or ""
    folder = ["tcploop_lab", *path.relative_to(PACKAGE).parent.parts]
    return ".".join(folder[: len(folder) - node.level + 1] + ([node.module] if node.module else []))


def is_module(name: str) -> bool:
    """Whether a dotted name is a module of the package, rather than a name inside one."""
    place = PACKAGE.parent.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


def imported(path: Path, text: str) -> Iterator[str]:
    """The absolute modules a file imports, wherever in the file and however it does it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = base_of(node, path)
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else base for name in names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


def forbidden(path: Path, text: str) -> list[str]:
    """The imports of a file that its part may not make."""
    part = part_of(path)
    own = [name for name in imported(path, text) if name.split(".")[0] == "tcploop_lab"]
    inside = {name.partition(".")[2] for name in own}
    return sorted(n for n in inside if not {n, n.split(".")[0]} & ALLOWED[part])


def outside(path: Path, text: str) -> set[str]:
    """The top-level packages a file imports."""
    return {name.split(".")[0] for name in imported(path, text)}


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")
NAMES = [str(p.relative_to(PACKAGE)) for p in FILES]


def test_every_part_is_here():
    """The rules below look at every part of the package, and the package has no other part."""
    assert {part_of(path) for path in FILES} == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_parts_import_only_what_they_may(path):
    """A file imports only the parts that its own part may use."""
    assert forbidden(path, path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_only_the_testbed_touches_a_kernel(path):
    """The model does no input or output; nothing but the testbed imports sockets."""
    barred = {"model": IMPURE, "testbed": set()}.get(part_of(path), KERNEL)
    assert outside(path, path.read_text()) & barred == set()


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        ("model/ports.py", "from ..testbed import open_testbed", ["testbed"]),
        ("model/ports.py", "def f():\n    import tcploop_lab.show.style", ["show.style"]),
        ("model/ports.py", "from .. import Study", [""]),
        ("show/figures.py", "from ..testbed.loop import x", ["testbed.loop"]),
        ("show/figures.py", "from ..study import result", []),
        ("testbed/loop.py", "import_module('tcploop_lab.study.plan')", ["study.plan"]),
        ("study/engine.py", "from tcploop_lab.testbed import loop\nfrom . import plan", []),
    ],
)
def test_the_rule_finds_each_way_to_import(file, line, found):
    """The rule itself sees relative, absolute, nested and called imports."""
    assert forbidden(PACKAGE / file, line) == found


@pytest.mark.parametrize("module", ["tcploop_lab", "tcploop_lab.testbed.worker"])
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
