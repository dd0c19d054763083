"""Keep-alive: ask an end that has been silent for long whether it is still there (tcp_keepalive_timer)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from . import outgoing
from .acks import JIFFY

if TYPE_CHECKING:
    from .end import End


def start(end: End, silent: float = 0.0) -> None:
    """Begin anew where there is a connection and SO_KEEPALIVE is set; else end it. It has been silent for so long.

    Nothing begins it in a simultaneous open, and so in a self-connection, but a program that asks for it later:
    tcp_finish_connect() is not called.
    """
    end.kernel.clock.cancel(end.keeping)
    if end.options.keep_alive and end.tcb.state.synchronized:
        _look_in(end, end.options.keep_idle - silent)


def heard(end: End) -> None:
    """The other end has said something."""
    end.heard, end.questions = end.kernel.clock.now, 0


def _look_in(end: End, seconds: float) -> None:
    healthy = end.peer is not None and end.kernel.routes.is_own(end.peer[0])  # an end of this host always answers
    end.keeping = end.kernel.clock.after(max(JIFFY, seconds), lambda: _ask(end), idle=healthy)


def _ask(end: End) -> None:
    options, silent = end.options, end.kernel.clock.now - end.heard
    if end.flight or end.unsent:  # the timer of retransmission finds out
        _look_in(end, options.keep_idle)
    elif silent < options.keep_idle:
        _look_in(end, options.keep_idle - silent)
    elif end.questions >= options.keep_count if not options.user_timeout else silent >= options.user_timeout:
        outgoing.reset(end)
        end.fail(errno.ETIMEDOUT)
    else:
        end.questions += 1
        outgoing.ask(end)
        _look_in(end, options.keep_interval)
