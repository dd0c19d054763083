"""The allocators of all eras: what holds for each of them, whatever the range and whatever is taken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcploop_lab.ports.allocators import ALLOCATORS, Allocator, PortsExhausted, make
from tcploop_lab.ports.eras import ERAS

REDRAWING = ("rfc6056-2", "rfc6056-5")  # they give up by chance, as RFC 6056 has it
LINUX_PARITY = {
    "even-sequence": 0,
    "perturbed-even-sequence": 0,
    "random-walk": 0,
    "step-width": 0,
    "bind-zero": 1,
}

ranges = st.tuples(st.integers(1024, 60000), st.integers(1, 40)).map(lambda pair: (pair[0], sum(pair) - 1))


def gives(allocator: Allocator, busy: set[int], reserved: set[int], tries: int) -> list[int]:
    """The ports given in so many tries, or fewer if they are exhausted."""
    ports: list[int] = []
    try:
        for _ in range(tries):
            ports.append(allocator.next_port(busy=busy, reserved=reserved))
    except PortsExhausted:
        pass
    return ports


def test_every_era_has_an_allocator() -> None:
    """The names of the command line all make one, and bind-zero is one more."""
    assert set(ALLOCATORS) == {*ERAS, "bind-zero"}


@settings(deadline=None, max_examples=200)
@given(era=st.sampled_from(sorted(ALLOCATORS)), port_range=ranges, seed=st.integers(0, 99), data=st.data())
def test_no_taken_port_is_ever_given(era: str, port_range: tuple[int, int], seed: int, data: st.DataObject) -> None:
    """Busy and reserved ports, and ports outside the range, are never given."""
    some = st.sets(st.integers(*port_range))
    busy, reserved = data.draw(some), data.draw(some)
    ports = gives(make(era, port_range, seed), busy, reserved, 60)
    assert not {*ports} & (busy | reserved)
    assert all(port_range[0] <= port <= port_range[1] for port in ports)


@settings(deadline=None, max_examples=100)
@given(era=st.sampled_from(sorted(ALLOCATORS)), port_range=ranges, seed=st.integers(0, 99))
def test_every_candidate_is_given_in_the_end(era: str, port_range: tuple[int, int], seed: int) -> None:
    """On a free range every first candidate comes up, and nothing else does."""
    allocator = make(era, port_range, seed)
    circle = allocator.candidates
    expected = {circle.first(position) for position in range(circle.size)}
    assert {*gives(allocator, set(), set(), 80 * circle.size)} == expected


@settings(deadline=None, max_examples=100)
@given(
    era=st.sampled_from(sorted(LINUX_PARITY)),
    low=st.integers(1024, 60000),
    half=st.integers(1, 20),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_the_preferred_parity_comes_first(era: str, low: int, half: int, seed: int, data: st.DataObject) -> None:
    """While a port of the preferred parity is free, none of the other is given; then those are."""
    preferred = set(range(low + LINUX_PARITY[era], low + 2 * half, 2))
    busy = data.draw(st.sets(st.sampled_from(sorted(preferred))))
    ports = gives(make(era, (low, low + 2 * half - 1), seed), busy, set(), 30)
    assert len(ports) == 30
    assert all((port in preferred) == (busy != preferred) for port in ports)


@pytest.mark.parametrize("era", ALLOCATORS)
def test_a_full_range_is_reported(era: str) -> None:
    """With all ports taken the allocator says so, with the range, as connect() does with EADDRNOTAVAIL."""
    allocator = make(era, (40000, 40009), 1)
    with pytest.raises(PortsExhausted, match="range 40000-40009: no port is free"):
        allocator.next_port(busy=range(40000, 40005), reserved=range(40005, 40010))
    assert isinstance(allocator.next_port(), int)


@pytest.mark.parametrize("era", [era for era in ALLOCATORS if era not in REDRAWING])
@pytest.mark.parametrize("left", [40003, 40006])
def test_the_last_free_port_is_found(era: str, left: int) -> None:
    """One free port of an even number is found from every start."""
    busy = set(range(40000, 40010)) - {left}
    for seed in range(20):
        assert gives(make(era, (40000, 40009), seed), busy, set(), 5) == [left] * 5


@pytest.mark.parametrize("era", ALLOCATORS)
def test_a_range_of_one_port_has_one_answer(era: str) -> None:
    """low == high gives that port, odd or even."""
    for port in (40000, 40001):
        assert gives(make(era, (port, port), 1), set(), set(), 3) == [port] * 3


@pytest.mark.parametrize("era", ALLOCATORS)
def test_a_seed_repeats_the_ports(era: str) -> None:
    """The same seed gives the same ports, other seeds other starts."""
    runs = [gives(make(era, (32768, 60999), seed), set(), set(), 5) for seed in (1, 1, 2, 3)]
    assert runs[0] == runs[1]
    assert len({tuple(run) for run in runs}) >= 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("walk", (1, 2)), "era 'walk': an allocator is one of rover"),
        (("rover", (2, 1)), "range 2-1: it is reversed"),
    ],
)
def test_bad_arguments_say_what_is_allowed(arguments: tuple[str, tuple[int, int]], message: str) -> None:
    """An unknown era and a bad range are named."""
    with pytest.raises(ValueError, match=message):
        make(*arguments)
    with pytest.raises(ValueError, match=r"\['step_width'\]: the era rover has no such option"):
        make("rover", (1, 2), step_width=3)
