"""Random scripts of socket calls do the same on the simulated kernel as on the kernel that runs here.

The scripts are the same in every run (derandomized). A script that differs is made shorter and shown as Python. What
depends on the moment, such as a delayed acknowledgment on a machine that is busy just then, may differ once: a script
counts as different if it differs three times in a row.
"""

from __future__ import annotations

import functools
import itertools
import platform
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import tcploop_lab as lab
from tcploop_lab.stacks.simulated import SimulatedStack
from tcploop_lab.testbed.testbed import Testbed

from .calls import Script, text
from .live import on_the_kernel
from .planted import NEEDS_TIME, PLANTED
from .play import play, without_segments
from .scripts import scripts, with_a_long_wait

SCRIPTS = 200  # in CI; make differences plays 20,000
FIRST = 2000  # of the same sequence, in which each planted bug must be found, but for those that need time
WORKERS = 8  # they mostly wait
TIMES = 3
KERNEL = ".".join(platform.release().split(".")[:2])

pytestmark = pytest.mark.slow


@functools.cache
def first_scripts(number: int, start: int = 0) -> list[Script]:
    """The first scripts of a sequence that never changes; there is one for each `start`."""
    found: list[Script] = []

    def collect(script: Script) -> None:
        found.append(script)

    generate = settings(
        max_examples=number, deadline=None, phases=[Phase.generate], database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    seed(start)(generate(given(scripts())(collect)))()
    return found


def long_scripts(number: int) -> list[Script]:
    """Scripts with a minute and a half in them, which the kernel needs and the simulated one passes at once."""
    chosen = first_scripts(2 * number, start=1)
    return [with_a_long_wait(*chosen[2 * place : 2 * place + 2], closed=place % 2 == 0) for place in range(number)]


def simulated(script: Script, capture: bool = True, kernel: str = KERNEL) -> tuple[str, ...]:
    """What the simulated kernel of this version does with a script."""
    return play(SimulatedStack(kernel, seed=1), script, capture)


def difference(testbed: Testbed, script: Script) -> tuple[str, str] | None:
    """The first line that differs, live and simulated; None if one of three times nothing does.

    Without a capture a refused try takes a shorter way in the simulated kernel, so that is played as well.
    """
    kernel = re.findall(r"[0-9]+(?:\.[0-9]+)+", testbed.kernel)[0]
    ours, unseen = simulated(script, True, kernel), without_segments(simulated(script, False, kernel))
    for _ in range(TIMES):
        live = testbed.submit(on_the_kernel, play, script).result()
        if live == ours and without_segments(live) == unseen:
            return None
    theirs, mine = (live, ours) if live != ours else (without_segments(live), unseen)
    return next(
        ((a, b) for a, b in zip(theirs, mine, strict=False) if a != b), (f"{len(theirs)} lines", f"{len(mine)} lines")
    )


def shortest(testbed: Testbed, script: Script) -> Script:
    """The script without each call that the difference does not need."""
    shorter = True
    while shorter:
        shorter = False
        for place in range(len(script)):
            without = script[:place] + script[place + 1 :]
            if difference(testbed, without):
                script, shorter = without, True
                break
    return script


@pytest.fixture(scope="module")
def testbed() -> Iterator[Testbed]:
    """A testbed with so many workers, each with a private network."""
    with lab.open_testbed(kind="namespace", workers=WORKERS) as place:
        yield place


def report(testbed: Testbed, script: Script, seen: tuple[str, str]) -> str:
    """A difference for people: the shortest script, and what each kernel did; `seen` is what was seen at first."""
    short = shortest(testbed, script)
    live, ours = difference(testbed, short) or (f"{seen[0]}; this did not differ again", seen[1])
    return f"{text(short)}\n  live       {live}\n  simulated  {ours}"


def test_random_scripts_do_the_same_on_both_kernels(testbed: Testbed) -> None:
    """Return values, errnos, states, socket table, counters and segments of 200 scripts agree."""
    chosen = first_scripts(SCRIPTS)
    assert len(chosen) == SCRIPTS
    with ThreadPoolExecutor(WORKERS) as pool:
        different = list(pool.map(lambda script: difference(testbed, script), chosen))
    found = [report(testbed, script, seen) for script, seen in zip(chosen, different, strict=True) if seen][:3]
    assert found == [], "\n\n".join(found)


@functools.cache
def right(start: int, long: bool = False) -> list[tuple[Script, tuple[str, ...]]]:
    """A hundred scripts, and what the simulated kernel does with each as it is."""
    chosen = long_scripts(100) if long else first_scripts(FIRST)[start : start + 100]
    return [(script, simulated(script)) for script in chosen]


@pytest.mark.parametrize("name", sorted(set(PLANTED) - NEEDS_TIME))
def test_a_planted_bug_is_found(testbed: Testbed, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some script of the first 2,000 does something else with the bug, and the real kernel does it as without."""
    found = (script for start in range(0, FIRST, 100) for script in _finds(name, right(start), monkeypatch))
    script = next(found, None)
    assert script is not None
    assert difference(testbed, script) is None


@pytest.mark.parametrize("name", sorted(NEEDS_TIME))
def test_a_long_script_finds_what_needs_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script with a minute and a half in it does something else; make differences plays it on the real kernel."""
    assert _finds(name, right(0, long=True), monkeypatch)


def _finds(
    name: str, chosen: list[tuple[Script, tuple[str, ...]]], monkeypatch: pytest.MonkeyPatch
) -> tuple[Script, ...]:
    """The first script, if there is one, that does something else with the bug planted."""
    with monkeypatch.context() as planted:
        PLANTED[name](planted.setattr)
        return tuple(itertools.islice((script for script, lines in chosen if _broken(script) != lines), 1))


def _broken(script: Script) -> tuple[str, ...]:
    try:
        return simulated(script)
    except Exception as error:  # a bug may also be an error of the simulated kernel
        return (repr(error),)
