"""Bugs to plant in the simulated kernel, by name: the scripts must find each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tcploop_lab.stacks.simulated import bind_table, incoming, outgoing, time_wait
from tcploop_lab.stacks.simulated.acks import Acknowledging
from tcploop_lab.stacks.simulated.counters import Counters
from tcploop_lab.stacks.simulated.end import End
from tcploop_lab.stacks.simulated.kernel import Kernel
from tcploop_lab.stacks.simulated.time_wait import TimeWait

Plant = Callable[[Any, str, Any], None]  # monkeypatch.setattr
_port_for_connect, _reset, _conflict = Kernel.port_for_connect, Kernel.reset, bind_table._conflict
_moved = Counters.moved


def _other_parity(kernel: Kernel, *args: Any) -> int:
    return _port_for_connect(kernel, *args) ^ 1


def _two_resets(kernel: Kernel, *args: Any) -> None:
    _reset(kernel, *args)
    kernel.counters["OutRsts"] += 1


def _always_established(counters: Counters, before: Any, after: Any) -> None:
    _moved(counters, before, after)
    counters["EstabResets"] = 0


PLANTED: dict[str, Callable[[Plant], None]] = {
    "connect() takes the other parity": lambda put: put(Kernel, "port_for_connect", _other_parity),
    "no D-SACK": lambda put: put(outgoing, "d_sack", lambda *_: ()),
    "TIME-WAIT is left out": lambda put: put(End, "become_time_wait", End.vanish),
    "TIME-WAIT never ends": lambda put: put(time_wait, "SECONDS", 1e9),
    "TIME-WAIT is recycled at once": lambda put: put(TimeWait, "recyclable", lambda *_: True),
    "a reset counts twice": lambda put: put(Kernel, "reset", _two_resets),
    "a listener has no room": lambda put: put(incoming, "_no_room", lambda *_: True),
    "half close is not sent": lambda put: put(End, "close_sending", lambda _: None),
    "SO_REUSEADDR does nothing": lambda put: put(
        bind_table, "_conflict", lambda one, other, relax: _conflict(one, other, relax=False)
    ),
    "reserved ports are picked": lambda put: put(Kernel, "reserve", lambda *_: None),
    "SO_ERROR is always 0": lambda put: put(End, "take_error", lambda _: 0),
    "delayed acknowledgments never come": lambda put: put(Acknowledging, "_late", lambda *_: None),
    "connections that are reset are not counted": lambda put: put(Counters, "moved", _always_established),
}
NEEDS_TIME = frozenset({"TIME-WAIT never ends"})
