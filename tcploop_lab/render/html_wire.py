"""What was seen on the wire, beside what others saw of it, as HTML."""

from __future__ import annotations

from typing import Any

from .html import writes
from .tables import Mark, table


@writes("Witnesses")
def _witnesses(seen: Any) -> str:
    """A row for each witness, a column for each question; an empty place where one was not asked or cannot know."""
    rows = [(name, *(_value(seen.accounts[name].get(question, "")) for question in seen.questions))
            for name in seen.accounts]  # fmt: skip
    agree = [Mark(question not in seen.disagreements) for question in seen.questions]
    return table(("witness", *seen.questions), [*rows, ("they agree", *agree)], seen.summary)


def _value(answer: object) -> str:
    return f"{answer:,}" if isinstance(answer, int) else str(answer)
