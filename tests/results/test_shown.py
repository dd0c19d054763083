"""Aligned text: what a table of results looks like where there is no HTML."""

from __future__ import annotations

import pytest

from tcploop_lab.results.shown import columns


def test_columns_stand_below_each_other() -> None:
    """Each column is as wide as its widest text, two spaces apart, and no line ends in spaces."""
    text = columns([("", "state"), ("127.0.0.1:40000", "LISTEN"), ("::1", "")])
    assert text.splitlines() == ["                 state", "127.0.0.1:40000  LISTEN", "::1"]


def test_rows_of_unequal_length_are_refused() -> None:
    """A row that lacks a column is an error, not a table that lacks one."""
    with pytest.raises(ValueError, match="shorter"):
        columns([("local", "state"), ("::1",)])
