"""Other Pythons of this machine, and the packages that they need to run the course."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

from .situations import NEWEST, Situation

# What is compiled for one version of Python: for the first steps, and for the lessons with what they stand on.
COMPILED = ("numpy",)
FOR_LESSONS = (
    *COMPILED,
    "scipy",
    "pandas",
    "matplotlib",
    "ipykernel",
    "ipywidgets",
    "nbval",
    "pytest",
    "pytest-timeout",
)
_SECONDS = 300
_folders: list[tempfile.TemporaryDirectory[str]] = []  # they live as long as this process


class NoSuchPython(RuntimeError):
    """This machine has no such Python, or its packages cannot be had."""


@cache
def version_of(python: str) -> str:
    """Return the version of a Python, such as "3.13.0"; "" if it does not run, as pyenv's shims may."""
    command = [python, "-c", "import platform; print(platform.python_version())"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


@cache
def newest() -> str:
    """Return the path of the newest Python from 3.12 on that is in the PATH or of pyenv. Raises NoSuchPython."""
    named = [shutil.which(f"python3.{minor}") for minor in range(12, 30)]
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pyenv = map(str, home.glob("versions/3.*/bin/python3") if os.access(home, os.R_OK | os.X_OK) else ())
    found = {python: version_of(python) for python in (*filter(None, named), *pyenv)}
    recent = {python: _number(version) for python, version in found.items() if version and _number(version) >= (3, 12)}
    if not recent:
        raise NoSuchPython("no Python from 3.12 on in the PATH, and none of pyenv")
    return max(recent, key=lambda python: recent[python])


def _number(version: str) -> tuple[int, ...]:
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2])


def path_of(situation: Situation) -> str:
    """Return the Python of a situation. Raises NoSuchPython."""
    return newest() if situation.python == NEWEST else situation.python or sys.executable


def packages(python: str, lessons: bool) -> list[str]:
    """Return the folders in which another Python finds its packages: those of this one, after what is compiled for it.

    Raises NoSuchPython if these cannot be had.
    """
    if python == sys.executable:
        return []
    version = ".".join(map(str, _number(version_of(python))))
    mine = "{}.{}".format(*sys.version_info[:2])
    extra = [] if version == mine else [_compiled(version, FOR_LESSONS if lessons else COMPILED)]
    return [*extra, sysconfig.get_path("purelib")]


@cache
def _compiled(version: str, names: tuple[str, ...]) -> str:
    """Install packages for this version into a folder that goes with this process, and return it."""
    _folders.append(tempfile.TemporaryDirectory())
    folder = _folders[-1].name
    Path(folder).chmod(0o755)
    constraints = Path(__file__).parents[2] / "constraints.txt"
    where = ["--target", folder, "--python-version", version, "--only-binary=:all:", "--constraint", str(constraints)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *where, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise NoSuchPython(f"packages for Python {version} cannot be had: {done.stderr.strip().splitlines()[-1]}")
    return folder
