"""macOS, FreeBSD and the algorithms of RFC 6056."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tcploop_lab.ports.allocators import make

RANGE = (49152, 65535)
WIDTH = 16384


def steps(era: str, tries: int, destinations: int = 1) -> Counter[int]:
    """How often each difference of successive source ports comes, with destinations in turn."""
    allocator = make(era, RANGE, 1)
    ports = [allocator.next_port(("there", n % destinations)) for n in range(tries)]
    return Counter((after - before) % WIDTH for before, after in pairwise(ports))


@pytest.mark.parametrize("era", ["macos", "rfc6056-3", "rfc6056-4"])
def test_one_port_after_another(era: str) -> None:
    """To one destination these give each port in turn."""
    assert steps(era, WIDTH + 1) == {1: WIDTH}


@pytest.mark.parametrize(("era", "same"), [("macos", True), ("rfc6056-3", False), ("rfc6056-4", False)])
def test_destinations_are_told_apart_by_a_hash(era: str, same: bool) -> None:
    """macOS goes on counting whatever the destination; the hashes of RFC 6056 scatter them."""
    assert (set(steps(era, 100, destinations=20)) == {1}) is same


def test_the_double_hash_hides_how_often_others_connect() -> None:
    """RFC 6056 section 3.3.4: other destinations mostly use other counters; with one counter all are seen."""
    moved = {}
    for era in ("rfc6056-3", "rfc6056-4"):
        allocator = make(era, RANGE, 2)
        first = allocator.next_port("mine")
        for n in range(1000):
            allocator.next_port(("other", n))
        moved[era] = (allocator.next_port("mine") - first) % WIDTH
    assert moved["rfc6056-3"] == 1001
    assert moved["rfc6056-4"] < 300


def test_random_increments_are_1_to_500() -> None:
    """RFC 6056 section 3.3.5 with N = 500: every increment from 1 to 500, and no other."""
    counts = steps("rfc6056-5", 50_000)
    assert set(counts) == set(range(1, 501))


@pytest.mark.parametrize("era", ["freebsd", "rfc6056-1", "rfc6056-2"])
def test_a_fresh_start_for_every_port(era: str) -> None:
    """Differences are spread over the whole range: none comes in more than a few of 20,000."""
    counts = steps(era, 20_000)
    assert max(counts.values()) < 20
    assert len(counts) > 10_000


def test_freebsd_gives_its_lowest_port_last() -> None:
    """It adds 1 to a random number before it looks, so the lowest port comes only past taken ones."""
    allocator = make("freebsd", (10000, 10009), 3)
    assert {allocator.next_port() for _ in range(500)} == set(range(10001, 10010))
    assert {allocator.next_port(busy=[10009]) for _ in range(500)} == set(range(10000, 10009))


def test_a_scan_piles_up_and_a_redraw_does_not() -> None:
    """RFC 6056: algorithm 1 gives the port after a taken block far too often, algorithm 2 does not."""
    busy = range(49152, 49152 + 8192)
    piled = {}
    for era in ("rfc6056-1", "rfc6056-2"):
        allocator = make(era, RANGE, 4)
        piled[era] = sum(allocator.next_port(busy=busy) == 49152 + 8192 for _ in range(1000))
    assert piled["rfc6056-1"] > 400
    assert piled["rfc6056-2"] < 10
