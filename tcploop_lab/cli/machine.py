"""Questions about this machine: doctor, check, probe; and other kernels on it: kernels, in."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

import click

import tcploop_lab as lab

from ..ports.clients import ClientKind
from ..ports.ranges import PortRange
from . import options, output
from .group import Command, Program
from .root import NO, YES, place
from .values import NUMBER, TRIES, BadValue, checked


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
@click.option("--here", is_flag=True, help="Check this machine as it is; no try is made.")
@click.option("--pace", metavar="N", type=NUMBER, help="With --here: tries a second of the client (default: 10).")
@options.the_stack
def check(
    port: int,
    host: str,
    port_range: PortRange | None,
    client: ClientKind,
    here: bool,
    pace: float | None,
    kind: options.Place,
    as_json: bool,
) -> int:
    """Check each precondition of a self-connection.

    With --here they are those of this machine: its own range, reserved ports and sockets. The answer then says which
    kinds of client can loop while nobody listens, how long that takes at a pace, and how to keep the port from it.
    """
    if here or pace is not None:
        return _check_here(here, (port, host, client, pace), port_range or kind.kind or kind.kernel, as_json)
    with place(kind, as_json, port_range) as testbed:
        verdict, where = testbed.check(port, host, client), testbed.describe().record()
    output.deliver(as_json, verdict.describe(), **where)
    return YES if verdict.can_loop else NO


def _check_here(here: bool, asked: tuple[int, str, ClientKind, float | None], other: object, as_json: bool) -> int:
    port, host, client, pace = asked
    if not here:
        raise BadValue(f"--pace {pace:g}: it goes with --here; tcploop model --pace computes it for any kernel")
    if other is not None:
        raise BadValue(
            f"--here and {str(other)!r}: --here is this machine as it is; leave out --range, --testbed, --kernel"
        )
    with checked():
        outlook = lab.check_here(port, host, client, *(() if pace is None else (pace,)))
    output.deliver(as_json, outlook.describe())
    return YES if outlook.can_loop else NO


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


@click.command(cls=Command)
@click.option(
    "--fetch", "wanted", metavar="VERSION", help="Get this kernel from Debian's archive; nothing is installed."
)
@options.as_json
def kernels(wanted: str | None, as_json: bool) -> int:
    """List the real kernels that this machine can run.

    They are for Linux on x86-64 and need no right. Those of Debian's package user-mode-linux are programs, up in a
    second or two; the others run in QEMU, without KVM, and take some ten seconds to start, more on a busy machine.
    They are kept in the folder tcploop-lab/kernels of XDG_CACHE_HOME, or of ~/.cache.
    """
    if wanted is not None:
        from ..testbed.kernels import fetch_kernel

        with checked():
            fetch_kernel(wanted)
    found = lab.real_kernels()
    output.deliver(as_json, found.describe())
    return NO if found.refusal else YES


@click.command(cls=Program, name="in")
@click.argument("version")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def inside(version: str, command: tuple[str, ...]) -> int:
    """Run a COMMAND of tcploop inside another kernel, VERSION.

    The kernel is a process of yours: it can change none of your files (one of user-mode Linux sees them all, one in
    QEMU a copy of Python and the lab); it has no network but its own loopback; and it ends with the command. The exit
    code is that of the command, and so is --json.

    Example: tcploop in 5.10 -- probe
    """
    from ..stacks.kernels.command import run_inside

    with checked():
        return run_inside(version, partial(_run, list(command[command[:1] == ("--",) :])))


def _run(args: list[str]) -> int:
    """Run a command line over there. The command itself is looked up then: it is made of the commands of this file.

    It is the program of its process, which answers Ctrl-C as it does outside.
    """
    sys.argv[1:] = args
    code: int = import_module("tcploop_lab.cli").main()
    return code
