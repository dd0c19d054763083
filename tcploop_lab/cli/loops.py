"""The loop: connect, capture, and the article's program; and two hosts that call each other at once: cross."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import click

from ..ports.preconditions import Verdict
from ..ports.ranges import PortRange
from ..results.description import Description
from ..results.run import Run
from ..stacks.task import noted_interrupts, raised_interrupts
from ..tcp.words import counted
from ..testbed import files
from ..testbed.crossing import Crossing
from ..testbed.testbed import Testbed
from . import looking, options, output
from .group import Command
from .root import INTERRUPTED, NO, YES, place
from .values import DELAY, checked

TRIES_PER_DOT = 1000
_CLOSING = 0.05  # seconds: on loopback the segments of a close are there at once, but sent by another context


@click.command(cls=Command)
@options.the_loop
@click.option("--hold", is_flag=True, help="Keep the socket open until Enter.")
@options.the_stack
def connect(
    port: int, port_range: PortRange | None, hold: bool, kind: options.Place, as_json: bool, **loop: Any
) -> int:
    """Dial PORT until a connect succeeds.

    Exit code 0 means that the socket is connected to itself; if somebody else answers, it is 1.
    """
    with place(kind, as_json, port_range) as testbed:
        run = _dial(testbed, port, as_json, loop)
        if hold and run.connected:
            looking.hold(testbed, port)
        return _exit_code(run)


def _dial(testbed: Testbed, port: int, as_json: bool, loop: dict[str, Any]) -> Run:
    with noted_interrupts():
        run = testbed.connect_loop(port, progress=output.for_people(as_json), **loop)
        output.deliver(as_json, _described(run), **testbed.describe().record())
    return run


def _described(run: Run) -> Description:
    """What the run says, and where it did not connect to itself, what would say why."""
    if run.self_connected or run.interrupted:
        return run.describe()
    return run.describe().beside(f"tcploop check {run.port} says which precondition fails, if one does")


@click.command(cls=Command)
@options.the_loop
@options.pcap
@options.force
@click.option("--talk", is_flag=True, help='Also say "hi" on the socket and close it in order.')
@options.the_stack
def capture(
    port: int,
    port_range: PortRange | None,
    pcap: str | None,
    force: bool,
    talk: bool,
    kind: options.Place,
    as_json: bool,
    **loop: Any,
) -> int:
    """Dial PORT, and show the segments.

    Only those from the port to itself are kept, each once: the refused tries stay in the kernel.
    """
    if pcap is not None:
        with checked():
            files.must_be_writable(pcap, force)
    with place(kind, as_json, port_range) as testbed, noted_interrupts():
        with testbed.capture(port) as exchange:
            run = testbed.connect_loop(port, progress=output.for_people(as_json), **loop)
            if talk and run.self_connected:
                _talk(run)
        if pcap is not None:
            with checked():
                exchange.pcap(pcap, force)
        seen = exchange.describe(brief=True)
        told = _described(run).beside(f"dropped: {exchange.dropped} frames", items=seen.items, tables=seen.tables)
        output.deliver(as_json, told, **testbed.describe().record())
    return _exit_code(run)


@click.command(cls=Command)
@options.the_loop
@options.the_stack
def program(port: int, port_range: PortRange | None, kind: options.Place, as_json: bool, **loop: Any) -> int:
    """Dial PORT until the socket connects to itself, then wait for Enter: the article's program.

    A dot stands for a thousand tries. Where the port can never loop it says why, and does not try. With
    --json it prints what tcploop connect does, and does not wait.
    """
    with place(kind, as_json, port_range) as testbed:
        if as_json:
            return _exit_code(_dial(testbed, port, as_json, loop))
        verdict = testbed.check(port, loop["host"], loop["client"])
        if not verdict.can_loop:
            output.write(f"{verdict.summary}\n{_neighbour(testbed, verdict)}")
            return NO
        run = _dial_with_dots(testbed, port, loop)
        if run.connected:
            looking.hold(testbed, port, looking.UNATTENDED)
        return _exit_code(run)


def _dial_with_dots(testbed: Testbed, port: int, loop: dict[str, Any]) -> Run:
    output.write("Trying to connect")
    dots = Dots()
    with noted_interrupts():
        run = testbed.connect_loop(port, progress=dots, **loop)
        dots(run.tries)
        connected = f"Connected after {run.tries} {'try' if run.tries == 1 else 'tries'}"
        output.write(f"\n{connected if run.self_connected else run.summary}\n")
    return run


class Dots:
    """Prints a dot per thousand tries, whenever it is told how many there were."""

    def __init__(self) -> None:
        self._printed = 0

    def __call__(self, tries: int) -> None:
        """Print the dots that are due after so many tries."""
        due = tries // TRIES_PER_DOT
        output.write("." * (due - self._printed))
        self._printed = due


def _neighbour(testbed: Testbed, verdict: Verdict) -> str:
    """Return a line that names the port beside it, where that one can loop."""
    for port in (verdict.port + 1, verdict.port - 1):
        if port in verdict.port_range and testbed.check(port, verdict.host, verdict.client).can_loop:
            return f"The port beside it can: tcploop {port}\n"
    return ""


def _talk(run: Run) -> None:
    run.echo(b"hi")
    run.close(reset=False)
    time.sleep(_CLOSING)


def _exit_code(run: Run) -> int:
    if run.interrupted:
        return INTERRUPTED
    return YES if run.self_connected else NO


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
            interrupted = _deliver_all(crossing, delay)
        ends = "both ends ESTABLISHED" if crossing.established else "not established"
        title = f"{ends}: {counted(len(crossing.segments), 'segment')}, {delay * 1000:g} ms on the cable"
        told = replace(crossing.describe(brief=True), title=title, good=crossing.established)
        output.deliver(as_json, told, delay_ms=delay * 1000, **testbed.describe().record())
    if interrupted:
        return INTERRUPTED
    return YES if crossing.established else NO


def _deliver_all(crossing: Crossing, delay: float) -> bool:
    """Open at both ends, and deliver until nobody sends any more; True if that was interrupted."""
    try:
        with raised_interrupts():
            crossing.open().run(delay)
    except KeyboardInterrupt:
        return True
    return False
