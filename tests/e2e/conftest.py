"""One JupyterLab and one browser for all tests of this folder; they end with it, so that no other test meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from . import browser, lab
from .lesson import Lesson


@pytest.fixture(scope="package")
def server(tmp_path_factory) -> Iterator[lab.Server]:
    """JupyterLab, as `make lab` starts it, on a copy of the course."""
    if browser.program() is None:
        pytest.skip("no Chromium here; on Debian: apt install chromium")
    with lab.running_lab(lab.copy_of_the_course(tmp_path_factory.mktemp("lab"))) as running:
        yield running


@pytest.fixture(scope="package")
def chromium() -> Iterator[browser.Browser]:
    """The browser."""
    with browser.chromium() as program:
        yield program


@pytest.fixture(scope="package")
def page(chromium: browser.Browser) -> Iterator[browser.Page]:
    """One page for all of them: JupyterLab takes it eight seconds of a processor to load."""
    with browser.page(chromium) as empty:
        yield empty


@pytest.fixture(scope="module")
def open_lesson(server: lab.Server, page: browser.Page) -> Iterator[Callable[[str], Lesson]]:
    """Opens a notebook, runs it, and keeps a picture; at the end of the module it is closed, and its kernel ended."""
    with ExitStack() as opened:

        def opens(name: str) -> Lesson:
            lesson = Lesson(page, server.folder, name)
            try:
                lesson.open(server.address)
                opened.callback(lesson.close)
                lesson.run_all()
            finally:  # a picture of a failure says most about it
                lesson.picture("after-run-all")
            return lesson

        yield opens


@pytest.fixture(scope="module")
def lesson(request: Any, server: lab.Server, open_lesson: Callable[[str], Lesson]) -> Lesson:
    """A notebook of the cells that a module calls CELLS, after Run All."""
    name = f"{request.module.__name__.rpartition('.')[2]}.ipynb"
    lab.new_notebook(server.folder / "notebooks" / name, request.module.CELLS)
    return open_lesson(name)


def notebooks() -> list[Path]:
    """The lessons there are, and the assignments with their solutions."""
    folder = lab.ROOT / "notebooks"
    return [*sorted(folder.glob("*.ipynb")), *sorted(folder.glob("assignments/source/*/*.ipynb"))]
