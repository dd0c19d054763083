"""What nbgrader runs in the place of its own: `c.Autograde`'s two lists of preprocessors name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from .submission import graded, restored, with_outcomes


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
