"""Results as text for people: a sentence that answers, and a table with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..results.printable import printable
from .records import QUANTILES

if TYPE_CHECKING:
    from ..audits.audit import AuditResult
    from ..ports.identify import ProbeResult
    from ..ports.preconditions import Verdict
    from ..results.run import Run
    from ..study.result import StudyResult
    from ..tcp.replay import Step
    from ..testbed.crossing import Crossing
    from ..testbed.doctor import Doctor
    from ..tries.theory import TriesDistribution

_LINES = 10  # of a program's output, at its beginning and at its end
_BAR = 30  # characters of the longest bar


def doctor(console: Console, result: Doctor) -> None:
    """Print every capability, then what to do about those that are not there."""
    answer(console, result.ok, result.summary)
    table = _table("", "what", "found")
    for item in result.capabilities:
        table.add_row(_mark(item.ok), Text(item.name), Text(item.detail))
    console.print(table)
    for item in result.missing:
        console.print(Text.assemble((f"{item.name}: ", "bold"), item.fix))


def verdict(console: Console, result: Verdict) -> None:
    """Print whether the port can loop, and each precondition with its evidence."""
    answer(console, result.can_loop, f"{result.host} port {result.port} {_can(result.can_loop)} loop")
    table = _table("", "precondition", "evidence")
    for rule in result.rules:
        table.add_row(_mark(rule.ok), Text(rule.name), Text(rule.evidence))
    console.print(table)
    console.print(f"candidates (M): {result.candidates:,} ports are tried first in {result.port_range}")


def run(console: Console, result: Run) -> None:
    """Print how a loop ended, and where it did not, what would say why."""
    answer(console, result.self_connected, result.summary)
    console.print(f"client: {result.client}, {result.client.description}")
    failures = ", ".join(f"{count:,} x {name}" for name, count in result.errors.items()) or "none"
    console.print(f"failed tries: {failures}")
    if not result.self_connected and result.stopped != "interrupted":
        console.print(f"tcploop check {result.port} says which precondition fails, if one does")


def capture(console: Console, result: Run, steps: Sequence[Step], dropped: int) -> None:
    """Print the segments, each once, and the state that each brings the socket to."""
    run(console, result)
    if steps:
        _segments(console, steps)
    console.print(f"dropped: {dropped} frames")


def _segments(console: Console, steps: Sequence[Step]) -> None:
    first = steps[0].segment
    table = _table("time [µs]", "flags", "seq", "ack", "bytes", "state", right=(0, 2, 3, 4))
    for step in steps:
        segment = step.segment
        ack = _relative(segment.ack, first.seq) if "A" in segment.flags else ""
        time, seq = f"{(segment.time - first.time) * 1e6:.0f}", _relative(segment.seq, first.seq)
        table.add_row(time, segment.flags, seq, ack, str(len(segment.payload)), str(step.receiver_after))
    console.print(table)
    console.print(f"x = {first.seq}, the initial sequence number; state: after the segment arrived")


def _relative(number: int, start: int, letter: str = "x") -> str:
    offset = (number - start) % 2**32
    return f"{letter}+{offset}" if offset else letter


def crossing(console: Console, result: Crossing, delay: float) -> None:
    """Print the segments of both hosts, and the state that each brings its receiver to."""
    ends = "both ends ESTABLISHED" if result.established else "not established"
    answer(console, result.established, f"{ends}: {len(result.segments)} segments, {delay * 1000:g} ms on the cable")
    if result.segments:
        _crossed(console, result)
    for host, path in result.paths.items():
        console.print(f"{host}: {' -> '.join(path)}, as its kernel says")


def _crossed(console: Console, result: Crossing) -> None:
    steps, received = result.replayed.steps, result.received
    first = {step.sender: step.segment.seq for step in reversed(steps)}
    letters = {"A": "x", "B": "y"}
    table = _table("from", "sent [ms]", "received [ms]", "flags", "seq", "ack", "state", right=(1, 2, 4, 5))
    for index, step in enumerate(steps):
        segment, to = step.segment, step.receiver
        began = steps[0].segment.time
        arrived = f"{(received[index] - began) * 1000:.1f}" if index in received else "never"
        seq = _relative(segment.seq, first[step.sender], letters[step.sender])
        ack = _relative(segment.ack, first[to], letters[to]) if "A" in segment.flags and to in first else ""
        sent = f"{(segment.time - began) * 1000:.1f}"
        table.add_row(step.sender, sent, arrived, segment.flags, seq, ack, f"{to} {step.receiver_after}")
    console.print(table)
    numbers = ", ".join(f"{letters[host]} = {number} ({host})" for host, number in sorted(first.items()))
    console.print(f"{numbers}: the initial sequence numbers; state: of the receiver, after the segment arrived")


def probe(console: Console, result: ProbeResult) -> None:
    """Print the era, and how often the source port advanced by which step."""
    alike = f" (or {', '.join(result.alike)}: they look the same from here)" if result.alike else ""
    answer(console, True, f"era: {result.era}{alike}")
    console.print(
        f"parity: {result.parity}; confidence {result.confidence:.3f}, from {result.tries} tries in {result.port_range}"
    )
    table, most = _table("step", "count", "", right=(0, 1)), max(result.increments.values(), default=1)
    shown = sorted(result.increments.items(), key=lambda item: -item[1])[:16]
    for step, count in sorted(shown):
        table.add_row(str(step), str(count), "█" * round(_BAR * count / most))
    console.print(table)
    if len(shown) < len(result.increments):
        console.print(f"and {len(result.increments) - len(shown)} rarer steps")


def law(console: Console, result: TriesDistribution, quantiles: dict[str, int | None]) -> None:
    """Print the distribution of the tries."""
    answer(console, result.can_loop, f"port {result.port} {_can(result.can_loop)} loop: {result.reason}")
    starts = {"random": "first hit from a random start", "return": "return to the port just left"}
    console.print(
        f"{result.era}, ports {result.port_range}, {result.client}, {starts[result.start]}; "
        f"candidates (M): {result.candidates:,}"
    )
    if not result.can_loop:
        return
    pace = result.tries_per_second
    lasts = f", {result.mean / pace:,.0f} s at {pace:g} tries a second" if pace else ""
    console.print(f"mean: {result.mean:,.1f} tries{lasts}")
    table = _table("share of runs", "have looped after tries", right=(0, 1))
    for percent in QUANTILES:
        tries = quantiles[str(percent)]
        table.add_row(f"{percent} %", "never" if tries is None else f"{tries:,}")
    console.print(table)


def study(console: Console, result: StudyResult) -> None:
    """Print the cells of a study."""
    answer(console, result.complete, result.summary)
    table = _table("port", "range", "client", "samples", "hits", "mean tries of the hits", right=(0, 3, 4, 5))
    for cell in result.cells:
        mean = f"{cell.mean:,.1f}" if cell.hits else "none"
        numbers = (f"{cell.samples:,}", f"{cell.hits:,}", mean)
        table.add_row(str(cell.port), str(cell.port_range), str(cell.client), *numbers)
    console.print(table)


def audit(console: Console, result: AuditResult) -> None:
    """Print the verdict on a program, the evidence, the socket table and what the program printed."""
    answer(console, result.ok, result.summary)
    for line in result.evidence:
        console.print(Text(f"- {printable(line)}"))
    if result.sockets:
        table = _table("local", "peer", "state")
        for row in result.sockets:
            table.add_row(row.local, row.peer or "-", row.state)
        console.print(table)
    if result.output:
        console.print("what it printed:")
        console.print(
            Text("".join(f"    {printable(line)}\n" for line in _shortened(result.output.splitlines()))), end=""
        )


def _shortened(lines: list[str]) -> list[str]:
    """The first and the last lines; --json has more of them."""
    left_out = len(lines) - 2 * _LINES
    if left_out <= 0:
        return lines
    return [*lines[:_LINES], f"... {left_out:,} lines are left out, --json has more ...", *lines[-_LINES:]]


def answer(console: Console, good: bool, text: str) -> None:
    """Print the sentence that answers the question."""
    console.print(Text(text, style="bold green" if good else "bold red"))


def _can(can: bool) -> str:
    return "can" if can else "cannot"


def _mark(ok: bool) -> Text:
    return Text("yes", style="green") if ok else Text("NO", style="bold red")


def _table(*heads: str, right: Sequence[int] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads):
        options: dict[str, Any] = {"justify": "right"} if index in right else {}
        table.add_column(head, **options)
    return table
