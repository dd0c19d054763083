"""The real programs that are audited, as `programs.toml` has them, and whether each is here.

Debian's are looked for in the PATH. Those of PyPI and npm are where `make programs` puts them, in build/programs (or in
the folder that TCPLOOP_PROGRAMS names); Python's also where this Python has them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cattrs import structure

from .audit import DEFAULT_ATTEMPTS

CLIENTS = Path(__file__).with_name("clients")
LIST = Path(__file__).with_name("programs.toml")
_SECONDS = 120.0  # that building a small client may take
_TO_SAY = 20.0  # seconds that a program may take to say its version


def folder() -> Path:
    """Return the folder with the packages of PyPI (`venv`) and npm (`node_modules`)."""
    return Path(os.environ.get("TCPLOOP_PROGRAMS", "build/programs")).absolute()


@dataclass(frozen=True)
class Program:
    """A program to audit: `kind` groups them, the rest is as the head of `programs.toml` says."""

    name: str
    kind: str
    command: tuple[str, ...]
    debian: str = ""
    pypi: str = ""
    npm: str = ""
    needs: str = ""
    version: str = ""
    build: tuple[str, ...] = ()
    attempts: int = DEFAULT_ATTEMPTS

    @property
    def package(self) -> str:
        """The package, with the command that gets it."""
        tools = {"apt install": self.debian, "pip install": self.pypi, "npm install": self.npm}
        return next(f"{tool} {name}" for tool, name in tools.items() if name)

    @property
    def installed(self) -> bool:
        """True if all that it takes is here."""
        tools = (self.needs or self.command[0], self.command[0], *self.build[:1])
        there = all(shutil.which(tool) for tool in tools if not tool.startswith("{"))
        builder = not self.build or _working(self.build[0], self.version) is not None
        return bool(there and builder and (not (self.pypi or self.npm) or self._from_a_registry()))

    def words(self, words: tuple[str, ...], made: Path) -> list[str]:
        """Return some words of this program with the folders filled in."""
        places: dict[str, Path | str] = {"{clients}": CLIENTS, "{made}": made, "{npm}": _node_modules()}
        places["{python}"] = _python(self.pypi)
        filled = [_replaced(word, places) for word in words]
        if self.build and filled[0] == self.build[0]:
            filled[0] = _working(self.build[0], self.version) or filled[0]
        return filled

    def version_here(self, made: Path) -> str:
        """Return the version that is installed, "" if nobody tells it in time."""
        if not self.version and (known := self._from_a_registry()):
            return known
        asked = shlex.split(self.version or f"dpkg-query -W {self.debian}")
        with contextlib.suppress(RuntimeError):
            return version_in(say(self.words(tuple(asked), made), seconds=_TO_SAY))
        return ""

    def _from_a_registry(self) -> str:
        """The version of the package of PyPI or npm, "" if it is not here."""
        if self.pypi:
            return _versions(_python(self.pypi)).get(_plain(self.pypi), "")
        about = _node_modules() / self.npm / "package.json"
        return str(json.loads(about.read_text())["version"]) if self.npm and about.exists() else ""


def _replaced(word: str, places: dict[str, Path | str]) -> str:
    for name, place in places.items():
        word = word.replace(name, str(place))
    return word


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package.partition("[")[0]).lower()


def _node_modules() -> Path:
    return folder() / "node_modules"


def _python(package: str = "") -> str:
    """The Python that has a package of PyPI: that of `make programs`, else this one."""
    theirs = str(folder() / "venv" / "bin" / "python")
    return theirs if package and _plain(package) in _versions(theirs) else sys.executable


@cache
def _versions(python: str) -> dict[str, str]:
    """The versions of the packages that a Python has, by name."""
    paths = sys.path if python == sys.executable else [*map(str, Path(python).parents[1].glob("lib/*/site-packages"))]
    return {_plain(one.name): one.version for one in importlib.metadata.distributions(path=paths)}


@cache
def _working(tool: str, version: str) -> str | None:
    """The first compiler of this name that works: rustup's rustc is in the PATH even where it has no toolchain."""
    for path in (shutil.which(tool), f"/usr/bin/{tool}"):
        if path is not None and os.path.exists(path):
            asked = (path, *shlex.split(version)[1:]) if version.startswith(tool + " ") else (path, "--version")
            with contextlib.suppress(RuntimeError):
                say(list(asked), seconds=_TO_SAY)
                return path
    return None


def version_in(text: str) -> str:
    """Return the first number in `text` that looks like a version; "" if there is none."""
    found = re.search(r"\d+(\.\d+)+[\w.+~-]*|\d{8}[\w.+~-]*", text)
    return found[0] if found else ""


def say(command: list[str], environment: Mapping[str, str] | None = None, seconds: float = _SECONDS) -> str:
    """Return what a command prints; RuntimeError if it fails, cannot be started, or takes longer than `seconds`."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{' '.join(command)} was of no use: {error}") from None
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout or done.stderr


PROGRAMS = structure(tomllib.loads(LIST.read_text(encoding="utf-8"))["program"], tuple[Program, ...])
