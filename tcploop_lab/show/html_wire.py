"""What was seen on the wire, beside what others saw of it, as HTML."""

from __future__ import annotations

from typing import Any

from .html import writes
from .tables import Mark, table


@writes("Witnesses")
def _witnesses(seen: Any) -> str:
    """A row for each question, a column for each witness; an empty place where one was not asked or cannot know."""
    rows = []
    for question in seen.questions:
        answers = seen.answers(question)
        agree = Mark(question not in seen.disagreements) if len(answers) > 1 else ""
        rows.append((question, agree, *(_value(answers.get(name, "")) for name in seen.accounts)))
    return table(("question", "they agree", *seen.accounts), rows, seen.summary)


def _value(answer: object) -> str:
    return f"{answer:,}" if isinstance(answer, int) else str(answer)
