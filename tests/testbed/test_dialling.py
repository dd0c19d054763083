"""The one dialling loop: what each errno of a try means to it, with diallers that are refused by a script."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks.simulated import SimulatedStack
from tcploop_lab.testbed.dialling import Bounds, LoopOutcome, dial_until

REFUSED = errno.ECONNREFUSED
NOT_SENT = {
    getattr(errno, f"E{name}") for name in ("ADDRNOTAVAIL", "ADDRINUSE", "MFILE", "NFILE", "NOBUFS", "NETUNREACH")
}
ENDS = {errno.EINPROGRESS: "timeout", errno.EAGAIN: "timeout", errno.ECANCELED: "interrupted"}


class Scripted:
    """A dialler whose tries end as a script says, then are refused."""

    socket, look_every = "the socket", 16

    def __init__(self, errors: list[int], waits_for_ports: bool = False) -> None:
        self._errors: Iterator[int] = chain(errors, repeat(REFUSED))
        self.waits_for_ports = waits_for_ports

    @property
    def dial(self) -> Callable[[tuple[str, int]], int]:
        """Return what makes a try."""
        return lambda _: next(self._errors)


def looped(dialler: Scripted, most: int = 100) -> tuple[LoopOutcome, object]:
    """Dial until the script ends the loop, or so many tries."""
    outcome = LoopOutcome()
    return outcome, dial_until(SimulatedStack(), dialler, ("127.0.0.1", 1), Bounds(most, 1e9), outcome)


@pytest.mark.parametrize("error", sorted({*NOT_SENT, *ENDS, errno.EINVAL, errno.ETIMEDOUT, 12345}))
def test_every_other_errno_ends_the_loop(error: int) -> None:
    """It is a try only if a segment was sent, and is told by its name; what others ended has no error."""
    outcome, sock = looped(Scripted([REFUSED] * 20 + [error]))
    told = {} if error == errno.ECANCELED else {errno.errorcode.get(error, str(error)): 1}
    assert (outcome.stopped, sock) == (ENDS.get(error, "error"), None)
    assert (outcome.tries, outcome.errors) == (
        20 + (error not in {*NOT_SENT, errno.ECANCELED}),
        Counter(told, ECONNREFUSED=20),
    )


def test_it_ends_with_the_socket_that_connects() -> None:
    """The try that connects counts, and its socket comes back."""
    outcome, sock = looped(Scripted([REFUSED, 0]))
    assert (outcome.tries, sock) == (2, "the socket")


def test_who_waits_for_ports_counts_no_try_without_one() -> None:
    """Others hold every port for a moment: it goes on, and the bound is one of tries."""
    outcome, _ = looped(Scripted([errno.EADDRNOTAVAIL] * 50, waits_for_ports=True))
    assert (outcome.stopped, outcome.tries) == ("max-tries", 100)
    assert outcome.errors == {"EADDRNOTAVAIL": 50, "ECONNREFUSED": 100}


def test_a_loop_that_says_nothing_about_loops_is_refused() -> None:
    """An error is named, with its words; a try that nobody answered in time is a sample without a hit."""
    with pytest.raises(lab.NotOnThisTestbed, match=r"port 7: the loop could not be run: EINVAL \(Invalid argument\)"):
        looped(Scripted([errno.EINVAL]))[0].check(7)
    assert looped(Scripted([errno.EINPROGRESS]))[0].check(7).stopped == "timeout"
