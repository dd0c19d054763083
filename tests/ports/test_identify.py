"""The era that a probe reads from source ports, on ports made by the allocators themselves."""

from __future__ import annotations

import pytest

from tcploop_lab.ports.eras import BY_NAME, parse_era
from tcploop_lab.ports.identify import classify
from tcploop_lab.ports.ranges import PortRange

DEFAULT = (32768, 60999)


def ports_of(era: str, seed: int, port_range: tuple[int, int] = DEFAULT, tries: int = 400) -> list[int]:
    """The source ports of some tries to one destination."""
    kernel, ports = parse_era(era)(seed), PortRange(*port_range)
    return [kernel.connect_port(ports) for _ in range(tries)]


@pytest.mark.parametrize("era", [era for era in BY_NAME if not BY_NAME[era].guessed])
def test_an_era_is_named_in_99_of_100_runs(era: str) -> None:
    """400 tries name the era, or the one that stands for all that look like it."""
    seen = BY_NAME[era].probed_as or era
    results = [classify(ports_of(era, seed), DEFAULT) for seed in range(100)]
    assert sum(result.era == seen for result in results) >= 99
    assert all(era in (result.era, *result.alike) for result in results)


@pytest.mark.parametrize("era", BY_NAME)
def test_a_law_is_that_of_its_machine(era: str) -> None:
    """Eras that a probe takes for the same have the same law; where the rule is a guess, no probe names it."""
    same = BY_NAME[BY_NAME[era].probed_as or era]
    assert (BY_NAME[era].steps, BY_NAME[era].order.replace(", low last", "")) == (same.steps, same.order)
    assert era != "windows" or BY_NAME[era].guessed


def test_bind_zero_is_seen_as_a_lottery() -> None:
    """bind(0) of today's Linux draws each port anew, of one parity."""
    kernel, ports = parse_era("random-walk")(1), PortRange(*DEFAULT)
    result = classify([kernel.bind_port(ports) for _ in range(400)], DEFAULT)
    assert (result.era, result.parity) == ("geometric", "odd")


@pytest.mark.parametrize("port_range", [(32768, 61000), (1025, 65000), (40000, 40999), (40000, 40100)])
@pytest.mark.parametrize("era", ["even-sequence", "perturbed-even-sequence", "random-walk", "socket-range"])
def test_the_range_may_be_odd_narrow_or_shifted(era: str, port_range: tuple[int, int]) -> None:
    """Other ranges are read as well: an odd width, an odd low, a hundred ports."""
    results = [classify(ports_of(era, seed, port_range), port_range) for seed in range(20)]
    assert [result.era for result in results] == [era] * 20


@pytest.mark.parametrize(
    ("era", "port_range"),
    [("macos", (49152, 65535)), ("freebsd", (10000, 65535)), ("freebsd-13", (10000, 65535))],
    ids=["macos", "freebsd", "freebsd-13"],
)
def test_the_range_decides_where_the_steps_cannot(era: str, port_range: tuple[int, int]) -> None:
    """macOS and FreeBSD are named by their ranges; what else it may be is listed."""
    result = classify(ports_of(era, 1, port_range), port_range)
    assert result.era == era
    assert len(result.alike) >= 2
    assert era not in result.alike


def test_the_increments_of_the_walk() -> None:
    """The walk shows the steps 2, 4 .. 16 and nothing else, all ports of one parity."""
    result = classify(ports_of("random-walk", 3), DEFAULT)
    assert set(result.increments) == {2, 4, 6, 8, 10, 12, 14, 16}
    assert sum(result.increments.values()) == result.tries - 1 == 399
    assert (result.parity, result.confidence) == ("even", pytest.approx(1))


@pytest.mark.parametrize(("era", "parity"), [("random-walk", "odd"), ("rover", "both")])
def test_the_parity_is_that_of_the_source_ports(era: str, parity: str) -> None:
    """From an odd low, connect() uses odd ports, the oldest kernels both."""
    assert classify(ports_of(era, 1, (1025, 65000)), (1025, 65000)).parity == parity


def test_some_foreign_steps_do_not_mislead() -> None:
    """A new start after 10 seconds and ports that somebody holds leave the answer as it is."""
    kernel, ports = parse_era("random-walk")(5), PortRange(*DEFAULT)
    ports = [kernel.connect_port(ports, ("salt", n // 40), range(40000, 40040)) for n in range(400)]
    result = classify(ports, DEFAULT)
    assert len(result.increments) > 8
    assert result.era == "random-walk"
    assert result.confidence > 0.999


def test_the_steps_of_an_odd_width_are_counted_as_the_kernel_counts() -> None:
    """The kernel makes the width even before it wraps, so that no odd step shows up."""
    result = classify(ports_of("random-walk", 3, (40000, 40100)), (40000, 40100))
    assert set(result.increments) == {2, 4, 6, 8, 10, 12, 14, 16}


def test_few_tries_give_little_confidence() -> None:
    """Three source ports two apart may be several eras, and the confidence says so."""
    assert classify([40000, 40002, 40004], DEFAULT).confidence < 0.99
    assert classify([40000, 40000, 40000], (40000, 40000)).confidence < 0.2


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ([], "0 source ports: a probe needs at least 2"),
        ([40000], "1 source ports"),
        ([40000, 80], "source port 80: outside the range"),
        ([40000, "x"], "port 'x'"),
    ],
)
def test_bad_samples_are_refused(ports: list[int], message: str) -> None:
    """Too few ports and ports of another range are refused by name."""
    with pytest.raises(ValueError, match=message):
        classify(ports, DEFAULT)
