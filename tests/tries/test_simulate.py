"""Simulated loops, against the exact laws and against the machines that give one port at a time."""

from __future__ import annotations

import time
from itertools import count

import numpy as np
import pytest

from tcploop_lab.ports.eras import BY_NAME, ERAS, parse_era
from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.tries.simulate import first_of, tries
from tcploop_lab.tries.theory import distribution

from .chains import allowed_distance, distance

DEFAULT = (32768, 60999)
RANGE = (40000, 40099)
TAKEN = (40002, 40004, 40006, 40007, 40008, 40009, *range(40050, 40090))


@pytest.mark.parametrize("era", [era for era in ERAS if not BY_NAME[era].never])
@pytest.mark.parametrize("client", ["new-socket", "bind-zero", "bind-self"])
@pytest.mark.parametrize("start", ["random", "return"])
def test_the_simulation_follows_the_law(era: str, client: str, start: str) -> None:
    """20,000 loops of each kind lie within the bound that one sample in a million exceeds."""
    port = 40011 if client == "bind-zero" else 40010
    law = distribution(era, RANGE, port, client, start)
    samples = tries(era, RANGE, port, client, start, samples=20_000, seed=7)
    assert law.can_loop
    assert samples.observed.all()
    assert distance(samples.tries, law.cdf) < allowed_distance(20_000)


@pytest.mark.parametrize("era", ["even-sequence", "random-walk", "socket-range", "rfc6056-1", "rfc6056-2"])
@pytest.mark.parametrize("start", ["random", "return"])
def test_the_simulation_follows_the_law_past_taken_ports(era: str, start: str) -> None:
    """The same with ports taken, for which the law comes from a Markov chain."""
    law = distribution(era, RANGE, 40010, "new-socket", start, busy=TAKEN)
    samples = tries(era, RANGE, 40010, "new-socket", start, samples=20_000, seed=8, busy=TAKEN)
    assert distance(samples.tries, law.cdf) < allowed_distance(20_000)


def machine_tries(era: str, seed: int, **options: int) -> int:
    """The tries of one loop on an allocator with a random start."""
    kernel, ports = parse_era(era)(seed, **options), PortRange(*RANGE)
    return next(n for n in count(1) if kernel.connect_port(ports, taken=TAKEN) == 40010)


@pytest.mark.parametrize(
    ("era", "options"), [("random-walk", {}), ("step-width", {"step_width": 20}), ("rfc6056-5", {})]
)
def test_the_simulation_follows_the_machines(era: str, options: dict[str, int]) -> None:
    """Where no law is known, the loops are those of the allocator asked port by port."""
    machine = np.sort([machine_tries(era, seed, **options) for seed in range(800)])
    samples = tries(era, RANGE, 40010, "new-socket", samples=40_000, seed=9, busy=TAKEN, **options)
    known = np.sort(samples.tries)
    far = distance(machine, lambda n: np.searchsorted(known, n, side="right") / len(known))
    assert far < allowed_distance(800) + allowed_distance(40_000)


@pytest.mark.slow
def test_a_million_walks_take_seconds_and_follow_the_law() -> None:
    """10^6 first hits of the default range: under 20 s of computing, and 0.27 % from the law at most."""
    begin = time.process_time()  # a busy machine does not count
    samples = tries("random-walk", DEFAULT, 33334, samples=1_000_000, seed=1)
    assert time.process_time() - begin < 20
    assert samples.observed.all()
    law = distribution("random-walk", DEFAULT, 33334)
    assert distance(samples.tries, law.cdf) < allowed_distance(1_000_000)


def test_many_candidates_with_taken_ports() -> None:
    """What the theory refuses is counted: the port past a block of 1000 even ones takes far fewer tries."""
    busy = range(40000, 42000)
    samples = tries("random-walk", DEFAULT, 42000, samples=500, seed=3, busy=busy)
    assert samples.observed.all()
    assert samples.tries.mean() < distribution("random-walk", DEFAULT, 42000).mean / 2


@pytest.mark.parametrize(
    ("port", "client", "busy"),
    [(33333, "same-socket", ()), (33334, "bind-zero", ()), (33334, "bind-self", (33334,)), (80, "new-socket", ())],
)
def test_loops_that_cannot_happen_are_censored(port: int, client: str, busy: tuple[int, ...]) -> None:
    """A loop that never happens is given up after max_tries, and says so."""
    samples = tries("random-walk", DEFAULT, port, client, samples=50, seed=1, busy=busy, max_tries=1000)
    assert not samples.observed.any()
    assert (samples.tries == 1000).all()


def test_censored_loops_count_as_tried_to_the_limit() -> None:
    """With few tries allowed, the share that loops is the chance of the law."""
    samples = tries("random-walk", DEFAULT, 33334, samples=20_000, seed=2, max_tries=3000)
    chance = distribution("random-walk", DEFAULT, 33334).chance(3000)
    assert abs(samples.observed.mean() - chance) < allowed_distance(20_000)
    assert samples.tries.max() == 3000
    assert (samples.tries[~samples.observed] == 3000).all()


def test_a_counter_that_is_caught_is_censored() -> None:
    """Where the exact law says one half, half of the loops never end."""
    samples = tries("even-sequence", (40000, 40004), 40000, samples=20_000, seed=4, busy=[40002])
    assert abs(samples.observed.mean() - 0.5) < allowed_distance(20_000)


def test_freebsd_has_one_try_per_socket() -> None:
    """A second connect() on one socket fails there, so a loop ends with its first try."""
    samples = tries("freebsd", RANGE, 40010, "same-socket", samples=20_000, seed=4)
    assert (samples.tries == 1).all()
    assert abs(samples.observed.mean() - 1 / 99) < allowed_distance(20_000)


def test_the_first_of_several_clients() -> None:
    """k clients on one counter need as many tries together as one alone, and about 1/k each."""
    alone = tries("random-walk", RANGE, 40010, "new-socket", samples=20_000, seed=6)
    shared = first_of(4, "random-walk", RANGE, 40010, samples=20_000, seed=6)
    assert (shared.together == alone.tries).all()
    assert (shared.own <= shared.together).all()
    assert shared.own.mean() == pytest.approx(1 + (alone.tries.mean() - 1) / 4, rel=0.02)
    assert (first_of(1, "random-walk", RANGE, 40010, samples=100, seed=6).own <= 10**6).all()


def test_a_seed_repeats_the_loops() -> None:
    """The same seed gives the same loops, another one others."""
    runs = [tries("random-walk", RANGE, 40010, samples=100, seed=seed).tries for seed in (1, 1, 2)]
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples 0"),
        ({"start": "now"}, "start 'now'"),
        ({"client": "telnet"}, "client 'telnet'"),
        ({"era": "walk"}, "era 'walk'"),
    ],
)
def test_bad_arguments_say_what_is_allowed(arguments: dict[str, object], message: str) -> None:
    """Each bad argument is named."""
    good: dict[str, object] = {"era": "rover", "port_range": RANGE, "port": 40010}
    with pytest.raises(ValueError, match=message):
        tries(**{**good, **arguments})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="clients 0"):
        first_of(0, "rover", RANGE, 40010)
