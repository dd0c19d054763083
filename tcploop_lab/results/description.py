"""What a result says, in one form. Its HTML, its text and its JSON are made of this, and of nothing else.

A name is what people read, a key is the word for it in JSON. What has no name is for programs only, what has no key
for people only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..ports.ranges import PortRange

MOST_ROWS = (30, 10)  # of a long table, at its beginning and at its end


@dataclass(frozen=True)
class Said:
    """A value that people read in other words than its own."""

    value: object
    words: object


@dataclass(frozen=True)
class Judged:
    """A word that is good news or bad."""

    words: str
    good: bool


@dataclass(frozen=True)
class Lines:
    """Lines, one under the other; `fixed` are those of a program, whose columns are its own."""

    lines: tuple[str, ...]
    fixed: bool = False

    def shown(self, most: int) -> list[str]:
        """Return so many of the lines, the first and the last, and how many are left out; "nothing" for none."""
        left_out = len(self.lines) - most
        if left_out <= 0:
            return list(self.lines) or ["nothing"]
        middle = f"... {left_out:,} lines are left out ..."
        return [*self.lines[: most // 2], middle, *self.lines[-(most // 2) :]]


@dataclass(frozen=True)
class Bar:
    """A share of the longest bar, 0 to 1."""

    share: float


@dataclass(frozen=True)
class Item:
    """One fact."""

    key: str
    value: object
    name: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of values; `columns` are their keys and names."""

    key: str
    columns: tuple[tuple[str, str], ...]
    rows: Sequence[Sequence[object]]
    caption: str = ""

    def record(self) -> list[dict[str, Any]]:
        """Return each row as plain values by the columns' keys."""
        keys = [(index, key) for index, (key, _) in enumerate(self.columns) if key]
        return [{key: plain(row[index]) for index, key in keys} for row in self.rows]

    @property
    def names(self) -> list[str]:
        """The heads of the columns that people read."""
        return [name for _, name in self.columns if name]

    @property
    def sides(self) -> list[Literal["left", "right"]]:
        """Where each of these columns stands: one with numbers right."""
        rows, _ = self.shown()
        return ["right" if any(map(is_number, column)) else "left" for column in zip(*rows, strict=True)]

    def shown(self) -> tuple[list[list[object]], int]:
        """Return the rows as people read them, of a long table the first and the last, and how many are between."""
        first, last = MOST_ROWS
        between = max(len(self.rows) - first - last, 0)
        rows = [*self.rows[:first], *self.rows[-last:]] if between else self.rows
        places = [index for index, (_, name) in enumerate(self.columns) if name]
        return [[worded(row[index]) for index in places] for row in rows], between


@dataclass(frozen=True)
class Description:
    """What a result says: a sentence, facts, tables, and what is to be noted beside them.

    `good` is the answer where the sentence answers yes or no; `label` what it must be shown with if it is not live.
    """

    title: str
    good: bool | None = None
    label: str = ""
    items: tuple[Item, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def provenance(self) -> str:
        """That it is not live, where the sentence does not say so already."""
        return f"{self.label}, not live" if self.label and self.label not in self.title else ""

    def record(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        items = {item.key: plain(item.value) for item in self.items if item.key}
        return items | {table.key: table.record() for table in self.tables if table.key}

    def beside(self, *notes: str, items: Iterable[Item] = (), tables: Iterable[Table] = ()) -> Description:
        """Return it with more of these."""
        return replace(self, items=(*self.items, *items), tables=(*self.tables, *tables), notes=(*self.notes, *notes))


def plainly(result: object, *names: str) -> tuple[Item, ...]:
    """Return attributes of a result by their own names, for JSON alone."""
    return tuple(Item(name, getattr(result, name)) for name in names)


def worded(value: object) -> object:
    """Return what people read of a value."""
    return value.words if isinstance(value, Said) else value


def words(value: object) -> str:
    """Return a value in words: numbers with separators, a dash for none."""
    if value is None or value != value:  # nan
        return "—"
    if is_number(value):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return str(value)


def is_number(value: object) -> bool:
    """True for what stands right in a column."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: a range as its two ends, null for what is not finite."""
    if isinstance(value, Said):
        return plain(value.value)
    if isinstance(value, PortRange):
        return [value.low, value.high]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value
