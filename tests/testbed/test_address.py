"""Testbeds beside one another: the kernel has one table of steps for all its networks, so each has an address."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

import tcploop_lab as lab

pytestmark = pytest.mark.kernel
TRIES = 20_000


def long_steps(testbed: lab.Testbed, found: list[int]) -> None:
    """Count the steps of a walk that are none: longer than 16, or back, but for the end of the range."""
    mine = testbed.address
    run = testbed.connect_loop(33333, mine, max_tries=TRIES, trace=True, source=mine, progress=False)
    assert run.tries == TRIES
    width = testbed.port_range.width
    found.append(sum(not 2 <= (after - before) % width <= 16 for before, after in pairwise(run.trace)))


def two_at_once() -> list[int]:
    """What two testbeds count that dial the same port at once, each at its own address."""
    found: list[int] = []
    with lab.open_testbed() as one, lab.open_testbed() as other:
        assert one.address != other.address
        walkers = [threading.Thread(target=long_steps, args=(testbed, found)) for testbed in (one, other)]
        for walker in walkers:
            walker.start()
        for walker in walkers:
            walker.join()
    return found


@pytest.mark.private_network
def test_two_testbeds_at_once_do_not_move_each_others_walk() -> None:
    """At addresses of their own, a walk has one long step at most: every 10 s the kernel begins it at another place.

    Two addresses share one of 65,536 places of the table by chance: two pairs do it once in 4e9.
    """
    found = two_at_once()
    assert len(found) == 2
    assert max(found) <= 1 or max(two_at_once()) <= 1


def test_a_simulated_kernel_is_nobody_elses() -> None:
    """There is no neighbour in a simulated kernel: its address is the usual one, and its results can be repeated."""
    assert lab.open_testbed(kernel="6.18").address == "127.0.0.1"
