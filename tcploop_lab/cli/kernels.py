"""Other kernels for real: kernels, in."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

import click

import tcploop_lab as lab

from . import options, output
from .group import Command, Program
from .root import NO, YES
from .values import checked


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
