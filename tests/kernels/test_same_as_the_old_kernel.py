"""Random scripts of socket calls do the same on the simulated 5.10.46 as on the real one, which is started for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import tcploop_lab as lab

from ..stacks.test_same_as_the_kernel import difference, first_scripts

SCRIPTS, WORKERS = 100, 4


@pytest.mark.slow
def test_a_hundred_scripts_do_the_same_on_both(fetched: str) -> None:
    """Return values, errnos, states, socket table, counters and segments agree with a kernel of 2021."""
    chosen = first_scripts(SCRIPTS)
    with lab.open_testbed(kernel=fetched, real=True, workers=WORKERS) as old, ThreadPoolExecutor(WORKERS) as pool:
        different = [found for found in pool.map(lambda script: difference(old, script), chosen) if found]
    assert len(chosen) == SCRIPTS
    assert different == []
