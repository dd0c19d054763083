"""The tcploop command itself, and what its commands share: the place they open and the codes they return."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

import tcploop_lab as lab

from ..ports.ranges import PortRange
from ..testbed.testbed import Testbed
from . import options, output
from .group import Commands
from .values import checked

YES, NO, WRONG_ARGUMENTS, NOT_ON_THIS_MACHINE = range(4)
INTERRUPTED = 130  # 128 + SIGINT, as shells say


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(lab.__version__, message="%(prog)s %(version)s")
@click.pass_context
def tcploop(context: click.Context) -> int:
    """Make a TCP socket connect to itself, and find out why it can.

    A PORT alone is the article's program: it dials that port until the socket connects to itself, and waits
    for Enter. Everything happens on this machine, in a private network where the system allows one.

    Exit codes: 0 done; 1 the answer is no; 2 wrong arguments; 3 not on this machine; 130 interrupted.
    """
    if context.invoked_subcommand is None:
        output.write(context.get_help() + "\n")
    return YES


@contextlib.contextmanager
def place(kind: options.Place, as_json: bool, port_range: PortRange | None = None) -> Iterator[Testbed]:
    """Open a testbed and, for people, say on stderr which one it is."""
    with checked():
        opened = lab.open_testbed(port_range, kind=kind.kind, kernel=kind.kernel)
    with opened as testbed:
        if not as_json:
            output.note(testbed.summary)
        yield testbed
