"""The course itself, copied to where a learner works in it: tcploop notebooks.

A copy has no outputs: a stored answer would stand under the question that asks for a guess. It remembers what was put
into it, so that an update of the course can tell what the learner changed, and leaves that alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
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

    What the learner changed stays; where the course has changed, too, its new file comes beside.
    """
    made = _made(target)
    written = {}
    target.mkdir(parents=True, exist_ok=True)
    for place, content in course():
        name, mark = place.as_posix(), sha256(content).hexdigest()
        if made.get(name) != mark or not (target / place).is_file():
            written[name] = str(_put(target / place, content, made.get(name)).relative_to(target))
        made[name] = mark
    (target / _MADE).write_text(json.dumps(made, indent=1))
    return written


def _made(target: Path) -> dict[str, str]:
    if not (target / _MADE).is_file():
        return {}
    made = json.loads((target / _MADE).read_text())
    if not isinstance(made, dict):
        raise ValueError(f"{_MADE} is not as it was written")
    return made


def _put(path: Path, content: bytes, before: str | None) -> Path:
    """Write a file, beside the one that is there if that is the learner's own by now."""
    if path.is_file() and sha256(path.read_bytes()).hexdigest() != before:
        path = next(place for place in _beside(path) if not place.exists())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _beside(path: Path) -> Iterator[Path]:
    yield path.with_stem(f"{path.stem}.new")
    yield from (path.with_stem(f"{path.stem}.new-{number}") for number in count(2))


@click.command(cls=Command)
@click.argument("folder", metavar="DIR")
@json_option
def notebooks(folder: str, as_json: bool) -> int:
    """Copy the course's notebooks to the new folder DIR, or bring an earlier copy up to date: no work is lost."""
    target = Path(folder)
    with checked():
        there = files.kind_at(folder, follow=False)
    if there and not (target / _MADE).is_file():
        raise BadValue(f"folder {folder!r}: it exists; name a new one, so that no answers are overwritten")
    try:
        written = copy_course(target)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0][:200]
        raise BadValue(f"folder {folder!r}: {reason}; name one that can be made") from None
    output.deliver(as_json, _told(target, written, bool(there)))
    return YES


def _told(target: Path, written: dict[str, str], again: bool) -> Description:
    names = sorted(path.name for path in target.glob("[0-9]*.ipynb"))
    beside = {name: place for name, place in written.items() if place != name}
    notes = [f"You changed {name}, which stays; the new one is {place}" for name, place in beside.items()]
    if again and not written:
        notes.append("Nothing of the course is new.")
    notes.append(f"Open the first one:  jupyter lab {target / names[0]}")
    items = (
        Item("folder", str(target)),
        Item("notebooks", names),
        Item("written", sorted(set(written) - set(beside))),
        Item("beside", sorted(beside.values())),
    )
    return Description(f"{len(names)} notebooks in {target}", items=items, notes=tuple(notes))
