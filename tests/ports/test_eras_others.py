"""macOS, FreeBSD and the algorithms of RFC 6056."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tcploop_lab.ports.eras import parse_era
from tcploop_lab.ports.ranges import PortRange

RANGE = PortRange(49152, 65535)
WIDTH = 16384


def steps(era: str, tries: int, destinations: int = 1) -> Counter[int]:
    """How often each difference of successive source ports comes, with destinations in turn."""
    kernel = parse_era(era)(1)
    ports = [kernel.connect_port(RANGE, ("there", n % destinations)) for n in range(tries)]
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
        kernel = parse_era(era)(2)
        first = kernel.connect_port(RANGE, "mine")
        for n in range(1000):
            kernel.connect_port(RANGE, ("other", n))
        moved[era] = (kernel.connect_port(RANGE, "mine") - first) % WIDTH
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
    kernel, ports = parse_era("freebsd")(3), PortRange(10000, 10009)
    assert {kernel.connect_port(ports) for _ in range(500)} == set(range(10001, 10010))
    assert {kernel.connect_port(ports, taken=[10009]) for _ in range(500)} == set(range(10000, 10009))


def test_freebsd_13_stops_being_random_when_it_is_busy() -> None:
    """More than 10 ports in a second: from the next second on one port after another, until 45 quiet ones are over."""
    now = 0.0
    kernel = parse_era("freebsd-13")(4, clock=lambda: now)

    def spread(ports: int) -> set[int]:
        given = [kernel.connect_port(RANGE) for _ in range(ports)]
        return {(after - before) % WIDTH for before, after in pairwise(given)}

    assert len(spread(10)) == 9
    now = 1.0  # ten in a second are not too many
    assert len(spread(40)) == 39
    now = 2.0
    assert spread(5) == {1}
    now = 46.9
    assert spread(5) == {1}
    now = 48.0
    assert len(spread(5)) == 4


def test_freebsd_13_walks_in_a_tight_loop() -> None:
    """Without a clock it is as busy as can be: one port after another."""
    assert steps("freebsd-13", WIDTH + 1) == {1: WIDTH}


def test_a_scan_piles_up_and_a_redraw_does_not() -> None:
    """RFC 6056: algorithm 1 gives the port after a taken block far too often, algorithm 2 does not."""
    busy = range(49152, 49152 + 8192)
    piled = {}
    for era in ("rfc6056-1", "rfc6056-2"):
        kernel = parse_era(era)(4)
        piled[era] = sum(kernel.connect_port(RANGE, taken=busy) == 49152 + 8192 for _ in range(1000))
    assert piled["rfc6056-1"] > 400
    assert piled["rfc6056-2"] < 10
