"""A description as HTML, readable in JupyterLab's light and dark themes and without any. Everything is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from html import escape

from ..results.description import MOST_ROWS, Bar, Description, Judged, Lines, Table, worded, words

# JupyterLab's variables follow its theme; elsewhere the fallback inherits the page's colours.
_BORDER = "var(--jp-border-color2, #bdbdbd)"
_TEXT = "color: var(--jp-ui-font-color1, inherit)"
_BOX = f'style="{_TEXT}; font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; max-width: 90em"'
_TABLE = 'style="border-collapse: collapse; margin: 6px 0; font-size: 13px; color: inherit"'
_CELL = (
    f"padding: 3px 10px; border-bottom: 1px solid {_BORDER}; vertical-align: top; "
    "color: inherit; background: transparent"
)
# Where a long word may go on in the next line, so that no table is wider than its place.
_LONG, _PARTS = re.compile(r"[^\s&<>;]{25,}"), re.compile(r".{1,12}")
_NO_WRAP, _SHORT, _WORDS = "; white-space: nowrap", 20, 14
_GREY = "#8c8c8c"  # on either ground; of what it does not trust JupyterLab keeps a number, and no `currentColor`
_CLOSER, _MANY = 9, 10  # columns: so many stand closer, and in so many all may go on in the next line
_GOOD, _BAD = "var(--jp-success-color1, #2e7d32)", "var(--jp-error-color1, #c62828)"
_MOST_LINES, _WIDEST_BAR = 12, 12  # em


def html(description: Description) -> str:
    """Return a description as HTML: the sentence, the facts, the tables, the notes."""
    named = {item.name: worded(item.value) for item in description.items if item.name}
    parts = [facts(named) if named else "", *map(table, description.tables), *map(line, description.notes)]
    return box(line(description.provenance) + line(description.title) + "".join(parts))


def box(inner: str) -> str:
    """Return the block that a result is shown in."""
    return f"<div {_BOX}>{inner}</div>"


def line(text: str) -> str:
    """Return a line of text as a paragraph, broken where it is; nothing for no text."""
    return f'<p style="margin: 4px 0; max-width: 70em">{"<br>".join(escape(text).splitlines())}</p>' if text else ""


def facts(named: Mapping[str, object]) -> str:
    """Return names and values as a table."""
    rows = (
        f'<tr><th scope="row" style="{_CELL}; text-align: left">{escape(name)}</th>'
        f'<td style="{_CELL}; text-align: left">{written(value)}</td></tr>'
        for name, value in named.items()
    )
    return _framed("facts", f"<tbody>{''.join(rows)}</tbody>")


def table(content: Table) -> str:
    """Return a table with its caption; "" where there is nothing to show."""
    rows, between = content.shown()
    if not rows or not content.names:
        return ""
    body = [_row("td", map(written, row), content.sides) for row in rows]
    if between:
        more = f'<tr><td colspan="{len(content.names)}" style="{_CELL}">and {between:,} more between</td></tr>'
        body.insert(MOST_ROWS[0], more)
    head = _row('th scope="col"', map(escape, content.names), content.sides)
    inside = f"<thead>{head}</thead><tbody>{''.join(body)}</tbody>"
    return line(content.caption) + _framed(", ".join(content.names), inside)


def scrolling(label: str, inner: str) -> str:
    """Return what scrolls by itself where its place is narrower, by keyboard too; a screen reader says the label."""
    return f'<div role="group" aria-label="{escape(label)}" tabindex="0" style="overflow-x: auto">{inner}</div>'


def _framed(label: str, rows: str) -> str:
    return scrolling(label, f"<table {_TABLE}>{rows}</table>")


def _row(tag: str, cells: Iterable[str], sides: Sequence[str]) -> str:
    name = tag.split()[0]
    look = f"{_CELL}; padding: 3px 5px" if len(sides) >= _CLOSER else _CELL
    whole = name == "td" and len(sides) < _MANY
    written = (
        f'<{tag} style="{look}; text-align: {side}{_NO_WRAP if whole and _in_one_line(cell) else ""}">{cell}</{name}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(written)}</tr>"


def _in_one_line(cell: str) -> bool:
    return len(cell) <= (_WORDS if " " in cell else _SHORT)


@singledispatch
def written(value: object) -> str:
    """Return a value as HTML. Register here what is shown in a way of its own."""
    return _LONG.sub(lambda word: "<wbr>".join(_PARTS.findall(word[0])), escape(words(value)))


@written.register
def _yes_or_no(value: bool) -> str:
    """A sign and a word, so that neither colour nor sign alone carries it."""
    return _mark("✓ ok" if value else "✗ NO", value)


@written.register
def _judged(value: Judged) -> str:
    return _mark(escape(value.words), value.good)


def _mark(words: str, good: bool) -> str:
    weight = "" if good else "; font-weight: bold"
    border = f"border-left: 4px solid {_GOOD if good else _BAD}; padding-left: 6px; white-space: nowrap"
    return f'<span style="{border}{weight}">{words}</span>'


@written.register
def _lines(value: Lines) -> str:
    written = "<br>".join(map(escape, value.shown(_MOST_LINES)))
    return f'<span style="font-family: monospace">{written}</span>' if value.fixed else written


@written.register
def _bar(value: Bar) -> str:
    size = f"width: {_WIDEST_BAR * value.share:.1f}em; height: 0.7em"
    return f'<div style="{size}; background: {_GREY}"></div>'
