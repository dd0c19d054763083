"""Small HTML tables, readable in JupyterLab's light and dark themes and without any. Everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

# JupyterLab's variables follow its theme; elsewhere the fallback inherits the page's colours.
_BORDER = "var(--jp-border-color2, #bdbdbd)"
_TEXT = "color: var(--jp-ui-font-color1, inherit)"
_BOX = f'style="{_TEXT}; font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; max-width: 70em"'
_TABLE = 'style="border-collapse: collapse; margin: 6px 0; font-size: 13px; color: inherit"'
_CELL = (
    f"padding: 3px 10px; border-bottom: 1px solid {_BORDER}; vertical-align: top; "
    "color: inherit; background: transparent"
)
_NO_WRAP, _SHORT = "; white-space: nowrap", 24
_FIRST, _LAST = 30, 10  # rows of a long table; what is between is counted

Row = Sequence[object]


class Mark:
    """Yes or no: a sign and a word, so that neither colour nor sign alone carries it."""

    def __init__(self, ok: bool) -> None:
        self.ok = ok

    def __html__(self) -> str:
        """Return the mark as HTML."""
        colour, sign = ("#2e7d32", "✓ ok") if self.ok else ("#c62828", "✗ NO")
        theme = f"var(--jp-{'success' if self.ok else 'error'}-color1, {colour})"
        weight = "" if self.ok else "; font-weight: bold"
        return f'<span style="border-left: 4px solid {theme}; padding-left: 6px{weight}">{sign}</span>'


def table(head: Sequence[str], rows: Iterable[Row], caption: str = "") -> str:
    """Return a table with its caption; columns with numbers stand right, a long one is cut in the middle."""
    listed = [list(row) for row in rows]
    sides = [_side(listed, column) for column in range(len(head))]
    between = len(listed) - _FIRST - _LAST
    shown = [
        _row("td", [_value(value) for value in row], sides)
        for row in (listed if between <= 0 else listed[:_FIRST] + listed[-_LAST:])
    ]
    if between > 0:
        shown.insert(_FIRST, f'<tr><td colspan="{len(head)}" style="{_CELL}">and {between:,} more between</td></tr>')
    body = "".join(shown)
    names = _row('th scope="col"', [escape(name) for name in head], sides)
    return f"{line(caption)}<table {_TABLE}><thead>{names}</thead><tbody>{body}</tbody></table>"


def facts(pairs: Mapping[str, object], caption: str = "") -> str:
    """Return a table of names and values, one pair a row."""
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}; text-align: left">{escape(name)}</th>'
        f'<td style="{_CELL}; text-align: left">{_value(value)}</td></tr>'
        for name, value in pairs.items()
    )
    return f"{line(caption)}<table {_TABLE}><tbody>{rows}</tbody></table>"


def _side(rows: Sequence[Row], column: int) -> str:
    return "right" if any(_is_number(row[column]) for row in rows) else "left"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _row(tag: str, cells: Sequence[str], sides: Sequence[str]) -> str:
    name = tag.split()[0]
    written = (
        f'<{tag} style="{_CELL}; text-align: {side}{_NO_WRAP if len(cell) <= _SHORT else ""}">{cell}</{name}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(written)}</tr>"


def _value(value: object) -> str:
    if hasattr(value, "__html__"):
        return str(value.__html__())
    if value is None or value != value:  # nan
        return "—"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else escape(str(value))


def line(text: str) -> str:
    """Return a line of text as a paragraph; nothing for no text."""
    return f'<p style="margin: 4px 0">{escape(text)}</p>' if text else ""


def box(inner: str) -> str:
    """Return the block that a result is shown in."""
    return f"<div {_BOX}>{inner}</div>"
