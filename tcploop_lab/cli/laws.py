"""How many tries it takes: model computes it, study measures it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import click

import tcploop_lab as lab

from ..errors import NotOnThisTestbed
from ..ports.eras import ERAS
from ..stacks.task import noted_interrupts
from ..testbed import files
from . import options, output
from .group import Command
from .root import INTERRUPTED, NO, YES, place
from .values import FILE, NUMBER, PORT, RANGE, TRIES, WHOLE, BadValue, checked

if TYPE_CHECKING:
    from ..ports.clients import ClientKind
    from ..ports.ranges import PortRange
    from ..study.study import StudyResult

_start = click.option(
    "--start",
    metavar="START",
    default="random",
    show_default=True,
    help="random (the first hit) or return (to the port just left).",
)


@click.command(cls=Command)
@click.option("--era", metavar="ERA", required=True, help=f"The kernel's rule: {', '.join(ERAS)}.")
@click.option("--range", "port_range", type=RANGE, required=True, help="The ephemeral port range.")
@click.option("--port", type=PORT, required=True, help="The port that is dialled.")
@_start
@click.option("--pace", metavar="N", type=NUMBER, help="Tries a second (default: a tight loop).")
@options.client
@options.as_json
def model(
    era: str, port_range: PortRange, port: int, start: str, pace: float | None, client: ClientKind, as_json: bool
) -> int:
    """Compute how many tries it takes.

    START random is the first hit, from any place of the kernel's counter; return is the way back to the port it has
    just left. Exits with 1 where the port cannot loop.
    """
    from ..tries.theory import distribution

    with checked():
        law = distribution(era, port_range, port, client, start, tries_per_second=pace)
    output.deliver(as_json, law.describe())
    return YES if law.can_loop else NO


@click.command(cls=Command)
@click.option("--ports", metavar="PORT,...", required=True, help="The ports to dial.")
@click.option("--ranges", metavar="LOW-HIGH,...", required=True, help="The ephemeral port ranges.")
@click.option("--samples", type=WHOLE, default=200, show_default=True, help="How many in each cell.")
@click.option("--out", type=FILE, required=True, help="The new file that gets every sample as it comes.")
@options.force
@click.option("--client", "clients", metavar="KIND,...", default="same-socket", help="As for connect.")
@click.option("--workers", type=WHOLE, help="How many work at once (default: one per core).")
@_start
@click.option("--max-tries", type=TRIES, help="Stop a sample after N tries (default: by theory).")
@click.option("--seed", type=WHOLE, default=0, show_default=True, help="Orders the work.")
@click.option("--resume", is_flag=True, help="Go on with the study that FILE holds.")
@options.the_stack
def study(
    out: str, force: bool, workers: int | None, resume: bool, kind: options.Place, as_json: bool, **plan: Any
) -> int:
    """Measure the tries, many times over.

    A cell is a port, a range and a client; every combination is one. Where a study is stopped, FILE keeps
    what was measured, and --resume goes on with it.
    """
    from ..study.engine import StudyStopped

    with checked():
        planned = lab.Study(**plan)
        if force and resume:
            both = "--force and --resume: give one of them"
            raise BadValue(f"{both}; the first begins the study again, the second goes on")
        files.must_be_writable(out, force=True)  # a study that is there is refused, or gone on with, by itself
    began = time.monotonic()
    anew = files.set_aside(out) if force else contextlib.nullcontext()
    with place(kind, as_json) as testbed, checked(), anew, noted_interrupts():
        try:
            result = planned.run(testbed, out, resume, workers, progress=output.for_people(as_json))
        except StudyStopped as error:
            if error.result is not None:
                _deliver(error.result, "error", began, as_json)
            raise NotOnThisTestbed(f"{error.reason}; go on with --resume") from error
        _deliver(result, "interrupted" if result.interrupted else "complete", began, as_json)
    return INTERRUPTED if result.interrupted else YES


def _deliver(result: StudyResult, stopped: str, began: float, as_json: bool) -> None:
    """Show a study. `seconds` is this run's time on the clock, with all its workers at once."""
    output.deliver(as_json, result.describe(), seconds=time.monotonic() - began, stopped=stopped)
