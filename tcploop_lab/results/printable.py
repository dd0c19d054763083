"""Texts from outside, made harmless at one place: what a program, a file or a kernel says must not steer a terminal."""

from __future__ import annotations


def printable(text: str, most: int = 10_000) -> str:
    """Return `text` as one line of at most `most` characters, with control characters spelled out, such as \\x1b.

    What changes the direction of writing is spelled out as well: str.isprintable() counts it among the controls.
    """
    shown = text if len(text) <= most else f"{text[:most]}..."
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown.replace("\t", "    "))
