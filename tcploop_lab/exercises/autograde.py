"""What nbgrader runs in the place of its own execution: `c.Autograde.autograde_preprocessors` names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from .submission import graded, with_outcomes


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
