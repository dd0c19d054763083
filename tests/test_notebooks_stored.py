"""What every stored notebook holds to: readable where nothing runs, comparable where something does."""

from __future__ import annotations

import ast
import json
import re
import socket
from copy import deepcopy
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

import tcploop_lab as lab
from tcploop_lab import exercises as lessons

FOLDER = Path(__file__).parents[1] / "notebooks"
GENERATED = {".ipynb_checkpoints", "release", "submitted", "autograded", "feedback"}
STORED = sorted(p for p in FOLDER.rglob("*.ipynb") if not GENERATED & set(p.parts))
COURSE = [path for path in STORED if path.parent == FOLDER]
CHECKED = "nbval-check-output"
# Each of these would let a cell pass that did not do what the text says.
BLUNT_TAGS = {"nbval-skip", "nbval-ignore-output", "raises-exception"}
OPENING = ("## What you will be able to do", "## What you need")
ENDING = ("## What to remember", "## Next")
KEPT_METADATA = {"tags", "jupyter", "nbgrader", "editable", "deletable"}
MACHINE_PATHS = ("/home/", "/root/", "/tmp/", "/Users/", "/work/", f"{Path.home()}/")
PICTURE = re.compile(r"data:image/[\w+.-]+;base64,[\w+/=]+")
ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}")
LINK = re.compile(r"\]\(([^)#]+)")
CHECK = re.compile(r"^lab\.exercises\.check\(\"(\S+)\", ", re.MULTILINE)
INSIDE = re.compile(r"\s*(import|from) tcploop_lab")
EXERCISE = re.compile(r"^### Exercise (\S+)$", re.MULTILINE)
FOLDED = re.compile(r"^<details><summary>Solution</summary>\n\n(.*?)\n\n</details>$", re.MULTILINE | re.DOTALL)

# A section of this course: "section 3", "lesson 05, section 8", "section 8 of lesson 05"; not "RFC 9293 section 3.5".
SECTION = re.compile(
    r"(?:[Ll]esson (\d\d)\]?(?:\(\S+?\))?, )?(?<!\d )[Ss]ection (\d+)(?!\d|\.\d)(?: of lesson (\d\d))?"
)


def ids(paths: list[Path]) -> list[str]:
    """How the tests name these notebooks."""
    return [str(path.relative_to(FOLDER)) for path in paths]


every = pytest.mark.parametrize("path", STORED, ids=ids(STORED))
each_lesson = pytest.mark.parametrize("path", COURSE, ids=ids(COURSE))


@cache
def read(path: Path) -> NotebookNode:
    """The notebook as nbformat version 4: one for all tests, which leave it as it is."""
    return nbformat.read(path, as_version=4)


def written(path: Path) -> str:
    """All text and code of a notebook."""
    return "\n".join(cell.source for cell in read(path).cells)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells that hold anything."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def tags(cell: NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def shown(output: NotebookNode) -> str:
    """The text of an output that nbval compares; it never compares a picture."""
    return output.get("text", "") or output.get("data", {}).get("text/plain", "")


def texts(notebook: NotebookNode) -> str:
    """All that is stored, pictures left out: their letters are random and may spell a path."""
    notebook = deepcopy(notebook)
    for output in (o for cell in code(notebook) for o in cell.outputs):
        for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
            del output.data[kind]
    return PICTURE.sub("", json.dumps(notebook, ensure_ascii=False))


def opening(notebook: NotebookNode) -> str:
    """The text before the first code cell."""
    kinds = [cell.cell_type for cell in notebook.cells]
    return "\n".join(cell.source for cell in notebook.cells[: kinds.index("code")])


def ending(notebook: NotebookNode) -> str:
    """The text after the last code cell."""
    kinds = [cell.cell_type for cell in notebook.cells]
    return "\n".join(cell.source for cell in notebook.cells[len(kinds) - kinds[::-1].index("code") :])


def test_the_course_is_complete():
    """The lessons are there, numbered in reading order without a gap."""
    numbers = [path.name[:2] for path in COURSE]
    assert len(numbers) >= 7
    assert numbers == [f"{number:02}" for number in range(len(numbers))]
    assert COURSE[0].name == "00_start_here.ipynb"


@every
def test_notebook_is_valid_and_names_the_plain_kernel(path):
    """The file follows the notebook format and asks for the kernel that every Python environment has."""
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


@every
def test_stored_outputs_are_of_one_clean_run(path):
    """Every code cell was run once, in order, from a fresh kernel, and none ended in an error.

    nbval compares nothing without a count.
    """
    cells = code(read(path))
    assert cells
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert kinds and "error" not in kinds


@every
def test_checked_cells_have_something_to_compare(path):
    """A cell tagged nbval-check-output has stored text, free of memory addresses, that nbval can compare."""
    checked = [cell for cell in code(read(path)) if CHECKED in tags(cell)]
    assert checked
    stored = ["".join(map(shown, cell.outputs)) for cell in checked]
    assert [cell.source for cell, text in zip(checked, stored, strict=True) if not text.strip()] == []
    assert [text for text in stored if ADDRESS.search(text) or text.startswith("<Figure")] == []


@every
def test_no_cell_is_excused(path):
    """No tag lets a cell fail, or pass without being run."""
    assert set().union(*map(tags, code(read(path)))) & BLUNT_TAGS == set()


