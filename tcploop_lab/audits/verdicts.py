"""Judges what a program did where a connection to a port can only be a self-connection.

Pure: it looks at segments, exit statuses and what was printed. The testbed runs the program (`testbed/audit.py`).
Whether a program *noticed* cannot be seen in one run: `nc -z` closes a connection at once, whoever answers. So where
it closed without a byte, a second run with a listener that stays silent is the comparison.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ..tcp.segments import Segment
from .attempts import Attempt, attempts_of, other_ports

_LONGEST = 160  # characters of the program's own words in the evidence


class AuditVerdict(StrEnum):
    """What a program does with a self-connection."""

    NEVER_TRIED = "never-tried"
    REFUSED = "refused"
    SELF_CONNECTED = "self-connected"
    DETECTED = "detected"
    UNCLEAR = "unclear"

    @property
    def good(self) -> bool:
        """True unless the program took itself for a server, or that is unclear."""
        return self not in (AuditVerdict.SELF_CONNECTED, AuditVerdict.UNCLEAR)


@dataclass(frozen=True)
class Behaviour:
    """What a program did in one run.

    `exit_status` is None where the lab ended the program: then `ended` says when (seconds since the epoch) and
    `why_ended` for which reason. A negative status is the number of the signal that ended it. `dropped` counts the
    frames that the capture lost, all of them after `whole_until`. `written` is what was counted (`attempts.Written`),
    where that is more than the segments that were kept have.
    """

    segments: tuple[Segment, ...] = ()
    exit_status: int | None = 0
    output: str = ""
    ended: float | None = None
    why_ended: str = ""
    dropped: int = 0
    whole_until: float = math.inf
    written: Mapping[tuple[int, int], int] = field(default_factory=dict)

    def attempts(self, port: int) -> tuple[Attempt, ...]:
        """Return the attempts to connect to `port`, with all that was written."""
        found = attempts_of(self.segments, port)
        return tuple(replace(one, sent=max(one.sent, self.written.get((one.sport, one.seq), 0))) for one in found)

    def misses(self, attempt: Attempt) -> bool:
        """True if the capture may have lost segments of this attempt."""
        return self.dropped > 0 and (attempt.closed is None or attempt.closed > self.whole_until)

    def keeps(self, attempt: Attempt) -> bool:
        """True if the connection was open until the lab ended the program."""
        return self.ended is not None and (attempt.closed is None or attempt.closed >= self.ended)


@dataclass(frozen=True)
class Judgement:
    """The verdict, and in short sentences what it rests on."""

    verdict: AuditVerdict
    evidence: tuple[str, ...]


def counted(behaviour: Behaviour, port: int, attempts: int) -> list[Attempt]:
    """Return the self-connections that the verdict looks at: the first `attempts`."""
    own = [one for one in behaviour.attempts(port) if one.to_itself and one.answer == "open"]
    return own[:attempts]


def needs_comparison(behaviour: Behaviour, port: int, attempts: int) -> bool:
    """True if the program closed every self-connection by itself, without a byte: it noticed, or it always does so."""
    own = counted(behaviour, port, attempts)
    return bool(own) and not any(one.sent or behaviour.keeps(one) for one in own)


def judge_audit(behaviour: Behaviour, port: int, attempts: int = 1, comparison: Behaviour | None = None) -> Judgement:
    """Return the verdict on a program that was run where connecting to `port` means connecting to oneself.

    The first `attempts` self-connections count. `comparison` is the same program with a listener that stays silent.
    """
    tries = behaviour.attempts(port)
    own = counted(behaviour, port, attempts)
    if own:
        verdict, reasons = _on_self_connections(behaviour, own, port, comparison)
    else:
        verdict, reasons = _without_self_connection(behaviour, tries, port)
    seen = [_describe(number, one, behaviour) for number, one in enumerate(own, start=1)]
    return Judgement(verdict, (*seen, *reasons, *_after(tries, own), *_ending(behaviour)))


def _without_self_connection(
    behaviour: Behaviour, tries: Sequence[Attempt], port: int
) -> tuple[AuditVerdict, list[str]]:
    if behaviour.dropped:
        return AuditVerdict.UNCLEAR, [f"the capture lost {behaviour.dropped} frames, so nothing can be excluded"]
    if not tries:
        others = other_ports(behaviour.segments, port)
        instead = f"; it dialled port {', '.join(map(str, others))} instead" if others else ""
        return AuditVerdict.NEVER_TRIED, [f"it sent no SYN to port {port}{instead}"]
    answers = {one.answer for one in tries}
    names = "; ".join(dict.fromkeys(str(one) for one in tries))
    if answers == {"refused"}:
        return AuditVerdict.REFUSED, [f"it dialled from another address or port, and was refused: {names}"]
    if "open" in answers:
        return AuditVerdict.UNCLEAR, [f"somebody listens on port {port}, so it was no self-connection: {names}"]
    return AuditVerdict.UNCLEAR, [f"its SYN was not answered: {names}"]


def _on_self_connections(
    behaviour: Behaviour, own: Sequence[Attempt], port: int, comparison: Behaviour | None
) -> tuple[AuditVerdict, list[str]]:
    used = sum(one.sent for one in own)
    if used:
        return AuditVerdict.SELF_CONNECTED, [f"it went on and wrote {used:,} bytes to itself"]
    if any(behaviour.keeps(one) for one in own):
        return AuditVerdict.SELF_CONNECTED, ["it kept the connection and waited for itself"]
    if any(behaviour.misses(one) for one in own):
        return AuditVerdict.UNCLEAR, [f"the capture lost {behaviour.dropped} frames, so what it wrote is not known"]
    if comparison is None:
        return AuditVerdict.UNCLEAR, ["it closed the connection without a byte; nothing to compare that with"]
    return _compare(behaviour, comparison, port)


def _compare(behaviour: Behaviour, comparison: Behaviour, port: int) -> tuple[AuditVerdict, list[str]]:
    """Judge a program that closed at once by what it does with a listener that stays silent."""
    tries = [one for one in comparison.attempts(port) if one.answer == "open"]
    with_listener = "with a listener that stays silent"
    if not tries:
        return AuditVerdict.UNCLEAR, [f"{with_listener} it did not connect, so there is nothing to compare"]
    sent = sum(one.sent for one in tries)
    if sent:
        return AuditVerdict.DETECTED, [f"{with_listener} it writes {sent:,} bytes; to itself it wrote none"]
    if any(comparison.keeps(one) for one in tries):
        return AuditVerdict.DETECTED, [f"{with_listener} it keeps the connection; this one it closed"]
    if behaviour.exit_status != comparison.exit_status:
        statuses = f"exit status {comparison.exit_status}, with itself {behaviour.exit_status}"
        return AuditVerdict.DETECTED, [f"{with_listener} it ends with {statuses}"]
    if _without_numbers(behaviour.output) != _without_numbers(comparison.output):
        return AuditVerdict.UNCLEAR, [f"{with_listener} it does the same, but prints {_short(comparison.output)!r}"]
    return AuditVerdict.SELF_CONNECTED, [f"{with_listener} it does the same: it takes itself for a server"]


def _without_numbers(text: str) -> str:
    """The text without what differs from run to run anyway: ports, times, addresses."""
    return re.sub(r"[0-9][0-9.,:]*", "#", text)


def _describe(number: int, attempt: Attempt, behaviour: Behaviour) -> str:
    if attempt.closed is None:
        until = "open until the end"
    elif behaviour.keeps(attempt):
        until = f"open until {behaviour.why_ended}"
    else:
        until = f"closed after {(attempt.closed - attempt.began) * 1000:,.1f} ms"
    return f"self-connection {number}: {attempt}, SYN to itself, {attempt.sent:,} bytes written, {until}"


def _after(tries: Sequence[Attempt], own: Sequence[Attempt]) -> list[str]:
    """What came after the self-connections that count."""
    later = [one for one in tries if own and one.began > own[-1].began]
    if not later:
        return []
    refused = sum(one.answer == "refused" for one in later)
    return [f"then it dialled again: {len(later)} more, {refused} of them refused"]


def _ending(behaviour: Behaviour) -> list[str]:
    status = behaviour.exit_status
    if status is None:
        lines = [f"it was ended by {behaviour.why_ended}"]
    else:
        lines = [f"exit status {status}" if status >= 0 else f"it was ended by signal {-status}"]
    words = _short(behaviour.output)
    return [*lines, f"its last words: {words}"] if words else lines


def _short(output: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    return last if len(last) <= _LONGEST else f"{last[: _LONGEST - 4]} ..."
