"""A description as text, and on a terminal with colours. What comes from outside cannot steer a terminal from here."""

from __future__ import annotations

import io
import re
from functools import singledispatch

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ..results.description import MOST_ROWS, Bar, Description, Judged, Lines, Table, worded, words
from ..results.printable import printable

_UNBROKEN = 10_000  # columns where nobody looks: a pipe gets whole lines, for grep and awk
_MOST_LINES, _WIDEST_BAR = 20, 30
_STYLES = {True: "bold green", False: "bold red", None: ""}


def text(description: Description, width: int | None = None, terminal: bool = False, encoding: str = "utf-8") -> str:
    """Return a description as lines of text, which are whole where no `width` is given; those of programs always.

    rich obeys NO_COLOR, and leaves what is no `terminal` without colour.
    """
    page = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(
        file=page,
        force_terminal=terminal,
        width=width or _UNBROKEN,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        force_jupyter=False,  # in a notebook rich would show the text, and return none
    )
    if description.provenance:
        console.print(_text(description.provenance))
    if description.title:
        console.print(Text(printable(description.title), _STYLES[description.good]))
    for item in description.items:
        if item.name:
            _print_item(console, item.name, worded(item.value))
    for table in description.tables:
        _print_table(console, table)
    for note in description.notes:
        console.print(_text(note), soft_wrap=True)  # many hold a command, which must be copied as one line
    page.seek(0)
    return re.sub(r" +$", "", page.read(), flags=re.MULTILINE)  # rich fills every row with spaces


def _print_item(console: Console, name: str, value: object) -> None:
    if not isinstance(value, Lines):
        console.print(Text.assemble(f"{name}: ", _text(value)))
    else:
        console.print(f"{name}:")
        shown = Text("\n".join(f"    {printable(line)}" for line in value.shown(_MOST_LINES)))
        console.print(shown, soft_wrap=value.fixed)


def _print_table(console: Console, table: Table) -> None:
    rows, between = table.shown()
    if not rows or not table.names:
        return
    if table.caption:
        console.print(_text(table.caption))
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for name, side in zip(table.names, table.sides, strict=True):
        grid.add_column(name, justify=side, overflow="fold")
    for index, row in enumerate(rows):
        if between and index == MOST_ROWS[0]:
            grid.add_row(f"and {between:,} more between")
        grid.add_row(*map(_text, row))
    console.print(grid)


@singledispatch
def _text(value: object) -> Text:
    return Text(printable(words(value)))


@_text.register
def _yes_or_no(value: bool) -> Text:
    return Text("yes", "green") if value else Text("NO", "bold red")


@_text.register
def _judged(value: Judged) -> Text:
    return Text(value.words, _STYLES[value.good])


@_text.register
def _bar(value: Bar) -> Text:
    return Text("█" * round(_WIDEST_BAR * value.share))
