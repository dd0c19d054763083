"""Ports and ranges: what is taken, and the one line for what is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcploop_lab.ports.clients import ClientKind, parse_client
from tcploop_lab.ports.ranges import PortRange, parse_port, parse_ports, parse_ranges, parse_reserved

PORTS = st.integers(1, 65535)


@given(PORTS)
def test_every_port_is_taken_as_number_and_as_text(port: int) -> None:
    """A port is the same whether it comes as int, text or numpy integer."""
    assert parse_port(port) == parse_port(str(port)) == parse_port(np.int64(port)) == port


@given(st.one_of(st.integers(max_value=0), st.integers(min_value=65536)))
def test_numbers_outside_are_refused(value: int) -> None:
    """A number that is no port is named in the error."""
    with pytest.raises(ValueError) as caught:
        parse_port(value)
    assert str(caught.value) == f"port {value}: a TCP port is 1 to 65535"


@pytest.mark.parametrize("text", ["1e3", "0x50", "٣٣٣٣٤", "+80", "80.0", "8 0", "--1", "1_000", "nan"])
def test_only_plain_decimal_is_a_port(text: str) -> None:
    """Other ways to write a number are refused rather than guessed."""
    with pytest.raises(ValueError, match="in plain decimal"):
        parse_port(text)


@given(PORTS, PORTS)
def test_a_range_is_what_it_says(one: int, other: int) -> None:
    """Text, pair and range agree; both ends are in it, their neighbours are not."""
    low, high = sorted((one, other))
    ports = PortRange.parse((low, high))
    assert ports == PortRange.parse(f"{low}-{high}") == PortRange.parse(ports)
    assert str(ports) == f"{low}-{high}"
    assert low in ports and high in ports
    assert low - 1 not in ports and high + 1 not in ports
    assert ports.width == len(list(ports)) == high - low + 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("60999-32768", "range 60999-32768: it is reversed; write LOW-HIGH"),
        ("", "range '': write LOW-HIGH with 1 <= LOW <= HIGH <= 65535"),
        ("40000", "range '40000': write LOW-HIGH"),
        ("0-100", "range 0-100: write LOW-HIGH"),
        ("65000-65536", "range 65000-65536: write LOW-HIGH"),
        ("a-b", "range 'a-b': "),
        ((1, 2, 3), "range (1, 2, 3): "),
        (40000, "range 40000: "),
        ((1.5, 3), "range 1.5-3: "),
        (None, "range None: "),
    ],
)
def test_bad_ranges_are_one_line(value: object, message: str) -> None:
    """Reversed, empty, too high, too low and nonsense: each is named."""
    with pytest.raises(ValueError) as caught:
        PortRange.parse(value)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_lists_are_read_and_must_not_be_empty() -> None:
    """Comma-separated text and sequences give tuples; an empty list says what to write."""
    assert parse_ports("33334, 40000") == parse_ports([33334, "40000"]) == (33334, 40000)
    assert parse_ranges("1-2,5-6") == parse_ranges([(1, 2), PortRange(5, 6)]) == (PortRange(1, 2), PortRange(5, 6))
    assert parse_ports(33334) == (33334,)
    for parse in (parse_ports, parse_ranges):
        with pytest.raises(ValueError, match="the list is empty"):
            parse([])


def test_reserved_ports_are_read_as_the_kernel_writes_them() -> None:
    """Single ports and ranges, or nothing."""
    assert parse_reserved("8080,9000-9010\n") == (PortRange(8080, 8080), PortRange(9000, 9010))
    assert parse_reserved("\n") == ()


def test_clients_are_known_by_name() -> None:
    """Each kind has a name and a description; an unknown one gets the list."""
    assert parse_client("bind-zero") is ClientKind.BIND_ZERO
    assert all(kind.description for kind in ClientKind)
    with pytest.raises(ValueError, match="client 'x': a client is one of same-socket, new-socket, "):
        parse_client("x")
