"""Questions about this machine: doctor, check, probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import tcploop_lab as lab

from . import options, output
from .group import Command
from .root import NO, YES, place
from .values import TRIES, checked

if TYPE_CHECKING:
    from ..ports.clients import ClientKind
    from ..ports.ranges import PortRange


@click.command(cls=Command)
@options.the_place
def doctor(kind: str | None, as_json: bool) -> int:
    """Find out by doing what this machine can do."""
    with checked():  # the environment may name a testbed, too
        result = lab.doctor(kind)
    output.deliver(as_json, result.describe())
    return YES if result.ok else NO


@click.command(cls=Command)
@options.the_target
@options.the_stack
def check(
    port: int, host: str, port_range: PortRange | None, client: ClientKind, kind: options.Place, as_json: bool
) -> int:
    """Check each precondition of a self-connection."""
    with place(kind, as_json, port_range) as testbed:
        verdict, where = testbed.check(port, host, client), testbed.describe().record()
    output.deliver(as_json, verdict.describe(), **where)
    return YES if verdict.can_loop else NO


@click.command(cls=Command)
@click.option("--tries", type=TRIES, default=400, show_default=True, help="How many refused tries to look at.")
@options.port_range
@options.client
@options.the_stack
def probe(tries: int, port_range: PortRange | None, client: ClientKind, kind: options.Place, as_json: bool) -> int:
    """Find out how this kernel picks source ports."""
    with place(kind, as_json, port_range) as testbed, checked():
        result, where = testbed.probe(tries, client), testbed.describe().record()
    output.deliver(as_json, result.describe(), **where)
    return YES
