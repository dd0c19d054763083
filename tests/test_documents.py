"""What the documents promise is there: files, commands, make targets, and the course's own table."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"\]\(([^)#\s]+)")
README = DOCUMENTS[0].read_text()
WORDS = ROOT / "docs" / "programs.md"  # the words of the programs that were audited are no document of ours
SOURCES = ROOT / "docs" / "sources.md"
ROW = re.compile(r"^\| \[[^]]+\]\((\S+)\) \|(.*)\|(.*)\|$", re.MULTILINE)
ADDRESS = re.compile(r"https?://[\w.-]+(?:/[^\s)\"'<>`\\]*)?")
OUR_OWN = ("http://127.0.0.1", "http://www.w3.org/2000/svg")  # this machine, and the name of a format


def written() -> dict[str, str]:
    """What a reader reads, by file: documents, the sources of notebooks (not their outputs), the package."""
    texts = {path: path.read_text() for place in ("*.md", "docs/*.md") for path in ROOT.glob(place)}
    texts |= {path: path.read_text() for path in (ROOT / "tcploop_lab").rglob("*.py")}
    texts |= {path: path.read_text() for path in (ROOT / "notebooks" / "assignments").glob("*.md")}
    notebooks = [path for place in ("*", "assignments/source/*/*") for path in ROOT.glob(f"notebooks/{place}.ipynb")]
    for path in notebooks:
        texts[path] = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    return {str(path.relative_to(ROOT)): text for path, text in texts.items() if path not in (SOURCES, WORDS)}


def linked(text: str) -> set[str]:
    """The addresses in a text that lead out of this machine."""
    return {found.rstrip(".,;:") for found in ADDRESS.findall(text) if not found.startswith(OUR_OWN)}


def test_the_sources_are_those_that_are_used():
    """Each address in a lesson, a document or the package has one row in docs/sources.md, and no row is left over."""
    used = set().union(*map(linked, written().values()))
    listed = [address for address, *_ in ROW.findall(SOURCES.read_text())]
    assert len(used) > 20
    assert sorted(listed) == sorted(used)
    assert set(listed) == linked(SOURCES.read_text())


def test_what_a_source_supports_was_looked_up():
    """A row that says what its source supports also says on which day that was looked up."""
    told = [(date.strip(), words.strip()) for _, date, words in ROW.findall(SOURCES.read_text())]
    assert sum(bool(words) for _, words in told) > 20
    assert [words for date, words in told if bool(words) != bool(re.fullmatch(r"20\d\d-\d\d-\d\d", date))] == []


def test_a_source_stands_with_the_first_lesson_that_uses_it():
    """Its section is that lesson's; what no lesson uses stands under the package. No date is still to come."""
    lessons = {name: text for name, text in sorted(written().items()) if re.match(r"notebooks/\d", name)}
    wrong = []
    for section in SOURCES.read_text().split("\n## ")[1:]:
        for address, date, _ in ROW.findall(section):
            first = next((f"Lesson {name[10:12]}" for name, text in lessons.items() if address in linked(text)), "")
            wrong += [address] * (section.partition("\n")[0] != (first or "The package and its documents"))
            assert not date.strip() or datetime.date.fromisoformat(date.strip()) <= datetime.date.today()
    assert len(lessons) > 7 and wrong == []


