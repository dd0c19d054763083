"""Audit the real programs of this machine, and store the table: make audit

The rows of programs that are not installed here stay as they are. Writes the table into the package
(`tcploop_lab/recorded/programs.json`) and as a page (`docs/programs.md`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from tcploop_lab.audits.table import AuditTable, audit_programs, store, stored_audits

PAGE = Path(__file__).parents[1] / "docs" / "programs.md"
HEAD = """# What real programs do with a self-connection

Made by `make audit`, last on {date}, {kernel}. Each program was run where a connection to the port
can only be a connection to itself. *self-connected*: it used the connection, or did the same with a server that gives
back what it gets. *detected*: it used none, and does otherwise with that server. Two notice: Go's `net.Dial`, which
relents at its third attempt (its first row lets only one meet itself), and nmap. The small clients are in
`tcploop_lab/audits/clients/`: they say hello and read the answer.

"""


def page(table: AuditTable) -> str:
    """The table as a page."""
    return HEAD.format(date=table.date, kernel=table.kernel) + table.markdown()


def main() -> int:
    """Audit, store, and show; 1 if nothing can be audited here, or a row was never measured."""
    table = audit_programs()
    if table.recorded:
        print("nothing is stored: without a private network these are the stored audits", file=sys.stderr)
        return 1
    here = [row.package for row in table.rows if not row.verdict]
    table = table.over(stored_audits())
    store(table)
    PAGE.write_text(page(table), encoding="utf-8")
    print(table)
    if here:
        print(f"not installed, their rows stay: {', '.join(here)}", file=sys.stderr)
    return 0 if all(row.verdict for row in table.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
