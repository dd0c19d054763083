"""Who may import whom inside the package, and what a plain import must not load."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from IPython.core.completer import IPCompleter, provisionalcompleter

PACKAGE = "tcploop_lab"
ROOT = Path(__file__).parents[1]
HEAVY = {"_hashlib", "IPython", "ipywidgets", "matplotlib", "numpy", "pandas", "scapy", "scipy"}
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


def circles() -> set[tuple[str, str]]:
    """The imports that lead back to the module that makes them; late imports count, those of types alone do not."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True)
    pairs = {(one, other) for one in graph.modules for other in graph.find_modules_directly_imported_by(one)}
    return {(one, other) for one, other in pairs if one != other and graph.chain_exists(importer=other, imported=one)}


def test_no_module_imports_itself_by_a_detour(monkeypatch):
    """No circle in the package; one that is planted is found."""
    assert circles() == set()
    build = grimp.build_graph

    def planted(*names, **options):
        graph = build(*names, **options)
        graph.add_import(importer=f"{PACKAGE}.study.result", imported=f"{PACKAGE}.study.engine")
        return graph

    monkeypatch.setattr(grimp, "build_graph", planted)
    assert circles()


ASKS = re.compile(r"""isinstance\(.*\w(Stack|Executor)\b|[!=]= ["'](live|simulated)["']|["'](live|simulated)["']:""")
MAY_ASK = {
    "results/run.py": "label_of(): what a result is shown with",
    "study/study.py": "a file that was read: what it is shown with",
    "testbed/doctor.py": "the words of its sentence",
    "testbed/base.py": "what a testbed of each kind says is missing",
}


def test_nothing_outside_stacks_asks_which_stack_it_has():
    """One place makes the label of a result; all else asks what a stack can do."""
    package = ROOT / PACKAGE
    asks = {str(path.relative_to(package)) for path in package.rglob("*.py") if ASKS.search(path.read_text("utf-8"))}
    assert {name for name in asks if not name.startswith("stacks/")} <= MAY_ASK.keys()
    assert "results/run.py" in asks and ASKS.search('if pool.kind == "simulated":')


@pytest.mark.parametrize("module", ["stacks.worker", "stacks.linux", "stacks.simulated", "cli.entry"])
def test_a_plain_import_is_light(module):
    """Importing the package, the command, or what each worker process runs loads no heavy package, and no OpenSSL."""
    code = f"import {PACKAGE}.{module}, sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).split())
    assert "tcploop_lab" in loaded
    assert loaded & HEAVY == set()


def test_public_names_load():
    """Every public name of the package can be had from it, and is listed once."""
    import tcploop_lab

    names = tcploop_lab.__all__
    assert len(names) == len(set(names)) > 5
    assert [name for name in names if getattr(tcploop_lab, name, None) is None] == []


VERBS = "capture check close connect_loop counters cross crossing find hold holders listen look probe reserve sockets"
VERBS += " own_address redirect tcp_socket use_range wait"
FACTS = "address closed kernel kind missing port_range stack summary why"


@pytest.mark.parametrize("jedi", [True, False], ids=["jedi", "dir"])
def test_tab_shows_what_a_learner_may_use(jedi):
    """`lab.` and `testbed.` with Tab list the public names and no others, in both ways in which IPython looks."""
    import tcploop_lab as lab

    with lab.open_testbed(kernel="4.1") as testbed, provisionalcompleter():
        tab = IPCompleter(namespace={"lab": lab, "testbed": testbed})
        tab.use_jedi = jedi
        shown = [{c.text.lstrip(".") for c in tab.completions(text, len(text))} for text in ("lab.", "testbed.")]
    assert shown == [set(lab.__all__), {*VERBS.split(), *FACTS.split()}]


def test_help_on_the_loop_tells_every_kind_of_client():
    """`testbed.connect_loop?` has an example, types that mean something, and a line for each kind of client."""
    import tcploop_lab as lab

    told = lab.Testbed.connect_loop.__doc__
    assert "testbed.connect_loop(33334, " in told
    assert [kind for kind in lab.ClientKind if f"{kind:<13}{kind.description}\n" not in told] == []
    assert "object" not in str(inspect.signature(lab.Testbed.connect_loop))


@pytest.mark.slow
def test_type_checkers_know_the_public_names(tmp_path):
    """mypy finds the types behind `lab.`, and a wrong argument."""
    code = tmp_path / "user.py"
    code.write_text(
        "import tcploop_lab as lab\n"
        "reveal_type(lab.open_testbed().connect_loop(33334).tries)\n"
        "reveal_type(lab.distribution('random-walk', (32768, 60999), 33334).mean)\n"
        "lab.open_testbed().connect_loop(3.5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(code)],
        capture_output=True, text=True, timeout=300, cwd=ROOT,
    )  # fmt: skip
    assert [line.partition(": ")[2] for line in done.stdout.splitlines()[:3]] == [
        'note: Revealed type is "int"',
        'note: Revealed type is "float"',
        'error: Argument 1 to "connect_loop" of "Testbed" has incompatible type "float"; expected "int | str"  '
        "[arg-type]",
    ]


def test_names_of_older_lessons_load():
    """A learner's own copy of a lesson from before the modules moved still finds what it imports."""
    code = """
from tcploop_lab import exercises, show
from tcploop_lab.model.theory import distribution
from tcploop_lab.model.rfc_figures import FIGURE_6, FIGURE_7, FIGURE_12, FIGURE_13, RFC793_FIGURE_8
from tcploop_lab.study.fit import fit
from tcploop_lab.testbed import defences
from tcploop_lab.exercises.lesson_03 import blanked, shuffled
import tcploop_lab as lab
print(distribution is lab.distribution, fit is lab.fit, FIGURE_7 is lab.FIGURE_7)
print(defences.dial.__name__, show.means.__name__)
"""
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60, cwd=ROOT)
    assert printed.split() == ["True", "True", "True", "dial", "means"]
