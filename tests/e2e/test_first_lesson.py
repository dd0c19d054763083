"""The first lesson as a learner meets it: `make lab`, a browser, Run All."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.reader import NotJSONError

from . import browser, lab

LESSON = Path("notebooks/00_start_here.ipynb")
PICTURES = lab.ROOT / "build" / "e2e"
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Lesson:
    """The lesson in a browser: what was asked of the network, what is on the page, what is in the file."""

    def __init__(self, page, folder: Path) -> None:
        self.page, self.file = page, folder / LESSON
        self.stored = nbformat.read(self.file, as_version=4)
        self.hosts: set[str | None] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def cells(self) -> list[NotebookNode]:
        """The code cells as the server stored them last."""
        with suppress(NotJSONError):  # the server is just writing the file: keep what was read before
            self.stored = nbformat.read(self.file, as_version=4)
        return [cell for cell in self.stored.cells if cell.cell_type == "code" and cell.source.strip()]

    def outputs(self) -> list[NotebookNode]:
        """All outputs as the server stored them."""
        return [output for cell in self.cells() for output in cell.outputs]

    def errors(self) -> list[str]:
        """What the cells raised."""
        return [output.evalue for output in self.outputs() if output.output_type == "error"]

    def choose(self, menu: str, entry: str) -> None:
        """Choose an entry of JupyterLab's main menu."""
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel", has_text=entry).first.click()

    def open(self, address: str) -> None:
        """Open the lesson and wait for its kernel: the status bar has its name only once it is there."""
        self.page.goto(address)
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)

    def run_all(self, seconds: float = 120) -> None:
        """Run all cells and wait until each is stored with its count, or one has raised."""
        self.choose("Run", "Run All Cells")
        end = monotonic() + seconds
        while not self.errors() and not all(cell.execution_count for cell in self.cells()):
            assert monotonic() < end, f"not all cells ran within {seconds} s"
            sleep(1)
            self.page.keyboard.press("Control+s")


def without_outputs(file: Path) -> None:
    """Take all outputs out of a notebook, so that what a test sees comes from its own run."""
    notebook = nbformat.read(file, as_version=4)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, file)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory) -> Iterator[Lesson]:
    """The first lesson after Run All, in a browser that is still open."""
    if browser.program() is None:
        pytest.skip("no Chromium here; on Debian: apt install chromium")
    folder = lab.copy_of_the_course(tmp_path_factory.mktemp("lab"))
    without_outputs(folder / LESSON)
    with lab.running_lab(folder) as address, browser.chromium() as page:
        opened = Lesson(page, folder)
        try:
            opened.open(address)
            opened.run_all()
        finally:  # a picture of a failure says most about it
            page.screenshot(path=PICTURES / "first-lesson.png")
        yield opened


def test_every_cell_ran_without_an_error(lesson):
    """Run All runs each cell of the lesson once, in order, and none raises."""
    assert lesson.errors() == []
    counts = [cell.execution_count for cell in lesson.cells()]
    assert counts and counts == list(range(1, len(counts) + 1))
    assert lesson.complaints == []


def test_the_socket_met_itself(lesson):
    """The lesson's own run ended in a self-connection, with the same name at both ends."""
    text = "\n".join(str(output) for output in lesson.outputs())
    assert re.search(r"connected to itself: (127\.0\.0\.1:\d+) = \1 after [\d,]+ tries", text)


def test_a_figure_with_its_alternative_text_is_on_the_page(lesson):
    """The figure is drawn in the browser, and says in words what it shows."""
    figure = lesson.page.locator(".jp-OutputArea img[alt]").first
    figure.scroll_into_view_if_needed()
    lesson.page.screenshot(path=PICTURES / "first-figure.png")
    assert figure.evaluate("image => image.naturalWidth") > 300
    assert len(figure.get_attribute("alt")) > 20


def test_nothing_outside_this_machine_was_asked_for(lesson):
    """JupyterLab and the lesson load everything from the server that make lab started."""
    assert lesson.hosts - {None} == {"127.0.0.1"}
