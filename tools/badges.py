"""make badges: the buttons in the README that open the course on Binder and in Codespaces.

They open the repository of GitHub that is given as owner/name; without one, the form in which a repository is named.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import marked  # beside this file

PAGE = Path(__file__).parents[1] / "README.md"


def badges(repository: str = "") -> str:
    """Return both buttons in Markdown; ValueError for what is no owner/name."""
    binder, codespaces = "https://mybinder.org", "https://codespaces.new"
    if repository:
        if not re.fullmatch(r"[\w-]+/[\w.-]+", repository, re.ASCII):
            raise ValueError(f"REPOSITORY={repository}: a repository of GitHub is owner/name, such as ada/tcploop-lab")
        binder += f"/v2/gh/{repository}/HEAD?urlpath=lab/tree/course"  # postBuild makes that copy
        codespaces += f"/{repository}"
    return (
        f"[![Open the course on Binder, in the browser alone](docs/figures/open-in-binder.svg)]({binder})\n"
        f"[![Open the course in a Codespace, in the browser alone](docs/figures/open-in-codespaces.svg)]({codespaces})"
    )


if __name__ == "__main__":
    try:
        marked.write(PAGE, "badges", badges(*sys.argv[1:]))
    except ValueError as error:
        sys.exit(str(error))
