"""Two hosts that call each other at once: cross."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ..stacks.task import noted_interrupts, raised_interrupts
from ..tcp.words import counted
from . import options, output
from .group import Command
from .root import INTERRUPTED, NO, YES, place
from .values import DELAY

if TYPE_CHECKING:
    from ..testbed.crossing import Crossing


@click.command(cls=Command)
@click.option("--delay-ms", "delay", type=DELAY, default="50", help="Milliseconds on the cable (default: 50).")
@options.the_stack
def cross(delay: float, kind: options.Place, as_json: bool) -> int:
    """Let two hosts connect to each other at once.

    The cable between them holds every segment for the delay, so that their SYNs cross: RFC 9293 section 3.5.
    On the loopback that is rare. Exit code 0 means that both ends are ESTABLISHED.
    """
    with place(kind, as_json) as testbed, noted_interrupts():
        with testbed.crossing() as crossing:
            interrupted = _run(crossing, delay)
        ends = "both ends ESTABLISHED" if crossing.established else "not established"
        title = f"{ends}: {counted(len(crossing.segments), 'segment')}, {delay * 1000:g} ms on the cable"
        told = replace(crossing.describe(brief=True), title=title, good=crossing.established)
        output.deliver(as_json, told, delay_ms=delay * 1000, **testbed.describe().record())
    if interrupted:
        return INTERRUPTED
    return YES if crossing.established else NO


def _run(crossing: Crossing, delay: float) -> bool:
    """Open at both ends, and deliver until nobody sends any more; True if that was interrupted."""
    try:
        with raised_interrupts():
            crossing.open().run(delay)
    except KeyboardInterrupt:
        return True
    return False
