"""Run the smoke steps, or notebooks under nbval, in a situation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import pythons, users
from .situations import Situation

ROOT = Path(__file__).parents[2]
ELSEWHERE = Path(__file__).parent / "elsewhere"
SMOKE_SECONDS, LESSON_SECONDS = 60, 1800


def _environment(home: Path, situation: Situation, lessons: bool) -> dict[str, str]:
    """A home of its own; another Python finds this one's packages."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV", "JUPYTER"))}
    there = [str(ELSEWHERE)] if situation.platform else []
    paths = [*there, str(ROOT), *pythons.packages(pythons.path_of(situation), lessons)]
    own = {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": ":".join(paths)}
    return kept | own | {"MATRIX_PLATFORM": situation.platform}


def run(
    situation: Situation, command: list[str], home: Path, folder: Path, seconds: int, lessons: bool = False, **more: str
) -> Any:
    """Run a command in a situation, in this folder and with this home; `more` are variables of its environment.

    With `lessons` another Python finds all that the lessons stand on.
    """
    make = [sys.executable, "-m", "tests.matrix.enter", situation.name]
    environment = _environment(home, situation, lessons) | more
    if situation.account:
        one = users.account()
        users.give(home, one)
        environment |= {"USER": one.pw_name, "LOGNAME": one.pw_name, "MATRIX_USER": one.pw_name}
    return subprocess.run(
        [*make, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds
    )


def smoke(situation: Situation, home: Path) -> dict[str, Any]:
    """What the main steps of the first lessons give there. The home may be one without the right to write."""
    folder = home / "here"
    folder.mkdir()
    if situation.read_only:
        folder.chmod(0o555)
        home.chmod(0o555)
    python = pythons.path_of(situation)
    done = run(situation, [python, "-m", "tests.matrix.smoke", situation.name], home, folder, SMOKE_SECONDS)
    home.chmod(0o755)
    folder.chmod(0o755)
    if done.returncode:
        raise AssertionError(f"{situation.name}: {done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"stderr": done.stderr}


def course() -> list[str]:
    """The notebooks of the course, in order."""
    return sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


def lessons(situation: Situation, home: Path, names: list[str]) -> dict[str, Any]:
    """How many cells of these notebooks pass and fail under nbval there, and which do not pass."""
    folder = home / "lessons"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-c", str(ROOT / "pyproject.toml")]
    if situation.read_only:
        folder.chmod(0o555)
    paths = [str(folder / name) for name in names]
    done = run(
        situation, [pythons.path_of(situation), "-m", "pytest", *options, f"--rootdir={folder}", *paths], home, folder,
        LESSON_SECONDS, lessons=True,
    )  # fmt: skip
    folder.chmod(0o755)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    differ = re.findall(r"^FAILED (\d\d)\w+\.ipynb::Cell (\d+)", done.stdout, re.MULTILINE)
    found = {"differ": differ, "output": done.stdout + done.stderr}
    return {"passed": 0, "failed": 0} | counts | found
