"""A notebook in a browser: run it, look at what is on the page and in the file, use its widgets."""

from __future__ import annotations

import re
from contextlib import suppress
from json import JSONDecodeError
from pathlib import Path
from secrets import token_hex
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import nbformat
from nbformat import NotebookNode
from playwright.sync_api import Locator, Page

from . import lab

PICTURES = lab.ROOT / "build" / "e2e"
OUTPUTS = ".jp-OutputArea-output"
_IDLE = "Python 3 (ipykernel) | Idle"
# To save a notebook full of figures again and again while it runs would take longer than to run it.
NOTHING_RUNS = """() => ![...document.querySelectorAll(".jp-CodeCell .jp-InputArea-prompt")]
    .some(prompt => prompt.textContent.includes("*"))"""


class Lesson:
    """A notebook of the course, in a page of its own and on disk as the server stored it last."""

    def __init__(self, page: Page, folder: Path, name: str, stored: bool = False) -> None:
        self.page, self.name = page, name
        self.file = folder / "notebooks" / name
        self.workspace = f"{self.file.stem}-{token_hex(4)}"  # of one name JupyterLab would open again what was open
        if not stored:
            without_outputs(self.file)
        self.stored = nbformat.read(self.file, as_version=4)
        self.hosts: set[str | None] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def cells(self) -> list[NotebookNode]:
        """The code cells as the server stored them last."""
        with suppress(JSONDecodeError):  # the server is just writing the file: keep what was read before
            self.stored = nbformat.v4.reads(self.file.read_text())  # nbformat.read would validate it each time
        return [cell for cell in self.stored.cells if cell.cell_type == "code" and cell.source.strip()]

    def outputs(self) -> list[NotebookNode]:
        """All outputs as the server stored them."""
        return [output for cell in self.cells() for output in cell.outputs]

    def errors(self) -> list[str]:
        """What the cells raised."""
        return [output.evalue for output in self.outputs() if output.output_type == "error"]

    def counts(self) -> list[int | None]:
        """The execution counts of the code cells."""
        return [cell.execution_count for cell in self.cells()]

    def choose(self, menu: str, entry: str) -> None:
        """Choose an entry of JupyterLab's main menu."""
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel", has_text=entry).first.click()

    def open(self, address: str) -> None:
        """Open the notebook and wait for its kernel: in the JupyterLab that the page has loaded, or in a new one.

        The status bar has the kernel's name only once it is there.
        """
        if self.page.url == "about:blank":
            place = f"/lab/workspaces/{self.workspace}/tree/notebooks/{self.name}"
            self.page.goto(re.sub(r"/lab/tree/[^?]*", place, address))
        else:
            self.choose("File", "Open from Path")
            self.page.locator(".jp-Dialog input").fill(f"notebooks/{self.name}")
            self.page.keyboard.press("Enter")
        self.page.get_by_text(_IDLE).wait_for()

    def close(self) -> None:
        """End the kernel and close the notebook, of which nothing is saved."""
        self.shut_down()
        self.choose("File", "Close Tab")
        discard = self.page.get_by_role("button", name="Discard")
        discard.or_(self.page.locator("body:not(:has(.jp-Notebook))")).wait_for(state="attached")
        if discard.count():
            discard.click()
        self.page.locator(".jp-Notebook").wait_for(state="detached")

    def run_all(self, seconds: float = 600) -> None:
        """Run all cells and wait until each is stored with its count, or one has raised."""
        self.choose("Run", "Run All Cells")
        self._save_until(self._stored, seconds)

    def _stored(self) -> bool:
        cells = self.cells()
        raised = any(output.output_type == "error" for cell in cells for output in cell.outputs)
        return raised or all(cell.execution_count for cell in cells)

    def restart(self) -> None:
        """Restart the kernel and clear all outputs, as one does who begins again."""
        self.choose("Kernel", "Restart Kernel and Clear Outputs of All Cells")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        self._save_until(lambda: not any(self.counts()), 120)
        self.page.get_by_text(_IDLE).wait_for()

    def save(self) -> None:
        """Save, and wait until the server has it and the page has nothing left to save."""
        name = self.file.name
        with self.page.expect_response(lambda answer: answer.request.method == "PUT" and name in answer.url):
            self.page.keyboard.press("Control+s")
        self.page.locator(".jp-mod-dirty").wait_for(state="detached")

    def shut_down(self) -> None:
        """End the kernel, if a test has not done so."""
        ended = self.page.get_by_text("No Kernel | Unknown")
        if not ended.count():
            self.choose("Kernel", "Shut Down Kernel")
        ended.wait_for()

    def _save_until(self, done: Any, seconds: float) -> None:
        end = monotonic() + seconds
        while not done():
            assert monotonic() < end, f"{self.name}: not done within {seconds} s"
            sleep(0.3)
            self.page.wait_for_function(NOTHING_RUNS, timeout=1000 * seconds, polling=200)
            self.page.keyboard.press("Control+s")

    def figures(self) -> Locator:
        """The pictures in the outputs."""
        return self.page.locator(f"{OUTPUTS} img")

    def cell_of(self, call: str) -> Locator | None:
        """The code cell on the page whose source calls this, such as "lab.loop_console("; None if there is none."""
        found = [number for number, cell in enumerate(self.cells()) if call in cell.source]
        return self.cell(found[0]) if found else None

    def cell(self, number: int) -> Locator:
        """The code cell on the page with this number, from 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def run_cell(self, number: int) -> Locator:
        """Run one cell as Ctrl and Enter do, and return it."""
        self.cell(number).locator(".jp-InputArea-prompt").click()
        self.page.keyboard.press("Control+Enter")
        return self.cell(number)

    def picture(self, what: str, of: Locator | None = None) -> None:
        """Keep a screenshot of the page, or of a part of it, for whoever looks at a run of CI."""
        path = PICTURES / f"{self.file.stem}-{what}.png"
        of.screenshot(path=path) if of is not None else self.page.screenshot(path=path)


def without_outputs(file: Path) -> None:
    """Take all outputs out of a notebook, so that what a test sees comes from its own run."""
    notebook = nbformat.read(file, as_version=4)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, file)
