"""The students' data of a course: made by the instructor with a key, handed out in a file beside the notebook.

A student has the data, and no way to how they were made. From a name alone, as for who learns without a course, they
follow as well, and so does what is right: who reads the package can work it out. So none is graded that has no key.
"""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from ..results import stored

Kind = TypeVar("Kind")
FILE = "data.json"  # beside the notebook
KEY = "key"  # in the course's folder, for nobody else


def found(name: str, maker: str, kind: type[Kind]) -> Kind | None:
    """Return the data that were handed out to `name`; None where there is no such file.

    Raises ValueError if the file has none for this name, or is another file.
    """
    if not Path(FILE).is_file():
        return None
    packed = stored.loads(Path(FILE).read_bytes(), dict[str, str], FILE).get(_entry(name, maker))
    if packed is None:
        raise ValueError(f"name {name!r}: {FILE} has no data for it; write the name by which you hand in")
    try:
        return stored.loads(zlib.decompress(base64.b64decode(packed)), kind, FILE)
    except zlib.error:
        raise ValueError(f"{FILE} is damaged; copy it again from where you got it") from None


def page(names: Iterable[str], maker: Callable[[object, str], Any], key: str) -> str:
    """Return the text of the file with the data of these students. Their names cannot be read in it."""
    made = {_entry(name, maker.__name__): stored.dumps(maker(name, key)) for name in names}
    return json.dumps(
        {entry: base64.b64encode(zlib.compress(text.encode(), 9)).decode() for entry, text in made.items()}
    )


def key_of(course: Path) -> str:
    """Return the key of a course, "" if the file is empty: data of the name alone. ValueError if there is none."""
    path = course / KEY
    if not path.is_file():
        raise ValueError(
            f"course {str(course)!r}: no key in it, and without one the installed lab tells what is right; make "
            "it, and data for these students, with tcploop handout NAME... (an empty file `key` grades by names alone)"
        )
    return path.read_text(encoding="utf-8").strip()


def hand_out(
    course: Path, names: Iterable[str], maker_of: Callable[[Path], Callable[[object, str], Any]]
) -> list[Path]:
    """Write the file of each assignment for these students, and a key if there is none yet. Return what was written.

    `maker_of` returns what makes a student's data, from the file of a judge.
    """
    (course / KEY).touch(mode=0o600, exist_ok=True)
    if not key_of(course):
        (course / KEY).write_text(secrets.token_hex(16) + "\n", encoding="utf-8")
    names, written = list(names), []
    for judge in sorted((course / "judges").glob("*.py")):
        text = page(names, maker_of(judge), key_of(course))
        for folder in (course / "source" / judge.stem, course / "release" / judge.stem):
            if folder.is_dir():
                (folder / FILE).write_text(text, encoding="utf-8")
                written.append(folder / FILE)
    return written


def _entry(name: str, maker: str) -> str:
    return sha256(f"{maker}/{name}".encode()).hexdigest()[:16]
