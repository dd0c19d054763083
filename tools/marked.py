"""The part of a page that is made: what stands between two marks."""

from __future__ import annotations

import re
from pathlib import Path


def write(page: Path, target: str, text: str) -> None:
    """Put the text between the marks of `make target` in a page. ValueError for a page that has none."""
    begin, end = f"<!-- made by make {target} -->", "<!-- end -->"
    before = page.read_text(encoding="utf-8")
    after, found = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}\n{text}\n{end}", before, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"{page}: {found} parts between {begin} and {end}")
    page.write_text(after, encoding="utf-8")
