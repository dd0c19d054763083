"""check() and the loop on systems where only the first connect() of a socket counts."""

from __future__ import annotations

import pytest

import tcploop_lab as lab

ONCE = "only the first connect() of a socket counts"


@pytest.mark.parametrize("kernel", ["freebsd-13", "freebsd-14"])
def test_each_try_of_a_sample_has_a_new_socket(kernel: str) -> None:
    """FreeBSD gives both parities (by chance not: 2 to the 63rd), and the range's rule says that one try counts."""
    with lab.open_testbed(kernel=kernel, seed=1) as testbed:
        for port in (50000, 50001):
            verdict = testbed.check(port)
            assert verdict.can_loop and ONCE in verdict.rules[1].evidence
        assert ONCE not in testbed.check(50000, client="new-socket").rules[1].evidence
        assert testbed.probe().parity == "both"


def test_macos_refuses_a_socket_its_own_name() -> None:
    """No port can loop there, whichever the client; a loop ends with EINVAL, and says why."""
    with lab.open_testbed(kernel="macos", seed=1) as testbed:
        for client in ("same-socket", "new-socket"):
            assert [rule.name for rule in testbed.check(50000, client=client).broken] == ["same address"]
        run = testbed.connect_loop(50000)
        assert (run.stopped, run.errors["EINVAL"]) == ("error", 1)
        assert ONCE.replace("only", "on this kernel only") in run.reason and run.reason in run.summary
        itself = testbed.connect_loop(50000, client="new-socket")
        assert itself.reason == "this kernel refuses a socket its own address and port"


def test_one_candidate_tells_nothing() -> None:
    """Of 40000 and 40001 Linux has 40000 first: a socket keeps it, and so do new ones. Nothing is said of connect()."""
    with lab.open_testbed((40000, 40001), kernel="6.18", seed=1) as testbed:
        assert ONCE not in str(testbed.check(40000).rules)
