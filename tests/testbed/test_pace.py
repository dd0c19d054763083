"""Slow clients on the kernel itself: their tries follow the law of their pace, not that of a tight loop nor a lottery.

3000 addresses, each with a counter of its own, are led to the port and try on from there: 1000 of them every 0.25 s,
1000 every second, 1000 every two seconds, for 24 seconds in all, in which the kernel draws two or three new starts.
They begin over 10 seconds, so that every phase of an epoch comes alike often. How many have met the port again by a
given try is a sum of independent draws, no wider than a binomial number; a count so far off comes by chance once in
3 10^6 studies of a pace, 10^6 of all three. The slack has two reasons. Of the kernel's 2^16 counters some serve two of
the addresses (1 in 22 has company), whose walk is then another one, at worst a lottery. And on a busy machine a late
try may fall into the next epoch, where its chance to hit is another one, by 2/M at most.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

import tcploop_lab as lab
from tcploop_lab.tries.theory import distribution

from .pacing import SPREAD, paced_returns

CANDIDATES, PORT = 64, 40064
RANGE = (40000, 39999 + 2 * CANDIDATES)
SECONDS = 24.0
ADDRESSES = [f"127.{a}.{b}.77" for a, b in product(range(60, 75), range(200))]
INTERVALS = (0.25, 1.0, 2.0)
FALSE_ALARM = 1e-6 / len(INTERVALS)


def plausible(hits: int, of: int, chance: float, slack: float) -> bool:
    """True unless so many hits, or so few, come less often than once in 3 million studies."""
    low, high = max(0.0, chance - slack), min(1.0, chance + slack)
    above, below = stats.binom.sf(hits - 1, of, high), stats.binom.cdf(hits, of, low)
    return bool(min(above, below) > FALSE_ALARM / 2)


@pytest.mark.slow
@pytest.mark.may_skip("a machine that is too busy to keep a pace has none to measure")
def test_slow_clients_follow_the_law_of_their_pace() -> None:
    """At each pace the share that met the port again is the law's; the walk's and the lottery's are refuted."""
    interval = {address: INTERVALS[i % 3] for i, address in enumerate(ADDRESSES)}
    with lab.open_testbed(port_range=RANGE, kind="namespace") as testbed:
        made, late = testbed.submit(paced_returns, PORT, ADDRESSES, interval, SECONDS).result()
    if late >= 0.25:  # later, the slack for late tries hides what refutes the rivals (seen at 0.8 s)
        pytest.skip(f"the machine is too busy for this pace: a try was {late:.1f} s late")
    walk = distribution("random-walk", RANGE, PORT, start="return")
    lottery = distribution("geometric", RANGE, PORT)
    for seconds in INTERVALS:
        law = distribution("random-walk", RANGE, PORT, start="return", tries_per_second=1 / seconds)
        rival = lottery if seconds == min(INTERVALS) else walk
        n = np.arange(1, int((SECONDS - SPREAD) / seconds))  # what every client has made
        told = int(n[np.argmax(np.abs(law.cdf(n) - rival.cdf(n)))])
        mine = [made[address] for address in ADDRESSES if interval[address] == seconds]
        hits = sum(hit and tries <= told for tries, hit in mine)
        shared = len(ADDRESSES) / 2**16 * abs(law.chance(told) - lottery.chance(told))
        slack = shared + late * told / SPREAD * 2 / CANDIDATES
        assert plausible(hits, len(mine), law.chance(told), slack), (seconds, told, hits, law.chance(told))
        assert not plausible(hits, len(mine), rival.chance(told), slack), (seconds, told, hits, rival.chance(told))
