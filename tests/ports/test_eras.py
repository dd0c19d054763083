"""The eras: what holds for each of them, whatever the range and whatever is taken."""

from __future__ import annotations

from collections.abc import Callable, Container

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcploop_lab.ports.candidates import Order
from tcploop_lab.ports.clients import Binds, ClientKind
from tcploop_lab.ports.era import NO_PORTS, Era, PortsExhausted
from tcploop_lab.ports.eras import BY_NAME, ERAS, era_of_linux, parse_era
from tcploop_lab.ports.ranges import PortRange

Pick = Callable[[Container[int]], int]
BINDS = [f"{era} bind(0)" for era in ERAS]

ranges = st.tuples(st.integers(1024, 60000), st.integers(1, 40)).map(lambda pair: PortRange(pair[0], sum(pair) - 1))


def picker(which: str, port_range: PortRange, seed: int) -> Pick:
    """What gives the ports of connect() of an era, or of "ERA bind(0)"."""
    kernel = parse_era(which.removesuffix(" bind(0)"))(seed)
    if which.endswith("bind(0)"):
        return lambda taken: kernel.bind_port(port_range, taken)
    return lambda taken: kernel.connect_port(port_range, taken=taken)


def gives(pick: Pick, taken: Container[int], tries: int) -> list[int]:
    """The ports given in so many tries, or fewer if they are exhausted."""
    ports: list[int] = []
    try:
        for _ in range(tries):
            ports.append(pick(taken))
    except PortsExhausted:
        pass
    return ports


def circle_of(which: str, port_range: PortRange) -> tuple[Order, list[int]]:
    """The order of an era's connect(), or of its bind(0), and every port that can be the first one tried."""
    client = ClientKind.BIND_ZERO if which.endswith("bind(0)") else ClientKind.NEW_SOCKET
    circle = parse_era(which.removesuffix(" bind(0)")).candidates(port_range, client)
    return circle.order, [circle.first(position) for position in range(circle.size)]


def test_every_era_says_what_it_is() -> None:
    """Rule, kernels and sources are there; a link for each but the lottery, which is nobody's, and the oldest."""
    assert len(ERAS) == 17
    for name, era in BY_NAME.items():
        assert era.name == name
        assert era.kernels and era.rule
        assert all(source.startswith("http") for source in era.sources)
        assert era.sources or name in ("geometric", "rover")
        assert era.probed_as in ("", *ERAS)


