"""The eras of Linux: golden sequences from public reports and from the commits themselves."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tcploop_lab.ports.era import Era
from tcploop_lab.ports.eras import BY_NAME, parse_era
from tcploop_lab.ports.eras.linux import StepWidth
from tcploop_lab.ports.ranges import LINUX_DEFAULT_RANGE as DEFAULT
from tcploop_lab.ports.ranges import PortRange

HERE = ("127.0.0.1", "127.0.0.1", 33334)
THERE = ("127.0.0.1", "127.0.0.1", 40000)


def steps(kernel: Era, tries: int, modulus: int = 28232) -> Counter[int]:
    """How often each difference of successive source ports comes."""
    ports = [kernel.connect_port(DEFAULT) for _ in range(tries)]
    return Counter((after - before) % modulus for before, after in pairwise(ports))


def test_the_hits_of_tokio_issue_3405() -> None:
    """Linux 4.19: successes at tries 9647, 23763 and 37879, 14116 apart each time."""
    kernel = parse_era("even-sequence")(1)
    ports = [kernel.connect_port(DEFAULT) for _ in range(37_879)]
    target = ports[9647 - 1]
    assert [n for n, port in enumerate(ports, 1) if port == target] == [9647, 23763, 37879]
    assert (23763 - 9647, 37879 - 23763) == (14116, 14116)


def test_the_distances_of_commit_ca7af0402550() -> None:
    """At least 14116/8 = 1764 connections between two uses of a port, and 14116/4.5 = 3137 a sweep."""
    kernel = parse_era("random-walk")(1)
    ports = [kernel.connect_port(DEFAULT) for _ in range(200_000)]
    last: dict[int, int] = {}
    gaps = []
    for n, port in enumerate(ports):
        gaps.append(n - last.get(port, -(10**6)))
        last[port] = n
    assert sum(gap < 10**6 for gap in gaps) > 100_000
    assert min(gaps) > 14116 // 8 == 1764
    sweeps = sum(after < before for before, after in pairwise(ports))
    assert len(ports) / sweeps == pytest.approx(14116 / 4.5, rel=0.02)
    assert round(14116 / 4.5) == 3137


@pytest.mark.parametrize(
    ("era", "expected"),
    [
        ("rover", {1: 1}),
        ("hashed-sequence", {1: 1}),
        ("even-sequence", {2: 1}),
        ("perturbed-even-sequence", {2: 15 / 16, 4: 1 / 16}),
        ("random-walk", {2 * j: 1 / 8 for j in range(1, 9)}),
        ("socket-range", dict.fromkeys(range(1, 9), 1 / 8)),
        ("step-width", {2 * j: 1 / 8 for j in range(1, 9)}),
    ],
)
def test_the_increments_of_each_era(era: str, expected: dict[int, float]) -> None:
    """The differences of successive ports are those of the kernel's rule, and of the table of eras."""
    counts = steps(parse_era(era)(2), 40_001)
    assert set(counts) == set(expected)
    assert BY_NAME[era].steps == tuple(expected.values())
    for step, share in expected.items():
        assert counts[step] / 40_000 == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("era", "shared"), [("rover", True), ("hashed-sequence", True), ("even-sequence", True), ("random-walk", False)]
)
def test_who_shares_a_counter(era: str, shared: bool) -> None:
    """One counter for the whole host until 5.11: another destination moved it too. Since then not."""
    kernel = parse_era(era)(3)
    first = kernel.connect_port(DEFAULT, HERE)
    for _ in range(1000):
        kernel.connect_port(DEFAULT, THERE)
    moved = (kernel.connect_port(DEFAULT, HERE) - first) % 28232
    assert (moved > 900) is shared


