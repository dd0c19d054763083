"""The course itself, copied to where a learner wants it: tcploop notebooks."""

from __future__ import annotations

import shutil
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
_NOT_COPIED = shutil.ignore_patterns(".*", "*.pcap", "*.sqlite*")


def copy_course(target: Path) -> None:
    """Copy the lessons, and of the assignments what students get: from the checkout, or from inside the package."""
    if _INSTALLED.is_dir():
        shutil.copytree(_INSTALLED, target, ignore=_NOT_COPIED)
        return
    without = shutil.ignore_patterns("assignments")
    shutil.copytree(_CHECKOUT, target, ignore=lambda at, names: {*_NOT_COPIED(at, names), *without(at, names)})
    shutil.copytree(_CHECKOUT / "assignments" / "release", target / "assignments", ignore=_NOT_COPIED)


@click.command(cls=Command)
@click.argument("folder", metavar="DIR")
@json_option
def notebooks(folder: str, as_json: bool) -> int:
    """Copy the course's notebooks to the new folder DIR."""
    target = Path(folder)
    with checked():
        there = files.kind_at(folder, follow=False)
    if there:
        raise BadValue(f"folder {folder!r}: it exists; name a new one, so that no answers are overwritten")
    try:
        copy_course(target)
    except OSError as error:  # copytree's own error is a list of all files; the first reason is enough
        reason = error.strerror or str(error).splitlines()[0][:200]
        raise BadValue(f"folder {folder!r}: {reason}; name one that can be made") from None
    names = sorted(path.name for path in target.glob("*.ipynb"))
    items = (Item("folder", str(target)), Item("notebooks", names))
    first = f"Open the first one:  jupyter lab {target / names[0]}"
    output.deliver(as_json, Description(f"{len(names)} notebooks in {target}", items=items, notes=(first,)))
    return YES
