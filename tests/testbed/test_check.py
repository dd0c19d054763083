"""Each precondition, broken on a real socket: check() names that rule, and the loop then really fails."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.ports.preconditions import Verdict
from tcploop_lab.testbed.testbed import Testbed

from ..waiting import wait_until
from . import inside

pytestmark = pytest.mark.anyuser

RULES = ["same address", "in range", "parity", "not reserved", "nobody listens", "not held", "not in TIME-WAIT"]
ENOUGH = 8_000  # tries; in 40000-40999 a port that can loop misses it with a chance of 6e-8 (the walk, M = 500)


def broken(verdict: Verdict) -> list[str]:
    """The names of the rules that do not hold."""
    return [rule.name for rule in verdict.broken]


def test_a_port_that_can_loop_passes_every_rule_and_loops(testbed: Testbed) -> None:
    """All rules hold, each with evidence, M is 500, and the loop succeeds."""
    verdict = testbed.check(40500)
    assert verdict.can_loop
    assert [rule.name for rule in verdict.rules] == RULES
    assert all(rule.evidence for rule in verdict.rules)
    assert verdict.candidates == 500
    assert testbed.connect_loop(40500, max_tries=ENOUGH).self_connected


def test_another_source_address(testbed: Testbed) -> None:
    """127.0.0.2 is dialled from 127.0.0.1, so it cannot loop; a client that binds the host's address can."""
    verdict = testbed.check(40500, host="127.0.0.2")
    assert broken(verdict) == ["same address"]
    assert "uses source 127.0.0.1" in verdict.broken[0].evidence
    assert not testbed.connect_loop(40500, host="127.0.0.2", max_tries=ENOUGH).connected
    assert testbed.check(40500, host="127.0.0.2", client="bind-no-port").can_loop


@pytest.mark.parametrize("port", [80, 39998, 41000])
def test_a_port_outside_the_range(testbed: Testbed, port: int) -> None:
    """An even port outside the testbed's range breaks the range rule alone."""
    verdict = testbed.check(port)
    assert broken(verdict) == ["in range"]
    assert f"{port} is not in the ephemeral range 40000-40999" in verdict.broken[0].evidence


def test_the_wrong_parity(testbed: Testbed) -> None:
    """An odd port of an even range breaks the parity rule, found by trying."""
    verdict = testbed.check(40501)
    assert broken(verdict) == ["parity"]
    assert "by trying: all 64 tries used an even source port" in verdict.broken[0].evidence
    assert not testbed.connect_loop(40501, max_tries=ENOUGH).connected


def test_the_parity_of_clients_that_choose_otherwise(testbed: Testbed) -> None:
    """bind(0) prefers the other parity; a socket with its own range has none; bind() to the port needs none."""
    assert broken(testbed.check(40500, client="bind-zero")) == ["parity"]
    assert testbed.check(40501, client="bind-zero").can_loop
    assert testbed.check(40501, client="socket-range").can_loop
    assert testbed.check(40501, client="bind-self").can_loop
    assert testbed.check(40501, client="socket-range").candidates == 1000


@pytest.mark.private_network
def test_an_odd_low_turns_the_parity_round() -> None:
    """With an odd low end the odd ports go first."""
    with lab.open_testbed((40001, 41000)) as testbed:
        assert broken(testbed.check(40500)) == ["parity"]
        assert testbed.check(40501).can_loop


@pytest.mark.private_network
def test_the_last_port_of_an_odd_number_of_ports() -> None:
    """In 40000-40010 the port 40010 is left over: it has the right parity and still is no first choice."""
    with lab.open_testbed((40000, 40010)) as testbed:
        assert broken(testbed.check(40010)) == ["parity"]
        assert not testbed.connect_loop(40010, max_tries=ENOUGH).connected
        assert testbed.connect_loop(40008, max_tries=ENOUGH).self_connected