@pytest.mark.parametrize(("era", "same"), [("rover", True), ("even-sequence", False), ("random-walk", False)])
def test_destinations_have_starts_of_their_own(era: str, same: bool) -> None:
    """The rover knows no destinations; a hash scatters them."""
    kernel = parse_era(era)(4)
    ports = [kernel.connect_port(DEFAULT, ("127.0.0.1", "127.0.0.1", port)) for port in range(1, 101)]
    assert (max(ports) - min(ports) < 100) is same
    assert same or max(ports) - min(ports) > 20_000


def test_the_walk_starts_anew_every_ten_seconds() -> None:
    """Within an epoch the port moves by 16 at most; with the next one it jumps."""
    now = 0.0
    kernel = parse_era("random-walk")(5, clock=lambda: now)
    before = [kernel.connect_port(DEFAULT) for _ in range(3)]
    now = 9.999
    same_epoch = kernel.connect_port(DEFAULT)
    now = 10.0
    next_epoch = kernel.connect_port(DEFAULT)
    assert all(0 < after - port <= 16 for port, after in pairwise([*before, same_epoch]))
    assert abs(next_epoch - same_epoch) > 16


def test_taken_ports_push_the_counter_on() -> None:
    """Past a block of 20 even ports the next port lies after the block: i = max(i, 2 * random)."""
    kernel = parse_era("random-walk")(6)
    first = kernel.connect_port(DEFAULT)
    block = range(first + 2, first + 60)
    second = kernel.connect_port(DEFAULT, taken=block)
    third = kernel.connect_port(DEFAULT, taken=block)
    assert second == first + 60
    assert third - second == 2  # passing over 22 candidates or more outdoes the random part, which is 7 at most


def test_the_last_port_of_an_odd_width_stands_in_for_the_first() -> None:
    """40000-40004: from 40002, if it is held, comes 40004; 40000 comes only from its own turn."""
    odd = PortRange(40000, 40004)
    ports = {parse_era("even-sequence")(seed).connect_port(odd, taken=[40002]) for seed in range(50)}
    assert ports == {40000, 40004}


def test_a_random_stride_scatters_what_is_displaced() -> None:
    """With a step width, ports past a block of taken ones are no longer the one after it (7da62262ec96)."""
    busy = range(40000, 40100)
    piled = {}
    for era in ("random-walk", "step-width"):
        kernel, ports = parse_era(era)(7), PortRange(40000, 40999)
        piled[era] = sum(kernel.connect_port(ports, ("there", n), busy) == 40100 for n in range(1000))
    assert piled["random-walk"] > 70  # a tenth of the starts lies in the block
    assert piled["step-width"] < 20


def test_a_step_width_of_zero_is_the_plain_walk() -> None:
    """0 is the kernel's default, and off; a negative one is refused."""
    off = StepWidth(8, step_width=0)
    ports = [off.connect_port(DEFAULT, taken=range(32768, 50000)) for _ in range(100)]
    assert all(port >= 50000 for port in ports)
    with pytest.raises(ValueError, match="step width -1"):
        StepWidth(step_width=-1)


def test_bind_zero_with_reuse_takes_the_lower_half_first() -> None:
    """SO_REUSEADDR: the lower half, the other parity; then the upper half; all of it before giving up."""
    kernel, ports = parse_era("random-walk")(9), PortRange(40000, 40099)

    def given(taken: range) -> set[int]:
        return {kernel.bind_port(ports, taken, reuse_address=True) for _ in range(2000)}

    assert given(range(0)) == set(range(40001, 40050, 2))
    assert given(range(40000, 40050)) == set(range(40051, 40100, 2))
    assert given(range(40001, 40100, 2)) == set(range(40000, 40050, 2))


def test_bind_zero_has_no_memory() -> None:
    """Two ports in a row have nothing to do with each other: all differences come."""
    kernel, forty = parse_era("random-walk")(10), PortRange(40000, 40039)
    ports = [kernel.bind_port(forty) for _ in range(20_001)]
    counts = Counter((after - before) % 40 for before, after in pairwise(ports))
    assert set(counts) == set(range(0, 40, 2))
    assert max(counts.values()) < 1.3 * min(counts.values())
