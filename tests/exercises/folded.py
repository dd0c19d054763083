"""The folded solutions of a lesson's notebook, as code."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FOLD = re.compile(r"<details><summary>Solution</summary>(.*?)</details>", re.DOTALL)
BLOCK, LINE = re.compile(r"```python\n(.*?)```", re.DOTALL), re.compile(r"`(answer = [^`]+)`")


def solutions(lesson: str) -> dict[str, str]:
    """Return the solution of each exercise of lesson "03" by its number: what stands in backticks, or a block."""
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    found = {}
    for part in text.split("\n### Exercise ")[1:]:
        (fold,) = FOLD.findall(part)
        found[part[:4]] = (LINE.search(fold) or BLOCK.search(fold))[1]
    return found


def answer_of(code: str, **names: object) -> object:
    """Run the code of a solution as the notebook would, and return its answer."""
    exec(code, names)
    return names["answer"]