def test_a_reserved_port(testbed: Testbed) -> None:
    """ip_local_reserved_ports takes the port out of the choice; bind() to it still works."""
    with testbed.reserve("40498-40502"):
        verdict = testbed.check(40500)
        assert broken(verdict) == ["not reserved"]
        assert "40498-40502" in verdict.broken[0].evidence
        assert not testbed.connect_loop(40500, max_tries=ENOUGH).connected
        assert testbed.check(40500, client="bind-self").can_loop
    assert testbed.check(40500).can_loop


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
def test_somebody_listens(testbed: Testbed, address: str) -> None:
    """A listener breaks the listening rule, and holds the port with bind() besides."""
    listener = testbed.executor.submit(inside.listen, address, 40500).result()
    assert broken(testbed.check(40500)) == ["nobody listens", "not held"]
    listener.close()
    assert testbed.check(40500).can_loop


@pytest.mark.parametrize(
    ("address", "reuse"),
    [("127.0.0.1", False), ("127.0.0.1", True), ("127.0.0.9", True), ("0.0.0.0", False), ("::1", True)],
)
def test_somebody_holds_it_with_bind(testbed: Testbed, address: str, reuse: bool) -> None:
    """A bound socket that does not listen blocks the port, on whichever address, SO_REUSEADDR or not."""
    holder = testbed.executor.submit(inside.hold, address, 40500, reuse).result()
    assert broken(testbed.check(40500)) == ["not held"]
    assert not testbed.connect_loop(40500, max_tries=ENOUGH).connected
    holder.close()
    assert testbed.check(40500).can_loop


def test_an_open_self_connection_is_in_the_way(testbed: Testbed) -> None:
    """While a self-connection is open its port cannot loop again."""
    run = testbed.connect_loop(40500, max_tries=ENOUGH)
    verdict = testbed.check(40500)
    assert broken(verdict) == ["not held"]
    assert "127.0.0.1:40500 -> 127.0.0.1:40500 (ESTABLISHED)" in verdict.broken[0].evidence
    run.close()
    assert testbed.check(40500).can_loop


def test_where_no_port_of_the_range_is_free(one_port: Testbed) -> None:
    """The only port of the range is in use by a self-connection: that is the answer, not an error."""
    run = one_port.connect_loop(40500)
    verdict = one_port.check(40500)
    run.close()
    assert [rule.name for rule in verdict.broken] == ["not held"]


def test_a_port_that_a_connection_to_somebody_else_uses_can_loop(testbed: Testbed) -> None:
    """The source port of an open connection is no obstacle: the rules hold, the loop picks it and meets itself."""
    with testbed.listen(39000):
        client = testbed.connect_loop(39000)
        assert client.local is not None
        assert testbed.check(client.local[1]).can_loop
        run = testbed.connect_loop(client.local[1], max_tries=ENOUGH)
        peers = {row.peer for row in testbed.sockets(client.local[1]).rows}
    assert run.self_connected
    assert peers == {"127.0.0.1:39000", f"127.0.0.1:{run.port}"}


def test_time_wait(testbed: Testbed) -> None:
    """After an orderly close the connection waits, and check() says so."""
    testbed.connect_loop(40500, max_tries=ENOUGH).close(reset=False)
    wait_until(lambda: broken(testbed.check(40500)) == ["not in TIME-WAIT"])
    verdict = testbed.check(40500)
    assert "TIME-WAIT" in verdict.broken[0].evidence


def test_a_range_of_one_port_knows_no_parity() -> None:
    """Low = high = an odd port: it loops, and M is 1."""
    with lab.open_testbed((40501, 40501)) as testbed:
        verdict = testbed.check(40501)
        assert verdict.can_loop
        assert verdict.candidates == 1


def test_ipv6_and_names(testbed: Testbed) -> None:
    """::1 can loop; localhost and 0.0.0.0 mean 127.0.0.1."""
    assert testbed.check(40500, host="::1").can_loop
    assert [testbed.check(40500, host=name).host for name in ("localhost", "0.0.0.0")] == ["127.0.0.1"] * 2


def test_the_host_testbed_answers_too() -> None:
    """On the host the range is that of each socket, which has no parity."""
    with lab.open_testbed((45000, 45099), kind="host") as testbed:
        verdict = testbed.check(45051)
        assert verdict.port_range == lab.PortRange(45000, 45099)
        assert next(rule for rule in verdict.rules if rule.name == "parity").ok


def test_checking_changes_nothing(testbed: Testbed) -> None:
    """check() leaves no socket and no TIME-WAIT behind: asked ten times, it answers the same."""
    assert len({testbed.check(40500).summary for _ in range(10)}) == 1
    assert testbed.sockets(40500).rows == ()
