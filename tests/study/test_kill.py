"""A study that is killed, again and again, at any moment, and taken up each time."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.study.store import Store

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

STUDY = lab.Study([40500, 40501], (40000, 40999), samples=600)
# Small tasks, so that a kill often meets a commit.
SCRIPT = """
import sys
import tcploop_lab as lab
from tcploop_lab.study import engine
engine.TASK_TRIES = 2_000
lab.Study.from_json(sys.argv[1]).run(out=sys.argv[2], resume=True, progress=False)
"""


def begin(path: Path) -> subprocess.Popen[bytes]:
    """Start the study, or go on with it, in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", SCRIPT, STUDY.to_json(), str(path)])


def stored(path: Path) -> dict[tuple[int, int], tuple[object, ...]]:
    """What the file holds: (cell, sample number) to its row."""
    if not path.exists() or not path.stat().st_size:
        return {}
    with Store.open(path) as store:
        return {(cell, row[0]): tuple(row) for cell in range(2) for row in store.rows(cell)}


def test_ten_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """After each SIGKILL the file holds all it held before; at the end every sample is there once."""
    path, moments = tmp_path / "study.sqlite", random.Random(20)
    seen: dict[tuple[int, int], tuple[object, ...]] = {}
    grew = 0
    for _ in range(10):
        program = begin(path)
        time.sleep(moments.uniform(0.2, 1.6))
        program.kill()
        program.wait()
        now = stored(path)
        assert seen.items() <= now.items()
        grew += len(now) > len(seen)
        seen = now
    assert grew >= 1, "no kill met a study that was sampling"
    assert begin(path).wait(timeout=120) == 0
    final = stored(path)
    assert seen.items() <= final.items()
    assert sorted(final) == [(cell, number) for cell in range(2) for number in range(600)]
