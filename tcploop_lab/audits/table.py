"""Audits the real programs of `programs.py`, and keeps what came out, with versions and date.

audit_programs()           now, on this machine
stored_audits()            what was stored with the package
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..errors import NotOnThisTestbed
from ..results.description import Description, Judged, Said, Table
from ..results.shown import ShownWhole
from .audit import DEFAULT_ATTEMPTS, AuditResult, audit, private_testbed
from .programs import PROGRAMS, Program, folder, say
from .sandbox.wanted import Sandbox
from .verdicts import AuditVerdict

STORED = Path(__file__).parents[1] / "recorded" / "programs.json"
TIMEOUT = 8.0  # seconds; each program is told to wait for 3 s at most, and Java needs one to start


@dataclass(frozen=True)
class ProgramAudit:
    """One row: a program, its version, what it did and on which day. `verdict` is "" where it is not installed."""

    name: str
    package: str
    version: str = ""
    command: str = ""
    attempts: int = DEFAULT_ATTEMPTS
    verdict: str = ""
    exit_status: int | None = None
    did: str = ""
    date: str = ""
    kind: str = ""


@dataclass(frozen=True, repr=False)
class AuditTable(ShownWhole):
    """The audits of some programs, with the day and the kernel. `recorded` is False if they were made just now."""

    date: str
    kernel: str
    rows: tuple[ProgramAudit, ...]
    recorded: bool = False

    @property
    def summary(self) -> str:
        """One line: in how many of the audits the program took itself for a server, when and where."""
        found = [row for row in self.rows if row.verdict]
        fooled = sum(row.verdict == "self-connected" for row in found)
        when = f"recorded on {self.date}, {self.kernel}" if self.recorded else f"{self.kernel}, {self.date}"
        return f"in {fooled} of {len(found)} audits the program took itself for a server ({when})"

    def describe(self) -> Description:
        """Return the row of each program; those that were not fooled come first."""
        same = (("kind", "kind"), ("version", "version"), ("date", "date"), ("verdict", "verdict"))
        columns = (("name", "program"), *same, ("did", "what it did"))
        ordered = sorted(self.rows, key=lambda row: row.verdict == AuditVerdict.SELF_CONNECTED)
        rows = [(row.name, row.kind, row.version or None, row.date, _verdict(row.verdict), row.did) for row in ordered]
        return Description(self.summary, tables=(Table("programs", columns, rows),))

    def verdicts(self) -> dict[str, str]:
        """Return the verdict of each program that is installed."""
        return {row.name: row.verdict for row in self.rows if row.verdict}

    def over(self, older: AuditTable) -> AuditTable:
        """Return this table, with the older rows of the programs that are not installed here."""
        before = {row.name: row for row in older.rows}
        return replace(self, rows=tuple(row if row.verdict else before.get(row.name, row) for row in self.rows))

    def markdown(self) -> str:
        """Return the rows in Markdown, a table for each kind of program, each with its count of verdicts."""
        kinds = list(dict.fromkeys(row.kind for row in self.rows))
        return "\n".join(_section(kind, [row for row in self.rows if row.kind == kind]) for kind in kinds)


def _section(kind: str, rows: list[ProgramAudit]) -> str:
    count = Counter(row.verdict or "not installed" for row in rows)
    counted = ", ".join(f"{number} {verdict}" for verdict, number in count.most_common())
    head = f"## {kind[:1].upper()}{kind[1:]}: {counted}\n\n"
    head += "| program | from | version | date | verdict | what it did |\n| --- | --- | --- | --- | --- | --- |\n"
    cells = ((row.name, row.package, row.version, row.date, row.verdict or "not installed", row.did) for row in rows)
    return head + "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in cells)


def _verdict(verdict: str) -> object:
    return Said(verdict, Judged(verdict, AuditVerdict(verdict).good)) if verdict else Said(None, "not installed")


def audit_programs(names: Iterable[str] | None = None, or_recorded: bool = False) -> AuditTable:
    """Audit the programs with these names (None: all that are known), and return the table.

    A program that is not installed has a row that says so. With `or_recorded` the rows are those that ship with the
    package, with a label, where no private network can be had.

    Raises ValueError for a name that is not known, NotOnThisTestbed without a private network.
    """
    chosen = [_find(name) for name in names] if names is not None else list(PROGRAMS)
    try:
        return _audit_now(chosen)
    except NotOnThisTestbed:
        if not or_recorded:
            raise
        names, stored = [program.name for program in chosen], stored_audits()
        return replace(stored, rows=tuple(row for row in stored.rows if row.name in names))


def _audit_now(chosen: list[Program]) -> AuditTable:
    private_testbed(None).close()  # where that is refused, nothing need be built
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        _build(chosen, Path(made))
        done = list(pool.map(lambda program: _audit(program, Path(made)), chosen))
    kernels = {kernel for _, kernel in done if kernel}
    return AuditTable(datetime.now(UTC).date().isoformat(), ", ".join(kernels), tuple(row for row, _ in done))


def stored_audits() -> AuditTable:
    """Return the table that is stored with the package. `make audit` makes it."""
    from ..results.stored import load

    return replace(load(STORED, AuditTable), recorded=True)


def store(table: AuditTable, path: Path = STORED) -> None:
    """Write a table where `stored_audits` reads it."""
    from ..results import stored

    stored.store(path, replace(table, recorded=True))


def _find(name: str) -> Program:
    for program in PROGRAMS:
        if program.name == name:
            return program
    raise ValueError(f"program {name!r}: there are {', '.join(program.name for program in PROGRAMS)}")


def _build(programs: Iterable[Program], made: Path) -> None:
    """Build the small clients, each once."""
    environment = {**os.environ, "GOCACHE": str(made / "go-cache"), "GO111MODULE": "off"}
    for program in {program.build: program for program in programs if program.build and program.installed}.values():
        say(program.words(program.build, made), environment)


def _audit(program: Program, made: Path) -> tuple[ProgramAudit, str]:
    """Return the row of one program and the kernel it ran on."""
    if not program.installed:
        return ProgramAudit(program.name, program.package, kind=program.kind), ""
    there = [str(path) for path in (made, folder()) if path.exists()]
    command, built = program.words(program.command, made), Sandbox(shares=there)
    result = audit(command, timeout=TIMEOUT, attempts=program.attempts, kind="namespace", sandbox=built)
    row = ProgramAudit(
        name=program.name,
        package=program.package,
        version=program.version_here(made),
        command=_shown(program),
        attempts=program.attempts,
        verdict=str(result.verdict),
        exit_status=result.exit_status,
        did=_did(result, made),
        date=datetime.now(UTC).date().isoformat(),
        kind=program.kind,
    )
    return row, result.kernel


def _shown(program: Program) -> str:
    """The command as it is stored: without the folders of this machine."""
    words = " ".join(program.command)
    for name, short in (("{python}", "python3"), ("{clients}/", ""), ("{made}/", ""), ("{npm}/", "")):
        words = words.replace(name, short)
    return words


def _did(result: AuditResult, made: Path) -> str:
    """What the program did, in its own last words and its exit status, without the folders of this machine."""
    words = next((line.partition(": ")[2] for line in result.evidence if line.startswith("its last words")), "")
    for place in (folder(), made, Path.cwd(), Path(tempfile.gettempdir())):
        words = words.replace(f"{place}/", "")
    ended = "ended by the time limit" if result.exit_status is None else f"exit status {result.exit_status}"
    return f"{ended}: {words}" if words else ended
