"""Audit the real programs of this machine, and store the table: make audit

The rows of programs that are not installed here stay as they are. Writes the table into the package
(`tcploop_lab/recorded/programs.json`) and as a page (`docs/programs.md`). With --get (make programs) it installs what
PyPI and npm have of `tcploop_lab/audits/programs.toml` into build/programs instead, and says how to get the rest.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from tcploop_lab.audits.programs import PROGRAMS, folder
from tcploop_lab.audits.table import AuditTable, audit_programs, store, stored_audits

PAGE = Path(__file__).parents[1] / "docs" / "programs.md"
HEAD = """# What real programs do with a self-connection

Made by `make audit`, last on {date}, {kernel}: {count} audits of programs from Debian, PyPI and npm. Each
was run where a connection to the port can only be a connection to itself.

- *self-connected*: it used the connection, or did the same with a server that gives back what it gets.
- *detected*: it used none, and does otherwise with that server.
- *refused*: it dialled from a port that it had bound, and nobody was there.

**Who notices:** {noticed}.
That is nmap, and what is written in Go, whose `net` package compares both names, closes, and dials again. At the third
attempt it relents; so of the programs in Go only the first attempt meets itself, and one row shows all three.

What was run is in `tcploop_lab/audits/programs.toml`; the small clients are in `tcploop_lab/audits/clients/`.

"""


def page(table: AuditTable) -> str:
    """The table as a page."""
    noticed = ", ".join(row.name for row in table.rows if row.verdict == "detected")
    head = HEAD.format(date=table.date, kernel=table.kernel, count=len(table.verdicts()), noticed=noticed)
    return head + table.markdown()


def get() -> int:
    """Install what PyPI and npm have, and say what to install from Debian."""
    place = folder()
    venv.create(place / "venv", with_pip=True)
    python = str(place / "venv" / "bin" / "python")
    sources = ("pypi", "npm", "debian")
    pypi, npm, debian = (sorted({getattr(one, source) for one in PROGRAMS} - {""}) for source in sources)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *pypi], check=True)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(place), *npm], check=True)
    print("apt-get install --no-install-recommends", *debian)
    return 0


def main() -> int:
    """Audit, store, and show; 1 if a row was never measured."""
    if "--get" in sys.argv[1:]:
        return get()
    table = audit_programs()
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