def anchors(text: str) -> set[str]:
    """The names of a document's headings, as GitHub and the web pages make them."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_no_link_inside_is_dead():
    """What a document or a lesson links to inside the project is there, and so is the heading that it names."""
    dead, seen = [], 0
    for name, text in written().items():
        if name.startswith("tcploop_lab/"):
            continue
        for link in re.findall(r"\]\(((?![a-z]+:|attachment)[^)\s]+)\)", text):
            path, _, heading = link.partition("#")
            target = (ROOT / name).parent / path if path else ROOT / name
            seen += 1
            named = heading and target.suffix == ".md" and heading not in anchors(target.read_text())
            dead += [(name, link)] * bool(not target.exists() or named)
    assert seen > 50 and dead == []


def indented(text: str) -> list[str]:
    """The lines of the code blocks."""
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_a_test_that_a_page_names_is_there():
    """Where a page of docs/ says which test holds a line, the file has a test of that name."""
    pages = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", pages))
    assert len(named) > 20
    assert [one for one in named if f"def {one[1]}(" not in (ROOT / one[0]).read_text()] == []


@pytest.mark.parametrize("figure", sorted((ROOT / "docs" / "figures").iterdir()), ids=lambda path: path.name)
def test_every_figure_is_shown_and_made_by_a_script(figure):
    """Each stored figure is shown in the README with words, is small, and its name is in a script that makes it."""
    words = re.search(rf"!\[([^]]+)\]\(docs/figures/{re.escape(figure.name)}\)", README)
    assert words is not None and len(words[1]) > 40
    assert figure.stat().st_size < 250_000
    scripts = [*(ROOT / "tools").glob("*.py"), ROOT / "Makefile"]
    assert [path.name for path in scripts if figure.name in path.read_text()]


def test_the_readme_shows_what_a_learner_will_see():
    """Among the figures are pictures of JupyterLab, of a widget and of a terminal."""
    shown = set(re.findall(r"docs/figures/([\w-]+\.png)", README))
    assert {"lesson-00.png", "loop-console.png", "terminal.png"} < shown


def test_readme_lists_every_command():
    """The table of commands in the README is the list that tcploop itself prints."""
    printed = subprocess.check_output([sys.executable, "-m", "tcploop_lab", "--help"], text=True, timeout=60)
    commands = re.findall(r"^  ([a-z]+) ", printed.partition("Commands:")[2], re.MULTILINE)
    assert len(commands) > 5
    assert re.findall(r"^\| `tcploop ([a-z]+)", README, re.MULTILINE) == commands


def test_readme_lists_every_lesson():
    """The table of lessons in the README names each lesson once, in reading order."""
    lessons = sorted(f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("0*.ipynb"))
    rows = [line for line in README.splitlines() if line.startswith("| [0")]
    assert lessons
    assert [LINK.search(row)[1] for row in rows] == lessons


def planned(path: Path) -> float:
    """Minutes for a lesson by the rule of docs/teaching.md, without what is folded."""
    cells = json.loads(path.read_text())["cells"]
    text = "".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "markdown")
    words = re.sub(r"(?s)<details.*?</details>|<[^>]+>|\]\([^)]*\)|[|*`#-]+", " ", text).split()
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return len(words) / 200 + len(code) / 2 + 2 * len(re.findall(r"(?m)^### Exercise", text))


def test_readme_says_how_long_the_course_takes():
    """A lesson states the minutes of the rule, rounded up; the README has their sum, the shortest and the longest."""
    lessons = sorted((ROOT / "notebooks").glob("0*.ipynb"))
    minutes = [int(re.search(r"\*\*Time:\*\* (\d+) minutes", path.read_text())[1]) for path in lessons]
    assert {
        path.name: time for path, time in zip(lessons, minutes, strict=True) if not 0 <= time - planned(path) < 8
    } == {}
    words = f"the first one {minutes[0]} minutes, the others {min(minutes[1:])} to {max(minutes)} each"
    assert "200 words or two cells a minute, and two minutes for an exercise" in (ROOT / "docs/teaching.md").read_text()
    assert round(sum(minutes) / 30) == 13
    assert f"six and a half hours in all, {words}" in README


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_make_commands_exist(path):
    """Every make command in a document is a target of the Makefile."""
    named = {line.split()[1] for line in indented(path.read_text()) if line.startswith("make ")}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"lab", "test"} <= named <= targets


def test_make_help_lists_the_two_commands():
    """`make help` names make lab and make test, each with what it does."""
    listed = subprocess.check_output(["make", "--no-print-directory", "help"], cwd=ROOT, text=True, timeout=60)
    rows = dict(line.removeprefix("make ").split(maxsplit=1) for line in listed.splitlines())
    assert list(rows)[1:3] == ["lab", "test"]
    assert all(rows.values())
