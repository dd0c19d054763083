"""Runs any program where a connection to a port can only be a self-connection, and says what happened.

How: a private network where connect() can take this one port only, nobody listening, a capture beside it. So every
try is certain to meet itself, odd or even port, IPv4 or IPv6 (`scene.py`). Who used no such connection is run again
with an echo on the port, and the two are compared.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..errors import NotOnThisTestbed
from ..ports.ranges import Port, parse_port
from ..results import stored
from ..results.description import Description, Item, Judged, Lines, Said, plainly
from ..results.segments import table_of_segments
from ..results.shown import Shown
from ..stacks.stack import SocketRow
from ..tcp.segments import Segment
from ..tcp.words import counted
from ..testbed.capture import segment_of
from ..testbed.hosts import resolve_own
from ..testbed.limits import parse_timeout, parse_tries
from ..testbed.opening import open_testbed, wanted_kind, way_out
from ..testbed.testbed import Testbed
from ..testbed.waiting import wait_for
from .attempts import Behaviour
from .order import INTERRUPT, Order, Plan, Report, comparison, repetition
from .run import run_programs
from .sandbox.entrance import outside
from .sandbox.wanted import Sandbox
from .templates import filled, in_place_of, read
from .verdicts import AuditVerdict, Judgement, judge_audit, needs_more, self_connections

# What the lessons' programs did when that was recorded (`make record`): shown, with its label, where no private network
# can be made; never in the place of a measurement.
RECORD = Path(__file__).parents[1] / "recorded" / "audits.json"

DEFAULT_PORT = 33334
DEFAULT_TIMEOUT = 10.0  # seconds
DEFAULT_ATTEMPTS = 100  # all, but for who dials without end
ALWAYS = ("no terminal", "empty stdin")  # of the sandbox's layers
_GRACE = 3.0  # seconds a run that is interrupted gets to hand back what it saw
_EXAMPLE = "tcploop audit -- curl http://127.0.0.1:{port}/"


@dataclass(frozen=True)
class AuditResult(Shown):
    """What a program did where connecting to `port` means connecting to itself.

    `evidence` says in short sentences what `verdict` rests on. `segments` are those of the port, each once; `sockets`
    the lines of the kernel's table while it was connected; `output` is what it printed, stdout and stderr together,
    the first and the last of it if it was long; `exit_status` is None where the lab ended the program, negative
    where a signal did; `left` counts the processes that went on after it, and were ended; `stopped` is exited, timeout
    or interrupted; `compared` is True if it was run with an echo, too; `sandbox` has the layers that kept it in.
    `label` says on which kernel it was recorded and when; "" for a live one.
    """

    command: tuple[str, ...]
    verdict: AuditVerdict
    evidence: tuple[str, ...]
    port: int
    host: str
    attempts: int
    exit_status: int | None
    seconds: float
    stopped: str
    kernel: str
    output: str = field(repr=False, default="")
    segments: tuple[Segment, ...] = field(repr=False, default=())
    sockets: tuple[SocketRow, ...] = field(repr=False, default=())
    left: int = 0
    compared: bool = False
    label: str = ""
    sandbox: tuple[str, ...] = ()
    figure = "audit"

    @property
    def ok(self) -> bool:
        """True if the program is cleared: it noticed, or was refused."""
        return self.verdict.good

    @property
    def summary(self) -> str:
        """One line: the verdict, the command, and that it is recorded if it is."""
        recorded = f" (recorded, not live: {self.label})" if self.label else ""
        return f"{self.verdict}: {shlex.join(self.command)}{recorded}"

    def describe(self) -> Description:
        """Return what the program did; `exit_status` is null where the lab ended it, negative where a signal did."""
        ended = "none, the lab ended it" if self.exit_status is None else str(self.exit_status)
        compared = ", and again with an echo" if self.compared else ""
        table = tuple(f"{row.local} {row.peer or '-'} {row.state}" for row in self.sockets)
        rows = [{"local": row.local, "peer": row.peer, "state": row.state} for row in self.sockets]
        items = (
            *plainly(self, "command", "port", "host", "attempts", "stopped", "compared", "left", "sandbox"),
            Item("verdict", Said(self.verdict, Judged(self.verdict, self.ok)), "verdict"),
            Item("evidence", Said(self.evidence, Lines(self.evidence)), "evidence"),
            Item("exit_status", Said(self.exit_status, ended), "exit status"),
            Item("seconds", Said(self.seconds, f"{self.seconds:.2f}{compared}"), "seconds"),
            Item("sockets", Said(rows, Lines(table, fixed=True)), "in the socket table"),
            Item("testbed", "recorded" if self.label else "namespace"),
            Item("stack", "recorded" if self.label else "live"),
            Item("kernel", self.kernel, "kernel"),
            Item("output", Said(self.output, Lines(tuple(self.output.splitlines()), fixed=True)), "it printed"),
        )
        segments = table_of_segments(self.segments)
        none = () if self.segments else ("no segment of this port was sent",)
        return Description(self.summary, self.ok, self.label, items, (segments,), none)

    def __repr__(self) -> str:
        return "\n".join((self.summary, *(f"  {line}" for line in self.evidence)))


def audit(
    command: str | Sequence[str],
    port: Port = DEFAULT_PORT,
    timeout: float = DEFAULT_TIMEOUT,
    attempts: int = DEFAULT_ATTEMPTS,
    host: str = "127.0.0.1",
    kind: str | None = None,
    templates: Sequence[str] = (),
    or_recorded: bool = False,
    sandbox: Sandbox | None = None,
) -> AuditResult:
    """Run `command` in a private network in which it can only connect to itself on `port`, and return what it did.

        lab.audit("curl -sS http://127.0.0.1:{port}/")

    `command` is a list of words, or text that is split as a shell does; {port} and {host} are replaced in it, in the
    values of the environment, and in copies of the files `templates`, which the command gets in their place. It has no
    terminal and an empty stdin, reaches no other network, sees files to read and an empty HOME, and ends with all its
    processes after `timeout` seconds; `sandbox` lets more in, or insists on every layer. `attempts` is how many of its
    attempts meet themselves; the later ones are refused. Where it used no connection with itself, it is run again with
    an echo on the port, and where that differs both are run ten times more (`comparison.PAIRS`); where it was refused
    it is run as often. `kind` is the testbed that was asked for; only the private network will do. With `or_recorded`,
    where no audit is possible, or the environment asks for another testbed, the result is what was recorded of this
    command, with a label, if a lesson runs it.

    Raises ValueError for a command that cannot be run and for bad values, NotOnThisTestbed without a private network,
    where no process can be made or kept together, or where a layer is missing that was insisted on.
    """
    number, seconds, count = parse_port(port), parse_timeout(timeout), parse_tries(attempts, "attempts")
    target = resolve_own(host)
    words = parse_command(command, number, target.name)
    fill = partial(filled, port=number, host=target.name)
    texts = {name: fill(read(name, words)) for name in templates}
    try:
        with private_testbed(kind) as testbed:
            _must_be_a_program(words[0])
            chosen = sandbox or Sandbox()
            environment = {name: fill(value) for name, value in chosen.variables(os.environ).items()}
            order = Order(words, target, number, seconds, count, _folder(), environment, chosen, outside())
            with in_place_of(texts, order) as order:
                result = _audit(order, testbed)
    except NotOnThisTestbed as refusal:
        if not or_recorded:
            raise
        return _recorded(words, refusal)
    return replace(result, command=words)


def private_testbed(kind: str | None) -> Testbed:
    """Open a private network. NotOnThisTestbed if none can be had, or the call or the environment wants another."""
    wanted = wanted_kind(kind) or "namespace"
    if wanted != "namespace":
        raise NotOnThisTestbed(f"an audit needs the private network, not the {wanted} testbed: {way_out(kind)}")
    testbed = open_testbed(kind=kind)
    if testbed.kind != wanted:
        testbed.close()
        raise NotOnThisTestbed(f"an audit needs a private network, which is not to be had here ({testbed.why})")
    return testbed


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        raise ValueError(
            "folder '.': the current folder was deleted, and the program would run in it; cd elsewhere"
        ) from None


def parse_command(command: str | Sequence[str], port: int, host: str) -> tuple[str, ...]:
    """Return the words of a command, with {port} and {host} replaced; ValueError for what is no command."""
    try:
        given = shlex.split(command) if isinstance(command, str) else [os.fspath(word) for word in command]
    except (ValueError, TypeError) as error:
        raise ValueError(f"command {command!r}: {error}; give a list of words") from None
    if not given or not all(isinstance(word, str) for word in given):
        raise ValueError(f"command {command!r}: there is no program in it; for example: {_EXAMPLE}")
    if any("\0" in word for word in given):
        raise ValueError(f"command {command!r}: a command cannot hold a zero byte")
    return tuple(filled(word, port, host) for word in given)


def _must_be_a_program(name: str) -> None:
    if shutil.which(name):
        return
    if os.path.isdir(name):
        raise ValueError(f"command {name!r}: it is a folder; name a program")
    if os.sep in name and os.path.exists(name):
        raise ValueError(f"command {name!r}: it is not executable; chmod +x, or name its interpreter first")
    raise ValueError(f"command {name!r}: there is no such program; give its path, or install it")


def _recorded(words: tuple[str, ...], refusal: NotOnThisTestbed) -> AuditResult:
    try:
        return recorded_audit(words)
    except NotOnThisTestbed as reason:
        raise NotOnThisTestbed(f"{refusal}; and {reason}") from None


def _audit(order: Order, testbed: Testbed) -> AuditResult:
    """Run the program on the testbed, with an echo for comparison on others if need be, and judge what it did."""
    (report,) = _run([[order]], testbed)
    own, echo, interrupted = _compared(order, report, testbed)
    judged = judge_audit(own, order.port, order.attempts, echo)
    if interrupted and judged.verdict.good:
        why = "an interrupt came before it was run as often as it takes to clear it"
        judged = Judgement(AuditVerdict.UNCLEAR, (*judged.evidence, why))
    return AuditResult(
        command=order.command,
        verdict=judged.verdict,
        evidence=(*judged.evidence, *_beside(report)),
        port=order.port,
        host=order.target.name,
        attempts=order.attempts,
        exit_status=report.exit_status,
        seconds=report.seconds,
        stopped="interrupted" if interrupted else "exited" if report.ended is None else "timeout",
        kernel=testbed.kernel,
        output=own[0].output,
        segments=own[0].segments,
        sockets=report.sockets,
        left=report.left,
        compared=bool(echo),
        sandbox=(*report.layers, *ALWAYS),
    )


def _compared(order: Order, first: Report, testbed: Testbed) -> tuple[list[Behaviour], list[Behaviour], bool]:
    """Return the runs with itself, the first of which was made, and those with an echo, as many as are needed.

    None with an echo for who used a connection with itself. Otherwise the two worlds are compared until nothing is left
    in which all runs of one world are alike and differ from all of the other, PAIRS times at the most. Who was refused
    is run as often as that, too, without an echo: it may have met itself but for chance. At an interrupt, which the
    last value tells, only the first run is left: half a comparison is none.
    """
    own, echo = list[Behaviour]([first]), list[Behaviour]()
    plans = (comparison if self_connections(own[0], order.port) else repetition)(order, first)
    interrupted = first.why_ended == INTERRUPT
    for plan in plans:
        if interrupted or not needs_more(own, echo, order.port):
            break
        try:
            with open_testbed(workers=len(plan), kind="namespace") if len(plan) > 1 else nullcontext(testbed) as place:
                reports = _run(plan, place)
        except KeyboardInterrupt:  # it came between two runs
            interrupted = True
            break
        interrupted = INTERRUPT in {report.why_ended for report in reports}
        for report in reports:
            (echo if report.control else own).append(report)
    return (own[:1], [], True) if interrupted else (own, echo, False)


def _run(plan: Plan, testbed: Testbed) -> list[Report]:
    """Run each list of orders in a worker of its own, and return what was seen."""
    reports: list[Report] = []
    futures = [testbed.submit(run_programs, orders) for orders in plan]
    for future in futures:
        reports += wait_for(testbed.executor, future, None, _GRACE)
        if reports[-1].why_ended == INTERRUPT:
            for one in futures:
                testbed.executor.stop(one)
            break
    for report in reports:
        if report.failed is not None:
            name, reason = plan[0][0].command[0], os.strerror(report.failed)
            raise ValueError(f"command {name!r}: it cannot be started ({reason}); name its interpreter first")
        report.segments, report.frames = tuple(map(segment_of, report.frames)), []  # the worker has no scapy
    return reports


def _beside(report: Report) -> list[str]:
    """What else is worth telling."""
    lines = []
    if report.left:
        processes = counted(report.left, "process")
        lines.append(f"{processes} went on in the background, and had to be ended by {report.why_ended or 'the lab'}")
    if report.omitted:
        lines.append(f"{report.omitted:,} further segments with data were counted and not kept")
    return lines


def recorded_audit(command: Sequence[str]) -> AuditResult:
    """Return what was recorded of this command, word by word. NotOnThisTestbed if nothing was."""
    for result in stored.load(RECORD, list[AuditResult]):
        if result.command == tuple(command):
            return result
    raise NotOnThisTestbed("this command is none of those that are recorded, the lessons'")


def store_recorded(results: Sequence[AuditResult]) -> None:
    """Write the results where `recorded_audit` reads them; the options of segments are left out."""
    results = [replace(one, segments=tuple(replace(each, options=()) for each in one.segments)) for one in results]
    stored.store(RECORD, results)