@every
def test_no_noise_is_stored(path):
    """No state of widgets, no times of execution, nothing of the editor that saved it."""
    notebook = read(path)
    kept = set().union(*(cell.metadata for cell in notebook.cells))
    kinds = {kind for cell in code(notebook) for o in cell.outputs for kind in o.get("data", {})}
    assert "widgets" not in notebook.metadata
    assert kept <= KEPT_METADATA
    assert [kind for kind in kinds if "widget" in kind] == []


@every
def test_nothing_of_the_machine_is_stored(path):
    """No path and no host name of the machine that ran the notebook."""
    stored = texts(read(path))
    name = socket.gethostname().partition(".")[0]
    assert [place for place in MACHINE_PATHS if place in stored] == []
    assert name == "localhost" or not re.search(rf"\b{re.escape(name)}\b", stored)


@each_lesson
def test_code_cells_are_short(path):
    """A code cell of a lesson has at most 8 lines, of at most 88 characters: it is read without scrolling."""
    long = [cell.source for cell in code(read(path)) if len(cell.source.strip().splitlines()) > 8]
    assert long == []
    assert [line for cell in code(read(path)) for line in cell.source.splitlines() if len(line) > 88] == []


@each_lesson
def test_lesson_takes_the_lab_from_its_public_names(path):
    """A lesson imports `tcploop_lab as lab` and nothing from the inside of the package, so that a move breaks none."""
    imported = [line for cell in code(read(path)) for line in cell.source.splitlines() if INSIDE.match(line)]
    assert imported == ["import tcploop_lab as lab"]


@each_lesson
def test_lesson_opens_with_what_a_learner_asks(path):
    """Before any code: a title, what you will be able to do, what you need, how many minutes."""
    text = opening(read(path))
    assert text.startswith("# ")
    assert [heading for heading in OPENING if f"{heading}\n" not in text] == []
    assert re.search(r"\b\d+ minutes\b", text)


@each_lesson
def test_lesson_says_how_to_go_on(path):
    """Before any code: how to interrupt, what to do after a break or a restart, a closed tab; glossary, cheat sheet."""
    text = opening(read(path))
    assert {"../docs/glossary.md", "../docs/cheatsheet.md", "../docs/cheatsheet.pdf"} <= set(LINK.findall(text))
    words = ("Interrupt Kernel", "Run All Above Selected Cell", "restart", "closed browser tab")
    assert [word for word in words if word not in text] == []


@each_lesson
def test_lesson_asks_the_exercises_that_the_lab_checks(path):
    """All of them (three to six, as tests/exercises holds), in their order; each has one cell that checks it."""
    notebook, lesson = read(path), import_module(f"tcploop_lab.exercises.lesson_{path.name[:2]}")
    asked = EXERCISE.findall("\n".join(cell.source for cell in notebook.cells))
    checked = [number for cell in code(notebook) for number in CHECK.findall(cell.source)]
    assert asked == checked == [exercise.number for exercise in lesson.EXERCISES]


@each_lesson
def test_what_a_lesson_and_its_hints_refer_to_is_there(path):
    """Every section that they name has a heading in its lesson, and a hint names exercises of its own lesson only."""
    headings = {one.name[:2]: set(re.findall(r"^## (\d+)\. ", written(one), re.MULTILINE)) for one in COURSE}
    own, text = path.name[:2], written(path)
    tree = ast.walk(ast.parse(Path(lessons.__path__[0], f"lesson_{own}.py").read_text()))
    hints = "\n".join(node.value for node in tree if isinstance(node, ast.Constant) and isinstance(node.value, str))
    named = [(before or after or own, section) for before, section, after in SECTION.findall(f"{text}\n{hints}")]
    assert [(lesson, section) for lesson, section in named if section not in headings[lesson]] == []
    assert set(re.findall(r"\b0\d\.\d\b", hints)) <= set(EXERCISE.findall(text))


@each_lesson
def test_every_exercise_has_one_folded_solution(path):
    """Below each exercise, and before the next one, there is one solution, folded, that gives an answer."""
    _, *parts = EXERCISE.split(written(path))
    folded = {number: FOLDED.findall(part) for number, part in zip(parts[::2], parts[1::2], strict=True)}
    assert folded
    assert [number for number, found in folded.items() if len(found) != 1 or "answer = " not in found[0]] == []


@each_lesson
def test_lesson_ends_with_what_to_remember(path):
    """After all code: what to remember, then where to go next, and the link leads somewhere."""
    text = ending(read(path))
    places = [text.find(heading) for heading in ENDING]
    assert -1 < places[0] < places[1]
    links = [link for link in LINK.findall(text[places[1] :]) if "://" not in link]
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize(("path", "following"), list(pairwise(COURSE)), ids=str)
def test_next_link_leads_to_the_next_lesson(path, following):
    """The next link of a lesson is the lesson that follows it."""
    text = ending(read(path))
    assert following.name in LINK.findall(text[text.find("## Next") :])


@pytest.mark.parametrize(
    ("name", "source"),
    [("05_probability", "lab.measured_kernels()"), ("06_in_the_wild", "table = lab.stored_audits()\ntable")],
)
def test_a_stored_table_of_what_is_recorded_is_the_one_that_ships(name, source):
    """Who records anew runs the lesson's cells again, too. The text is compared, not how HTML looks."""
    (stored,) = [cell for cell in code(read(FOLDER / f"{name}.ipynb")) if cell.source == source]
    shipped = getattr(lab, re.findall(r"lab\.(\w+)", source)[0])()
    assert stored.outputs[0].data["text/plain"] == repr(shipped)
