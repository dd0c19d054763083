"""What the command of an audit names: {port} and {host}, and files in which they stand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..testbed.files import kind_at
from .order import Order

_LARGEST = 16 << 20  # bytes of a template


def filled(text: str, port: int, host: str) -> str:
    """Return the text with {port} and {host} replaced."""
    return text.replace("{port}", str(port)).replace("{host}", host)


def read(name: str, words: Sequence[str]) -> str:
    """Return the text of a template; ValueError if it cannot be read, or the command does not name it."""
    try:
        text = _text_of(name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"template {name!r}: it cannot be read ({reason}); give a text file") from None
    if not any(name in word for word in words):
        raise ValueError(f"template {name!r}: the command does not name it; it gets the copy where it says {name}")
    return text


def _text_of(name: str) -> str:
    kind = kind_at(name)
    if kind not in ("", "a file"):  # a pipe could wait, a device go on for ever
        raise ValueError(f"it is {kind}")
    with open(name, "rb") as file:
        found = file.read(_LARGEST + 1)
    if len(found) > _LARGEST:
        raise ValueError(f"it has over {_LARGEST >> 20} MiB")
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None


@contextmanager
def in_place_of(texts: Mapping[str, str], order: Order) -> Iterator[Order]:
    """Yield the order with copies of these files in the place of those that its words name."""
    if not texts:
        yield order  # without a folder, which whoever is killed would leave
        return
    with tempfile.TemporaryDirectory(prefix="tcploop-template-") as folder:
        words = order.command
        for number, (name, text) in enumerate(texts.items()):
            copy = Path(folder, str(number), Path(name).name)
            copy.parent.mkdir()
            copy.write_text(text, encoding="utf-8")
            copy.chmod(Path(name).stat().st_mode & 0o777)
            words = tuple(word.replace(name, str(copy)) for word in words)
        yield replace(order, command=words, own=(folder,))
