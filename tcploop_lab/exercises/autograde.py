"""What nbgrader runs in the place of its own: `c.Autograde`'s exporter and two lists of preprocessors name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.v4 import new_notebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from . import marks
from .submission import graded, restored, with_outcomes


class Careful(NotebookExporter):
    """Reads what was handed in as `tcploop grade` does: no pipe and no endless list of tags holds up the others."""

    def from_filename(self, filename: str, resources: Any = None, **more: Any) -> Any:
        """Return the notebook, converted. ValueError, in one line, for what is none."""
        course = CourseDirectory(parent=self)
        submitted = Path(course.root, course.submitted_directory).resolve()
        if not Path(filename).resolve().is_relative_to(submitted):  # what the first pass has written
            return super().from_filename(filename, resources, **more)
        cells = marks.cells_of(Path(filename))
        for number, cell in enumerate(cells):
            cell["id"] = f"handed-in-{number}"
        notebook = new_notebook(cells=cells)  # type: ignore[no-untyped-call]
        resources = (resources or {}) | {"metadata": {"name": Path(filename).stem, "path": str(Path(filename).parent)}}
        return self.from_notebook_node(notebook, resources, **more)  # type: ignore[no-untyped-call]


class Restored(NbGraderPreprocessor):  # type: ignore[misc]
    """Puts what is not the student's back, before nbgrader reads it: one cell of another version ends all grading."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Return the notebook with the cells, names and marks of the release. ValueError if there is no release."""
        names = resources["nbgrader"]
        place = CourseDirectory(parent=self).format_path("release", ".", names["assignment"])
        path = Path(place, f"{names['notebook']}.ipynb")
        if not path.is_file():
            raise ValueError(f"file {str(path)!r}: there is none; make it with nbgrader generate_assignment")
        nb.cells = restored(nb.cells, nbformat.read(path, as_version=4).cells)  # type: ignore[no-untyped-call]
        return nb, resources


class Judged(NbGraderPreprocessor):  # type: ignore[misc]
    """Runs the submission in a sandbox, judges what came out, and writes only the outcome into the graded cells."""

    sandbox = Bool(True, help="False: in a process of its own, with a time limit and no more").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Return the notebook with an outcome in each graded cell."""
        names = resources["nbgrader"]
        course = Path(CourseDirectory(parent=self).root)  # formgrader runs elsewhere
        grade = graded(course, names["assignment"], nb.cells, names["student"], self.sandbox)
        with_outcomes(nb.cells, grade)
        return nb, resources
