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

pytestmark = pytest.mark.slow

STUDY = lab.Study([40500, 40501], (40000, 40999), samples=2500)  # too long to be done before the tenth kill
# A task is a whole cell, and takes seconds: what is stored sooner is stored because of the time, so that kills every
# second lose little.
SCRIPT = """
import sys
import tcploop_lab as lab
from tcploop_lab.study import engine
engine.TASK_TRIES = engine.MOST_SAMPLES = 10**9
lab.Study.from_json(sys.argv[1]).run(out=sys.argv[2], resume=True, progress=False)
"""


def begin(path: Path) -> subprocess.Popen[bytes]:
    """Start the study, or go on with it, in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", SCRIPT, STUDY.to_json(), str(path)], stderr=subprocess.DEVNULL)


def stored(path: Path) -> dict[tuple[int, int], tuple[object, ...]]:
    """What the file holds: (cell, sample number) to its row."""
    if not path.exists() or not path.stat().st_size:
        return {}
    with Store.open(path, lab.Study.from_json) as store:
        content = store.read()
        return {row[:2]: (*row[:5], *content.machines[row[5]]) for row in content.rows.tolist()}


def wait_for_a_commit(program: subprocess.Popen[bytes], path: Path) -> int:
    """Wait until the study stores something, and return how many samples that is."""
    before, end = len(stored(path)), time.monotonic() + 60
    while (now := len(stored(path))) == before:
        assert program.poll() is None and time.monotonic() < end, "the study stores nothing"
        time.sleep(0.05)
    return now - before


def test_ten_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """After each SIGKILL the file holds all it held before; at the end every sample is there once."""
    path, moments = tmp_path / "study.sqlite", random.Random(20)
    seen: dict[tuple[int, int], tuple[object, ...]] = {}
    for number in range(10):
        program = begin(path)
        if number % 2:  # in the middle of the work; else at any moment, the start included
            assert wait_for_a_commit(program, path) < STUDY.samples, "a task was stored when all of it was done"
        time.sleep(moments.uniform(0.0, 0.3 if number % 2 else 1.5))
        program.kill()
        program.wait()
        now = stored(path)
        assert seen.items() <= now.items()
        seen = now
    assert 0 < len(seen) < STUDY.size, "the kills came too late to meet a study at work"
    assert begin(path).wait(timeout=120) == 0
    final = stored(path)
    assert seen.items() <= final.items()
    assert sorted(final) == [(cell, number) for cell in range(2) for number in range(STUDY.samples)]
