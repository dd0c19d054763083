"""The course itself, copied to where a learner works in it: tcploop notebooks.

A copy has no outputs: a stored answer would stand under the question that asks for a guess. It remembers what was put
into it, so that an update of the course can tell what the learner changed, and leaves that alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import click

from ..results.description import Description, Item
from ..testbed import files
from . import output
from .group import Command
from .options import as_json as json_option
from .root import YES
from .values import BadValue, checked

PACKAGE = Path(__file__).parents[1]
_INSTALLED, _CHECKOUT = PACKAGE / "course", PACKAGE.parent / "notebooks"
_MADE = ".tcploop-course.json"  # in a copy: what was put there, by its hash
_PAGES = ("cheatsheet.md", "cheatsheet.pdf", "glossary.md", "kernels.md", "pipelines.md", "ports.md", "simulated.md")
FIRST = "00_start_here.ipynb"
_LEFT_OUT = (".pcap", ".sqlite", ".sqlite-shm", ".sqlite-wal")


def course() -> Iterator[tuple[Path, bytes]]:
    """Yield the place and the content of each file that a learner gets; of the assignments what students get."""
    found = _files(_INSTALLED) if _INSTALLED.is_dir() else _checkout()
    for place, content in found:  # what the lessons link to is beside them in a copy, not above
        yield place, content.replace(b"](../docs/", b"](docs/").replace(b"](../notebooks/", b"](../")


def _checkout() -> Iterator[tuple[Path, bytes]]:
    yield from ((place, content) for place, content in _files(_CHECKOUT) if place.parts[0] != "assignments")
    release = _CHECKOUT / "assignments" / "release"
    yield from ((Path("assignments") / place, content) for place, content in _files(release))
    yield from ((Path("docs") / name, (PACKAGE.parent / "docs" / name).read_bytes()) for name in _PAGES)


def _files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and path.suffix not in _LEFT_OUT and not any(part.startswith(".") for part in place.parts):
            yield place, without_outputs(path.read_bytes()) if path.suffix == ".ipynb" else path.read_bytes()


def without_outputs(notebook: bytes) -> bytes:
    """Return a notebook as it is before anything is run."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def copy_course(target: Path) -> dict[str, str]:
    """Copy the course, or bring a copy up to date, and return what is new: each file, and where it was put.

    What the learner changed stays; where the course has changed, too, its new file comes beside. A copy that was broken
    off goes on. Raises OSError, and ValueError where a folder of the copy leads out of it.
    """
    made = _made(target)
    written = {}
    target.mkdir(parents=True, exist_ok=True)
    _write(target / _MADE, json.dumps(made, indent=1).encode())  # first, so that half a copy is known as one
    for place, content in course():
        name, mark = place.as_posix(), _hash(content)
        here = _mark(target / place)
        if here != mark and (here is None or made.get(name) != mark):
            written[name] = _put(target, place, content, here in (None, made.get(name)))
        made[name] = mark
    _write(target / _MADE, json.dumps(made, indent=1).encode())
    return written


def _made(target: Path) -> dict[str, str]:
    if not (target / _MADE).is_file():
        return {}
    made = json.loads((target / _MADE).read_text())
    if not isinstance(made, dict):
        raise ValueError(f"{_MADE} is not as it was written")
    return made


def _hash(content: bytes) -> str:
    from hashlib import sha256  # with it comes OpenSSL, which few commands need

    return sha256(content).hexdigest()


def _mark(path: Path) -> str | None:
    """Return the hash of a file; None if nothing is there, and "" for a link or a folder, which we never put there."""
    if not os.path.lexists(path):
        return None
    return _hash(path.read_bytes()) if path.is_file() and not path.is_symlink() else ""


def _put(target: Path, place: Path, content: bytes, ours: bool) -> str:
    """Write a file and return where: at its place, or beside what is there if that is the learner's own by now."""
    path, mark = target / place, _hash(content)
    if path.parent.resolve() != target.resolve() / place.parent:
        raise ValueError(f"{path.parent} leads out of it")
    if not ours:
        others = (path.with_stem(f"{path.stem}.new{f'-{number}' * (number > 1)}") for number in count(1))
        path = next(one for one in others if _mark(one) in (None, mark))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, content)
    return path.relative_to(target).as_posix()


def _write(path: Path, content: bytes) -> None:
    with files.written(path, force=True) as file:  # whole or not at all: half of one would pass for the learner's
        file.write(content)


@click.command(cls=Command)
@click.argument("folder", metavar="DIR")
@json_option
def notebooks(folder: str, as_json: bool) -> int:
    """Copy the course's notebooks to the new folder DIR, or bring an earlier copy up to date: no work is lost."""
    output.deliver(as_json, bring(folder, f"Open the first one:  jupyter lab {Path(folder) / FIRST}"))
    return YES


def bring(folder: str, *notes: str) -> Description:
    """Copy the course to a folder, or bring the copy there up to date, and tell what is new. Raises BadValue."""
    target = Path(folder)
    with checked():
        there = files.kind_at(folder, follow=False)
    again = (target / _MADE).is_file()
    if there and not again and (there != "a folder" or any(target.iterdir())):
        raise BadValue(f"folder {folder!r}: it exists; name a new one, so that no answers are overwritten")
    try:
        written = copy_course(target)
    except (OSError, ValueError) as error:
        told = isinstance(error, OSError) and f"{error.strerror} ({error.filename})"
        why = told or str(error).splitlines()[0][:200]
        raise BadValue(f"folder {folder!r}: {why}; mend that, or name one that can be made") from None
    return _told(target, written, again, notes)


def _told(target: Path, written: dict[str, str], again: bool, more: Sequence[str]) -> Description:
    names = sorted(path.name for path in target.glob("[0-9]*.ipynb"))
    beside = {name: place for name, place in written.items() if place != name}
    notes = [f"You changed {name}, which stays; the new one is {place}" for name, place in beside.items()]
    if again and not written:
        notes.append("Nothing of the course is new.")
    items = (
        Item("folder", str(target)),
        Item("notebooks", names),
        Item("written", sorted(set(written) - set(beside))),
        Item("beside", sorted(beside.values())),
    )
    return Description(f"{len(names)} notebooks in {target}", items=items, notes=(*notes, *more))
