"""One run, told by everybody who saw it: the loop, the capture, the kernel's counters, and its tables of sockets.

They do not know of each other, so where two of them answer the same question they must agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import NotOnThisTestbed
from ..ports.clients import Client
from ..ports.ranges import Port
from ..results.description import Description, Table, plainly
from ..results.run import Run
from ..results.shown import Shown
from ..tcp.replay import replay
from ..tcp.states import State
from ..tcp.words import counted
from .capture import Exchange
from .sockets import SocketTable
from .testbed import Testbed

CALLS, REFUSED, SEGMENTS = "calls", "refused", "segments"  # connect() calls; segments that arrived
LISTENED, TO_ITSELF = "taken by a listener", "with itself"  # connections
NAMES, STATE = "name at both ends", "state"  # of the connection with itself
QUESTIONS = (CALLS, REFUSED, SEGMENTS, LISTENED, TO_ITSELF, NAMES, STATE)

Answers = Mapping[str, object]

_ADDRESS = r"(\[?[0-9a-f.:]+\]?:\d+)"
_PAIR = {"ss": rf"^ESTAB\b.*?\s{_ADDRESS}\s+{_ADDRESS}", "lsof": rf"TCP {_ADDRESS}->{_ADDRESS} \(ESTABLISHED\)"}


@dataclass(frozen=True, repr=False)
class Witnesses(Shown):
    """What each witness answers. `accounts` maps a witness to its answers, `absent` one that is not here to why."""

    run: Run
    accounts: Mapping[str, Answers]
    absent: Mapping[str, str]

    def answers(self, question: str) -> dict[str, object]:
        """Return who answers a question of `QUESTIONS`, and what."""
        return {name: account[question] for name, account in self.accounts.items() if question in account}

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions that somebody answers."""
        return tuple(question for question in QUESTIONS if self.answers(question))

    @property
    def disagreements(self) -> tuple[str, ...]:
        """The questions on which two witnesses differ."""
        return tuple(question for question in QUESTIONS if len(set(self.answers(question).values())) > 1)

    @property
    def agree(self) -> bool:
        """True if no two witnesses differ."""
        return not self.disagreements

    @property
    def summary(self) -> str:
        """One sentence: how many were heard, whether they agree, and who was not there."""
        found = "they agree" if self.agree else f"they differ on: {', '.join(self.disagreements)}"
        missing = "".join(f"; {name} is missing: {why}" for name, why in self.absent.items())
        return (
            f"{counted(len(self.accounts), 'witness')} of one run of {counted(self.run.tries, 'try')}: {found}{missing}"
        )

    def describe(self) -> Description:
        """Return a row for each witness; an empty place where one was not asked or cannot know."""
        rows = [(name, *(said.get(each, "") for each in self.questions)) for name, said in self.accounts.items()]
        rows.append(("they agree", *(each not in self.disagreements for each in self.questions)))
        columns = tuple((name, name) for name in ("witness", *self.questions))
        items = plainly(self, "agree", "absent")
        return Description(self.summary, self.agree, self.run.label, items, (Table("accounts", columns, rows),))


def witnesses(testbed: Testbed, port: Port, host: str = "127.0.0.1", client: Client = "same-socket") -> Witnesses:
    """Make one connect loop, ask all witnesses about it, and return what they say. The connection is closed after.

    Raises ValueError for a bad port, host or client.
    """
    absent: dict[str, str] = {}
    before = testbed.counters() if testbed.kind != "host" else {}
    exchange = _capture(testbed, port, absent)
    run = testbed.connect_loop(port, host, client, progress=False)
    accounts: dict[str, Answers] = {"the loop": of_loop(run)}
    if exchange is not None:
        exchange.close()
        if exchange.dropped:
            absent["the capture"] = f"{exchange.dropped:,} frames did not fit, take a smaller range"
        else:
            accounts["the capture"] = of_capture(exchange)
    if before:
        moved = {name: count - before[name] for name, count in testbed.counters().items()}
        accounts["/proc/net/snmp"] = of_counters(moved)
    else:
        absent["/proc/net/snmp"] = "on the host all programs count together"
    accounts |= _tables(testbed, run, absent)
    run.close()
    return Witnesses(run, accounts, absent)


def of_loop(run: Run) -> Answers:
    """What the loop counted."""
    return {
        CALLS: run.tries,
        REFUSED: run.errors.get("ECONNREFUSED", 0),
        TO_ITSELF: int(run.self_connected),
        NAMES: str(run.local) if run.self_connected and run.local else "",
    }


def of_capture(exchange: Exchange) -> Answers:
    """What the captured segments say."""
    segments = exchange.segments
    own = [segment for segment in segments if segment.to_itself]
    named, ends = {str(one.source) for one in own}, replay(own).ends
    return {
        CALLS: sum(segment.is_syn for segment in segments),
        REFUSED: sum(segment.is_reset and "A" in segment.flags for segment in segments),
        SEGMENTS: len(segments),
        LISTENED: sum(segment.is_syn_ack and not segment.to_itself for segment in segments),
        TO_ITSELF: sum(segment.is_syn for segment in own),
        NAMES: ", ".join(sorted(named)),
        STATE: str(ends[0].state) if ends else "",
    }


def of_counters(moved: Mapping[str, int]) -> Answers:
    """What the TCP counters of a private network say of the time between (RFC 4022)."""
    return {
        CALLS: moved["ActiveOpens"],
        REFUSED: moved["AttemptFails"],
        SEGMENTS: moved["InSegs"],
        LISTENED: moved["PassiveOpens"],
        TO_ITSELF: moved["ActiveOpens"] - moved["AttemptFails"] - moved["PassiveOpens"],  # neither refused nor taken
    }


def of_table(table: SocketTable) -> Answers:
    """What /proc/net/tcp and tcp6 have, the kernel's table of sockets."""
    own = [row for row in table.rows if row.local == row.peer]
    return {
        LISTENED: len([row for row in table.rows if row.peer and row not in own]),
        TO_ITSELF: len(own),
        NAMES: ", ".join(row.local for row in own),
        STATE: ", ".join(row.state for row in own),
    }


def of_tool(tool: str, output: str) -> Answers:
    """What ss or lsof printed."""
    pairs = re.findall(_PAIR[tool], output, re.MULTILINE)
    own = [local for local, peer in pairs if local == peer]
    states = ", ".join(str(State.ESTABLISHED) for _ in own)
    return {TO_ITSELF: len(own), NAMES: ", ".join(own), STATE: states}


def _tables(testbed: Testbed, run: Run, absent: dict[str, str]) -> dict[str, Answers]:
    accounts = {"/proc/net/tcp": of_table(testbed.sockets(run.port))}
    for tool in _PAIR:
        seen = testbed.look(run.port, tool)
        output = seen.output
        if seen.label:
            absent[tool] = f"no tool can look at {run.kernel}"
        elif "is not installed here" in output:
            absent[tool] = output.partition(";")[0]
        else:
            accounts[tool] = of_tool(tool, output)
    return accounts


def _capture(testbed: Testbed, port: Port, absent: dict[str, str]) -> Exchange | None:
    try:
        return testbed.capture(port, both_ends=False)
    except NotOnThisTestbed as reason:
        absent["the capture"] = str(reason)
        return None
