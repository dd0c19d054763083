"""The order in which ports are tried, against the loops of the kernels written out step by step."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcploop_lab.ports.candidates import Candidates, Order, port_set, stride_bound, stride_for
from tcploop_lab.ports.ranges import PortRange


def linux_loop(low: int, high: int, offset: int, odd_first: bool) -> Iterator[int]:
    """What connect() (odd_first False) and bind(0) (True) of Linux try, from a random offset on."""
    high += 1
    remaining = high - low
    if remaining > 1:
        remaining -= remaining % 2
    offset = offset % remaining
    offset -= offset % 2
    for shift in (1, 0) if odd_first else (0, 1):
        port, i = low + offset + shift, 0
        while i < remaining:
            if port >= high:
                port -= remaining
            yield port
            port, i = port + 2, i + 2
        if remaining == 1 and not odd_first:
            return


@given(low=st.integers(1, 65000), width=st.integers(1, 30), offset=st.integers(0, 99), bind=st.booleans())
def test_the_scan_is_the_loop_of_linux(low: int, width: int, offset: int, bind: bool) -> None:
    """Every port is tried when the kernel tries it, odd widths and single ports included."""
    circle = Candidates(PortRange(low, low + width - 1), Order.OTHER_PARITY if bind else Order.LOW_PARITY)
    position = offset % circle.size
    expected = list(linux_loop(low, low + width - 1, 2 * position, odd_first=bind))
    assert [port for port, _ in circle.scan(position)] == expected
    assert circle.first(position) == expected[0]


def test_a_scan_over_an_odd_width() -> None:
    """40000-40008 from 40004: past the end it goes to 40008, then on from 40002; then the odd ports."""
    scan = Candidates(PortRange(40000, 40008), Order.LOW_PARITY).scan(2)
    assert list(scan) == [
        (40004, 0), (40006, 1), (40008, 2), (40002, 3),
        (40005, 0), (40007, 1), (40001, 2), (40003, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "low_width", "size"),
    [
        (Order.LOW_PARITY, 28232, 14116),
        (Order.LOW_PARITY, 28233, 14116),
        (Order.OTHER_PARITY, 28232, 14116),
        (Order.ALL, 28232, 28232),
        (Order.AFTER_LOW, 28232, 28231),
    ],
)
def test_how_many_candidates_there_are(order: Order, low_width: int, size: int) -> None:
    """M is half the range where parity counts, rounded down; one less than the range on FreeBSD."""
    circle = Candidates(PortRange(32768, 32767 + low_width), order)
    assert circle.size == size
    assert len({circle.first(position) for position in range(size)}) == size


@given(order=st.sampled_from(Order), low=st.integers(1, 65000), width=st.integers(1, 30))
def test_a_port_knows_its_position(order: Order, low: int, width: int) -> None:
    """position() undoes first(), and is None for a port that is never tried first."""
    circle = Candidates(PortRange(low, low + width - 1), order)
    firsts = {circle.first(position): position for position in range(circle.size)}
    assert {port: circle.position(port) for port in firsts} == firsts
    assert all(circle.position(port) is None for port in range(low - 1, low + width + 1) if port not in firsts)


@given(low=st.integers(1, 65000), half=st.integers(1, 30), step_width=st.integers(0, 40), data=st.data())
def test_a_coprime_stride_misses_no_port(low: int, half: int, step_width: int, data: st.DataObject) -> None:
    """Whatever stride is drawn, the scan over an even width comes by every port (commit 7da62262ec96)."""
    circle = Candidates(PortRange(low, low + 2 * half - 1), Order.LOW_PARITY)
    bound = stride_bound(circle.size, step_width)
    stride = stride_for(data.draw(st.integers(1, bound)), bound, circle.size)
    position = data.draw(st.integers(0, circle.size - 1))
    assert {port for port, _ in circle.scan(position, stride)} == set(circle.port_range)


def test_ports_and_ranges_make_a_set() -> None:
    """Ports and ranges mix; what lies outside does not count; what is no port is refused."""
    within = PortRange(40000, 40009)
    assert port_set([40001, "40002", PortRange(40008, 40020), 80], within) == {40001, 40002, 40008, 40009}
    with pytest.raises(ValueError, match="port 'x'"):
        port_set(["x"], within)


@pytest.mark.parametrize("order", Order)
def test_all_positions_at_once_answer_as_each_does(order: Order) -> None:
    """What follows from the next position is what a scan from there finds, whatever is taken."""
    draw = random.Random(1)
    for _ in range(500):
        ports = PortRange(low := draw.randrange(100, 104), low + draw.randrange(13))
        share = draw.choice((0.2, 0.6, 0.95, 1))
        taken = frozenset(port for port in ports if draw.random() < share)
        circle = Candidates(ports, order)
        answers = [circle.choose(position, taken) for position in range(circle.size)]
        assert circle.choices(taken) == answers
        reached = {answer[0] for answer in answers if answer}
        assert reached == {port for port in set(ports) - taken if circle.reaches(port, taken)}
