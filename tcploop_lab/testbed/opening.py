"""Which testbed it is going to be: found out by trying one kind after another."""

from __future__ import annotations

import os
from functools import partial

from ..errors import NotOnThisTestbed
from ..ports.ranges import PortRange
from ..stacks import namespace
from ..stacks.executor import NamespaceExecutor
from .loop import why_unsuitable
from .testbed import MISSING, Testbed


def opened(port_range: PortRange | None, workers: int, kind: str | None) -> Testbed:
    """Return a testbed as `open_testbed` describes it."""
    if kind is not None and kind not in MISSING:
        raise ValueError(f"testbed {kind!r}: a testbed is {', '.join(MISSING)}; leave it out to get the best there is")
    if kind in _OPENERS:
        return _OPENERS[kind](port_range, workers, "asked for")
    try:
        testbed = _open_namespace(port_range, workers)
        testbed.open_stand_in = partial(_stand_in, port_range) if kind is None else None
        return testbed
    except namespace.NamespaceRefused as refusal:
        why = str(refusal.strerror)
    if kind == "namespace":
        raise NotOnThisTestbed(f"a private network namespace is refused here: {why}; use the host testbed")
    return _open_second_best(port_range, workers, f"no private namespace: {why}")


def _open_namespace(port_range: PortRange | None, workers: int) -> Testbed:
    who = "root" if os.geteuid() == 0 else "an ordinary user"
    executor = NamespaceExecutor(workers, port_range)
    return Testbed("namespace", f"private network, made as {who}", executor, port_range)


def _open_host(port_range: PortRange | None, workers: int, why: str) -> Testbed:
    return Testbed("host", why, NamespaceExecutor(workers, port_range, private=False), port_range)


def _open_recorded(port_range: PortRange | None, workers: int, why: str, all_of_it: bool = True) -> Testbed:
    from .replaying import RecordedExecutor
    from .tape import lessons

    return Testbed("recorded", why, RecordedExecutor(lessons(), port_range, all_of_it), port_range)


_OPENERS = {"host": _open_host, "recorded": _open_recorded}


def open_stand_in(port_range: PortRange | None = None) -> Testbed:
    """Return the recorded testbed for what a live one cannot show. NotOnThisTestbed if this range was not recorded."""
    return _open_recorded(port_range, 1, "it stands in for a live one", all_of_it=False)


def _stand_in(port_range: PortRange | None) -> Testbed | None:
    try:
        return open_stand_in(port_range)
    except NotOnThisTestbed:
        return None


def _open_second_best(port_range: PortRange | None, workers: int, why: str) -> Testbed:
    """Return the host's testbed if a loop is possible there, else the recorded one; none recorded: the host's.

    What the host cannot show, the recorded one does in its place.
    """
    host = _open_host(port_range, workers, why)
    host.open_stand_in = partial(_stand_in, port_range)
    reason = host.submit(why_unsuitable, port_range).result()
    if not reason:
        return host
    try:
        recorded = _open_recorded(port_range, workers, f"{why}; on the host {reason}")
    except NotOnThisTestbed:
        return host
    host.close()
    return recorded
