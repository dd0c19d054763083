"""The rules over facts, where no kernel is needed: what is decided without trying, and says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcploop_lab.ports.clients import ClientKind
from tcploop_lab.ports.preconditions import Facts, judge, parity_of
from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.tries.theory import distribution

GOOD = Facts(
    port=40500,
    host="127.0.0.1",
    client=ClientKind.SAME_SOCKET,
    port_range=PortRange(40000, 40999),
    source="127.0.0.1",
    sampled=(40002, 40010, 40016),
)


def test_good_facts_can_loop() -> None:
    """Facts without an obstacle give a verdict that can loop, in one line."""
    verdict = judge(GOOD)
    assert verdict.can_loop
    assert repr(verdict) == "<Verdict: 127.0.0.1 port 40500 can loop: all 7 preconditions hold>"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"source": None}, "same address"),
        ({"port": 30000}, "in range"),
        ({"sampled": (40001, 40003)}, "parity"),
        ({"port": 40998, "port_range": PortRange(40000, 40998)}, "parity"),  # left over
        ({"reserved": (PortRange(40500, 40500),)}, "not reserved"),
        ({"others": ("127.0.0.1:40500 -> 127.0.0.1:40500 (ESTABLISHED)",)}, "not held"),
        ({"bindable": False}, "not held"),
        ({"given": False, "bindable": False}, "not held"),
        ({"time_wait": ("127.0.0.1:40500 -> 127.0.0.1:40500 (TIME_WAIT)",), "bindable": False}, "not in TIME-WAIT"),
    ],
)
def test_each_obstacle_breaks_its_rule(change: dict[str, object], rule: str) -> None:
    """One changed fact breaks one rule, and one broken rule is enough: the port cannot loop."""
    verdict = judge(replace(GOOD, **change))  # type: ignore[arg-type]
    assert ([broken.name for broken in verdict.broken], verdict.can_loop) == ([rule], False)


@pytest.mark.parametrize(
    ("client", "port", "since"),
    [
        (ClientKind.SAME_SOCKET, 40500, "4.2, not by trying: even"),
        (ClientKind.BIND_ZERO, 40501, "4.6, not by trying: odd"),
    ],
)
def test_without_trying_the_rule_of_linux_decides_and_says_so(client: ClientKind, port: int, since: str) -> None:
    """Where no try could be sampled, parity is judged by the rule, and the evidence says since when there is one."""
    rule = judge(replace(GOOD, client=client, port=port, sampled=())).rules[2]
    assert rule.ok
    assert rule.evidence.startswith(f"by the rule of Linux since {since} ports go first")


@given(st.integers(40000, 40020), st.integers(0, 20), st.sampled_from(list(ClientKind)))
def test_the_parity_rule_agrees_with_the_exact_theory(low: int, extra: int, client: ClientKind) -> None:
    """For every port of a small range the rule without trying says what the walk's distribution says."""
    ports = PortRange(low, low + extra)
    for port in ports:
        facts = replace(GOOD, port=port, port_range=ports, client=client, sampled=())
        assert judge(facts).rules[2].ok == distribution("random-walk", ports, port, client).can_loop


def test_parity_of_ports() -> None:
    """Even, odd, both, none."""
    assert [parity_of(ports) for ports in ((2, 4), (1, 3), (1, 2), ())] == ["even", "odd", "both", "none"]
