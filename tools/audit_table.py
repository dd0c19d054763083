"""Audit the real programs of this machine, and store the table: make audit

Writes the table into the package (`tcploop_lab/recorded/programs.json`) and as a page (`docs/programs.md`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from tcploop_lab.audits.table import AuditTable, audit_programs, store

PAGE = Path(__file__).parents[1] / "docs" / "programs.md"
HEAD = """# What real programs do with a self-connection

Made by `make audit` on {date}, {kernel}. Each program was run where a connection to the port
can only be a connection to itself. *self-connected*: it went on to use the connection. *detected*: it noticed, and
closed without using it. The small clients are in `tcploop_lab/audits/clients/`: they say hello and read the answer.

"""


def page(table: AuditTable) -> str:
    """The table as a page."""
    return HEAD.format(date=table.date, kernel=table.kernel) + table.markdown()


def main() -> int:
    """Audit, store, and show; 1 if nothing can be audited here, or a program is not installed."""
    table = audit_programs()
    if table.recorded:
        print("nothing is stored: without a private network these are the stored audits", file=sys.stderr)
        return 1
    store(table)
    PAGE.write_text(page(table), encoding="utf-8")
    print(table)
    missing = [row.package for row in table.rows if not row.verdict]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
