"""A study: a plan, and what runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import engine
from .plan import Plan

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from ..testbed.testbed import Testbed
    from .result import StudyResult


@dataclass(frozen=True, repr=False, eq=False)
class Study(Plan):
    """Samples of the tries to success, in every combination of ports, ranges and clients.

    `ports`, `ranges` and `clients` take what one would write: 33334, "33334,40000", [(40000, 40999)],
    "same-socket". `samples` is the number per cell. `start` "random" samples independent first hits, each
    from a fresh address and so from a random place of the kernel's counter; "return" samples returns to a
    port that was just left. `max_tries` bounds a sample, which is then censored (None: by theory, see
    `CellPlan.max_tries`). `seed` orders the tasks; the tries themselves depend on the kernel's own secret
    and cannot be repeated. Raises ValueError, in one line, for what is not allowed.
    """

    def run(
        self,
        testbed: Testbed | Executor | None = None,
        out: str | Path | None = None,
        resume: bool = False,
        workers: int | None = None,
        progress: bool = True,
    ) -> StudyResult:
        """Draw the samples and return the result; an interrupt (Ctrl-C) returns what there is by then.

        `testbed` None opens one; a Testbed names the kind to open; any concurrent.futures Executor is used
        as it is, and its processes make namespaces of their own. `workers` is how many work at once (None:
        one per core). `out` is a file that gets every finished task at once (None: memory only); with
        `resume` an earlier file of this very study is continued. Raises ValueError for bad arguments or
        files, NotOnThisTestbed where such a study cannot be run, StudyStopped (with `.result`) where it
        could not go on.
        """
        return engine.run(self, testbed, out, resume, workers, progress)