def test_an_era_is_found_by_writing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class with a name is all it takes: parser, law and probe know it."""
    monkeypatch.setattr(Era, "_found", dict(Era._found))

    class Thursday(BY_NAME["rover"]):  # type: ignore[name-defined,misc]
        """An era of the test."""

        name = "thursday"

    assert Era._found["thursday"] is Thursday
    assert Thursday(1).connect_port(PortRange(40000, 40009)) in range(40000, 40010)


@settings(max_examples=200)
@given(which=st.sampled_from([*ERAS, *BINDS]), port_range=ranges, seed=st.integers(0, 99), data=st.data())
def test_no_taken_port_is_ever_given(which: str, port_range: PortRange, seed: int, data: st.DataObject) -> None:
    """Taken ports, and ports outside the range, are never given."""
    taken = data.draw(st.sets(st.integers(port_range.low, port_range.high)))
    ports = gives(picker(which, port_range, seed), taken, 60)
    assert not {*ports} & taken
    assert all(port in port_range for port in ports)


@settings(max_examples=100)
@given(which=st.sampled_from([*ERAS, *BINDS]), port_range=ranges, seed=st.integers(0, 99))
def test_every_candidate_is_given_in_the_end(which: str, port_range: PortRange, seed: int) -> None:
    """On a free range every first candidate comes up, and nothing else does."""
    expected = circle_of(which, port_range)[1]
    assert {*gives(picker(which, port_range, seed), NO_PORTS, 80 * len(expected))} == {*expected}


@settings(max_examples=100)
@given(which=st.sampled_from([*ERAS, *BINDS]), port_range=ranges, seed=st.integers(0, 99), data=st.data())
def test_the_preferred_parity_comes_first(which: str, port_range: PortRange, seed: int, data: st.DataObject) -> None:
    """While a port of the preferred parity is free, none of the other is given; then those are."""
    order, firsts = circle_of(which, port_range)
    if port_range.width % 2 or order not in (Order.LOW_PARITY, Order.OTHER_PARITY):
        return
    taken = data.draw(st.sets(st.sampled_from(firsts)))
    ports = gives(picker(which, port_range, seed), taken, 30)
    assert len(ports) == 30
    assert all((port in firsts) == (len(taken) < len(firsts)) for port in ports)


@pytest.mark.parametrize("which", [*ERAS, *BINDS])
def test_a_full_range_is_reported(which: str) -> None:
    """With all ports taken the kernel says so, with the range, as connect() does with EADDRNOTAVAIL."""
    pick = picker(which, PortRange(40000, 40009), 1)
    with pytest.raises(PortsExhausted, match="range 40000-40009: no port is free"):
        pick(range(40000, 40010))
    assert isinstance(pick(NO_PORTS), int)


@pytest.mark.parametrize("which", [which for which in (*ERAS, *BINDS) if not parse_era(which.split()[0]).redraws])
def test_the_last_free_port_is_found(which: str) -> None:
    """One free port of an even number is found from every start; those that redraw give up by chance (RFC 6056)."""
    for left in (40003, 40006):
        for seed in range(20):
            pick = picker(which, PortRange(40000, 40009), seed)
            assert gives(pick, {*range(40000, 40010)} - {left}, 5) == [left] * 5


@pytest.mark.parametrize("which", [*ERAS, *BINDS])
def test_a_range_of_one_port_has_one_answer(which: str) -> None:
    """low == high gives that port, odd or even."""
    for port in (40000, 40001):
        assert gives(picker(which, PortRange(port, port), 1), NO_PORTS, 3) == [port] * 3


@pytest.mark.parametrize("which", [*ERAS, *BINDS])
def test_a_seed_repeats_the_ports(which: str) -> None:
    """The same seed gives the same ports, other seeds other starts."""
    runs = [gives(picker(which, PortRange(32768, 60999), seed), NO_PORTS, 5) for seed in (1, 1, 2, 3)]
    assert runs[0] == runs[1]
    assert len({tuple(run) for run in runs}) >= 2


@pytest.mark.parametrize("era", ERAS)
def test_a_counter_survives_another_range(era: str) -> None:
    """One kernel gives ports of whatever range is in force, also of a socket's own, and goes on afterwards."""
    kernel = parse_era(era)(1)
    wide, narrow = PortRange(32768, 60999), PortRange(40000, 40009)
    for ports in (wide, narrow, wide, PortRange(50000, 50000)):
        assert kernel.connect_port(ports) in ports
    own = {kernel.connect_port(narrow, own_range=True) for _ in range(300)}
    assert own == {*narrow} - ({40000} if era == "freebsd" else set())


@pytest.mark.parametrize(
    ("release", "era"),
    [
        ((2, 4, 37), "rover"),
        ((3, 13), "hashed-sequence"),
        ((4, 1), "hashed-sequence"),
        ((4, 2), "even-sequence"),
        ((4, 19), "even-sequence"),
        ((4, 19, 248), "even-sequence"),
        ((4, 19, 249), "random-walk"),
        ((5, 15), "perturbed-even-sequence"),
        ((7, 3), "random-walk"),  # the step width is off by default
    ],
)
def test_a_release_of_linux_has_the_rule_of_its_time(release: tuple[int, ...], era: str) -> None:
    """A release of kernel.org, with the updates of 2022 where its number says so."""
    assert era_of_linux(release).name == era


def test_before_the_first_era_there_is_none() -> None:
    """What no era covers is one line."""
    with pytest.raises(ValueError, match=r"Linux 2\.0: eras are known from 2\.2 on"):
        era_of_linux((2, 0))


def test_an_unknown_era_is_told_the_nearest_names() -> None:
    """A slip of the pen gets the names that come nearest, and all of them."""
    with pytest.raises(ValueError, match=r"era 'random-wolk' \(did you mean random-walk\?\): an era is one of rover"):
        parse_era("random-wolk")


def test_a_client_kind_says_how_its_sockets_are_made() -> None:
    """Each kind carries its description and its preparation, and is still the word of the command line."""
    assert [kind for kind in ClientKind if kind.new_socket] == ["new-socket", "bind-zero", "bind-self"]
    assert [kind for kind in ClientKind if kind.own_range] == ["socket-range"]
    assert {kind.binds for kind in ClientKind} == {*Binds}
    assert all(kind.description for kind in ClientKind)
