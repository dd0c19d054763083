"""make kernels: fetch every kernel that can be had, measure it with the lab inside, and write docs/kernels.md.

Nothing is installed: the kernels are kept in the user's cache. A kernel that cannot be had, or does not start, is
listed as such. `make kernels VERSIONS="7.1 6.16"` measures these alone, and leaves the rows of the others as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import marked  # beside this file

import tcploop_lab as lab
from tcploop_lab.errors import LabError
from tcploop_lab.results import stored
from tcploop_lab.stacks.kernels import table
from tcploop_lab.study.kernels import PROBES, RECORD, KernelRow, KernelTable, measure
from tcploop_lab.testbed.kernels import fetch_kernel

DOCUMENT = Path(__file__).parents[1] / "docs" / "kernels.md"
PROBED = "5.10.46"  # whose even sequence lesson 01 shows


def measured(version: str) -> KernelRow | str:
    """The row of a kernel, or why there is none."""
    try:
        fetch_kernel(version)
        today = datetime.now(UTC).date().isoformat()
        with lab.open_testbed(kernel=version, real=True) as testbed:
            if version == PROBED:
                label = f"recorded on {today}, {testbed.kernel}"
                stored.store(PROBES, {version: replace(testbed.probe(), source_ports=(), label=label)})
            return replace(measure(testbed), recorded_on=today)
    except LabError as reason:
        return f"{version}: {reason}"


def markdown(rows: KernelTable) -> str:
    """The tables, as a document has them."""
    return "\n\n".join(
        f"{table.caption}:\n\n{_grid([table.names, ['---'] * len(table.names), *table.rows])}"
        for table in rows.describe().tables
    )


def _grid(lines: Sequence[Sequence[object]]) -> str:
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    """Measure, store, write."""
    releases = [table.named(version) for version in sys.argv[1:]] or table.RELEASES
    found = []
    for release in releases:
        found.append(measured(release.version))
        print(found[-1], flush=True)
    new = {row.kernel: row for row in found if isinstance(row, KernelRow)}
    if not new:
        sys.exit("no kernel could be had: what is recorded stays as it is")
    write({row.kernel: row for row in stored.load(RECORD, tuple[KernelRow, ...])} | new, found)


def write(known: dict[str, KernelRow], found: Sequence[KernelRow | str]) -> None:
    """Store the rows of the kernels in the order of their versions, and write the page, with what is missing."""
    rows = tuple(sorted(known.values(), key=lambda row: list(map(int, row.kernel.split()[1].split(".")))))
    missing = [f"- {reason}" for reason in found if isinstance(reason, str)]
    stored.store(RECORD, rows)
    text = "\n".join([markdown(KernelTable(rows)), *(["", "Not to be had:", "", *missing] if missing else [])])
    marked.write(DOCUMENT, "kernels", text)


if __name__ == "__main__":
    main()
