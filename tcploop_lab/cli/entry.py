"""One way out for everything that goes wrong: one line on stderr, and the exit code that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..errors import NotOnThisTestbed, WorkerDied
from ..results.printable import printable
from . import output
from .audit import audit
from .course import notebooks
from .grade import grade, handout
from .jupyter import lab
from .laws import model, study
from .loops import capture, connect, cross, program
from .machine import check, doctor, inside, kernels, probe
from .production import find, port
from .root import INTERRUPTED, NOT_ON_THIS_MACHINE, WRONG_ARGUMENTS, tcploop
from .values import BadValue

_LAB = (doctor, check, connect, capture, probe, model, study, cross, audit)
for _command in (*_LAB, find, port, kernels, inside, lab, notebooks, handout, grade):
    tcploop.add_command(_command)
tcploop.program = program


def run(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    try:
        return tcploop.main(args, prog_name="tcploop", standalone_mode=False) or 0
    except click.ClickException as error:
        return _refuse(_explain(error), WRONG_ARGUMENTS)
    except (NotOnThisTestbed, WorkerDied) as error:
        return _refuse(f"{error} (tcploop doctor shows what this machine can do)", NOT_ON_THIS_MACHINE)
    except click.Abort:
        return _refuse("interrupted", INTERRUPTED)


def _explain(error: click.ClickException) -> str:
    """Return the message; what click itself found wrong gets a pointer to the help."""
    if isinstance(error, BadValue):
        return error.format_message()
    context = getattr(error, "ctx", None)
    command = context.command_path.strip() if context else "tcploop"
    return f"{error.format_message().rstrip('.')} (see {command} --help)"


def _refuse(message: str, code: int) -> int:
    output.note(f"tcploop: {printable(message)}")
    return code
