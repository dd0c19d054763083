"""What a figure says, for the tests of this folder."""

from __future__ import annotations

from typing import Any


def words_of(figure: Any) -> str:
    """All text that is written in a figure."""
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
