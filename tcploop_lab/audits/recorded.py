"""Audits that ship with the package: what the lessons' programs did when that was recorded (`make record`).

They are shown, with their label, where no private network can be made; never in the place of a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import NotOnThisTestbed
from ..results import stored
from .audit import AuditResult

RECORD = Path(__file__).parents[1] / "recorded" / "audits.json"


def recorded_audit(command: Sequence[str]) -> AuditResult:
    """Return what was recorded of this command, word by word. NotOnThisTestbed if nothing was."""
    for result in stored.load(RECORD, list[AuditResult]):
        if result.command == tuple(command):
            return result
    raise NotOnThisTestbed("this command is none of those that are recorded, the lessons'")


def store(results: Sequence[AuditResult]) -> None:
    """Write the results where `recorded_audit` reads them; the options of segments are left out."""
    results = [replace(one, segments=tuple(replace(each, options=()) for each in one.segments)) for one in results]
    stored.store(RECORD, results)
