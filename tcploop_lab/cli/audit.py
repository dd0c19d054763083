"""What a program does with a self-connection: audit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

import tcploop_lab as lab

from ..audits.sandbox.wanted import Sandbox
from ..stacks.task import noted_interrupts
from ..testbed import files
from ..testbed.opening import wanted_kind
from . import options, output
from .group import Program
from .root import INTERRUPTED, NO, YES
from .values import FILE, HOST, LIMIT, PORT, SECONDS, WHOLE, checked

if TYPE_CHECKING:
    from ..audits.audit import AuditResult


@click.command(cls=Program)
@click.option("--port", type=PORT, default="33334", show_default=True, help="The port that is watched.")
@click.option("--host", type=HOST, default="127.0.0.1", help="What {host} stands for: an address of this machine.")
@click.option("--attempts", type=WHOLE, default="100", help="How many of its attempts meet themselves (default: 100).")
@click.option("--timeout", type=SECONDS, default=10.0, show_default=True, help="End the program after S seconds.")
@click.option("--template", "templates", multiple=True, metavar="FILE", help="A file in which {port} is replaced.")
@click.option("--junit", type=FILE, help="Write the verdict to the new FILE too, as a JUnit report.")
@click.option("--sarif", type=FILE, help="Write the verdict to the new FILE too, as a SARIF log.")
@options.force
@click.option("--env", "environment", multiple=True, metavar="NAME", help="A variable that it has as well.")
@click.option("--share", "shares", multiple=True, metavar="PATH", help="A file or folder that it may use as you may.")
@click.option("--limit", "limits", type=LIMIT, multiple=True, help="Such as processes=50, memory=1G, output=1M.")
@click.option("--strict", is_flag=True, help="Run it only if every layer of the sandbox is there.")
@options.the_place
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def audit(
    port: int,
    host: str,
    attempts: int,
    timeout: float,
    kind: str | None,
    as_json: bool,
    templates: tuple[str, ...],
    junit: str | None,
    sarif: str | None,
    force: bool,
    environment: tuple[str, ...],
    shares: tuple[str, ...],
    limits: tuple[tuple[str, int], ...],
    strict: bool,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND where it can only meet itself.

    A connection to the port can only be a self-connection there; the answer is what the program makes of it.

    {port} and {host} are replaced in COMMAND, in the environment, and in copies of the files that --template names.
    It runs in a private network, has no terminal and an empty stdin, and all its processes end with the audit. The
    verdict is never-tried, refused, self-connected, detected or unclear. Exit code 0 means detected or refused, 1
    means that the program is not cleared.

    Example: tcploop audit -- curl http://127.0.0.1:{port}/
    """
    to_write = {name: path for name, path in (("junit", junit), ("sarif", sarif)) if path is not None}
    with checked(), noted_interrupts():
        _must_be_two_files(to_write, force)
        sandbox = Sandbox(environment, shares, dict(limits), strict)
        asked = wanted_kind(kind) or "namespace"
        result = lab.audit(command, port, timeout, attempts, host, asked, templates, sandbox=sandbox)
        _write(to_write, force, result)
        output.deliver(as_json, result.describe())
    return INTERRUPTED if result.stopped == "interrupted" else YES if result.ok else NO


def _must_be_two_files(to_write: Mapping[str, str], force: bool) -> None:
    """Raise ValueError, before anything runs, unless each file can be written and they are not one and the same."""
    for path in to_write.values():
        files.must_be_writable(path, force)
    if len({os.path.realpath(path) for path in to_write.values()}) < len(to_write):
        raise ValueError(f"file {to_write['sarif']!r}: --junit writes there; give each a path of its own")


def _write(to_write: Mapping[str, str], force: bool, result: AuditResult) -> None:
    from ..audits.reports import FORMATS

    for name, path in to_write.items():
        with files.written(path, force) as file:
            file.write(FORMATS[name](result))
