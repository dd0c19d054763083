"""Judges what a program did where a connection to a port can only be a self-connection.

Pure: it looks at segments, exit statuses and what was printed. `audit.py` runs the program.
Whether a program *noticed* cannot be seen in one run: `nc -z` closes a connection at once, whoever answers. So who used
no connection is run again with an echo, where only the names of the two ends are others, and both worlds are compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..tcp.words import counted
from .attempts import Attempt, Behaviour, other_ports
from .comparison import connection_that_differs, differences, is_beside, unsteady

_LONGEST = 160  # characters of the program's own words in the evidence
_SHELLS_NOT_FOUND = 127  # and 126, not executable: POSIX, XCU 2.8.2
_SHELLS_SIGNALS = range(129, 160)  # what it says where a signal ended the command, and what it prints then
_CRASHED = re.compile(
    r"^(?:.*: )?(?:line +\d+: +\d+ )?"
    r"(?:Aborted|Segmentation fault|Bus error|Illegal instruction|Floating point exception)(?:$| \(| {3})"
    r"|\(core dumped\)|^panic: runtime error|^fatal error: unexpected signal|^Fatal Python error",
    re.MULTILINE,
)
_HINTS = (
    (r"unrecogni[sz]ed option|unknown option|invalid option|illegal option|bad option|unknown (?:flag|argument)",
     "it does not know one of the options"),
    (r"\busage:|\btry '.*--help'|missing .*(?:argument|operand)", "its words look like those about a wrong usage"),
    (r"\btty\b|\bterminal\b|inappropriate ioctl|TERM environment",
     "it needs a terminal, which it does not get here"),
    (r"no such file or directory|permission denied|read-only file system",
     "it may miss what the sandbox keeps from it: --share PATH lets it use a file or folder, --env NAME a variable"),
    (r"cannot fork|fork: |unable to fork|resource temporarily unavailable", "it could not make a process"),
)  # fmt: skip
_TAKEN = re.compile(r"address (?:is )?(?:already )?in use|EADDRINUSE", re.IGNORECASE)
_OTHER_USER = re.compile(r"set(?:re|res)?[ug]id|setgroups|initgroups", re.IGNORECASE)


class AuditVerdict(StrEnum):
    """What a program does with a self-connection."""

    NEVER_TRIED = "never-tried"
    REFUSED = "refused"
    SELF_CONNECTED = "self-connected"
    DETECTED = "detected"
    UNCLEAR = "unclear"

    @property
    def good(self) -> bool:
        """True if the program is cleared: it noticed, or it could not meet itself."""
        return self in (AuditVerdict.DETECTED, AuditVerdict.REFUSED)


@dataclass(frozen=True)
class Judgement:
    """The verdict, and in short sentences what it rests on."""

    verdict: AuditVerdict
    evidence: tuple[str, ...]


_Reasons = tuple[AuditVerdict, list[str]]


def self_connections(behaviour: Behaviour, port: int) -> list[Attempt]:
    """Return all self-connections that came about."""
    return [one for one in behaviour.attempts(port) if one.to_itself and one.answer == "open"]


def needs_more(own: Sequence[Behaviour], echo: Sequence[Behaviour], port: int) -> bool:
    """True if further runs may change the verdict: if what was seen so far clears the program, or may yet do so.

    Without runs with an echo that is one that met itself and used no such connection, or one that was refused each
    time; with them, one that did so each time, and differs from all of those.
    """
    if not self_connections(own[0], port):
        return all(_was_refused(run, port) for run in own)
    return all(used_none(run, port) for run in own) and (not echo or bool(differences(own, echo, port)))


def used_none(behaviour: Behaviour, port: int) -> bool:
    """True if the program met itself and used no such connection: it noticed, or it always does so."""
    own = self_connections(behaviour, port)
    return bool(own) and not any(_is_used(behaviour, one) or behaviour.misses(one) for one in own)


def _is_used(behaviour: Behaviour, one: Attempt) -> bool:
    return one.sent > 0 or behaviour.keeps(one)


def _was_refused(behaviour: Behaviour, port: int) -> bool:
    return not behaviour.dropped and {one.answer for one in behaviour.attempts(port)} == {"refused"}


def judge_audit(own: Sequence[Behaviour], port: int, attempts: int, echo: Sequence[Behaviour] = ()) -> Judgement:
    """Return the verdict on a program that was run where connecting to `port` means connecting to oneself.

    A program that uses a connection with itself is never cleared. Where that is one after the first `attempts`, it came
    about because the program was quicker than the lab, and the verdict is unclear. `echo` are runs of the same program
    with an echo on the port.
    """
    first = own[0]
    met = self_connections(first, port)
    if not all((used_none if met else _was_refused)(run, port) for run in own) and (met or len(own) > 1):
        verdict, reasons = _used(own, port, attempts)
    elif not met:
        verdict, reasons = _without_self_connection(first, port, len(own))
    else:
        verdict, reasons = _unused(own, echo, port)
    seen = [_describe(number, one, first) for number, one in enumerate(met[:3], start=1)]
    more = [f"and {len(met) - 3:,} more self-connections"] if len(met) > 3 else []
    return Judgement(verdict, (*seen, *more, *reasons, *_after(first, met, port), *_ending(first)))


def _without_self_connection(behaviour: Behaviour, port: int, runs: int) -> _Reasons:
    tries = behaviour.attempts(port)
    if behaviour.dropped:
        return AuditVerdict.UNCLEAR, [f"the capture lost {behaviour.dropped} frames, so nothing can be excluded"]
    if not tries:
        others = other_ports(behaviour.segments, port)
        instead = f"; it dialled port {', '.join(map(str, others))} instead" if others else ""
        none = f"it sent no SYN to port {port}{instead}"
        if _OTHER_USER.search(behaviour.output):
            why = "it wanted to become another user; the private network knows yours only: run it as that user"
            return AuditVerdict.UNCLEAR, [none, why]
        return AuditVerdict.NEVER_TRIED, [none, *_hints(behaviour)]
    answers = {one.answer for one in tries}
    names = "; ".join(list(dict.fromkeys(str(one) for one in tries))[:5])
    if "open" in answers:
        return AuditVerdict.UNCLEAR, [f"somebody listens on port {port}, so it was no self-connection: {names}"]
    if answers == {"refused"}:
        each = [f"so it was in {runs} runs"] if runs > 1 else []
        return AuditVerdict.REFUSED, [f"it dialled from another address or port, and was refused: {names}", *each]
    return AuditVerdict.UNCLEAR, [f"its SYN was not answered: {names}"]


def _hints(behaviour: Behaviour) -> list[str]:
    """Why a program that never dialled may not have dialled."""
    status, hints = behaviour.exit_status, []
    if behaviour.left:
        hints.append("it went on in the background, and had not dialled when it was ended: raise --timeout")
    elif status is None:
        hints.append(f"{behaviour.why_ended} came before it dialled: raise --timeout, or tell it whom to dial")
    elif status < 0:
        hints.append("a signal ended it before it dialled")
    elif status in (_SHELLS_NOT_FOUND - 1, _SHELLS_NOT_FOUND):
        hints.append(f"exit status {status} is what a shell says when it cannot find or run a command")
    hints += [hint for words, hint in _HINTS if re.search(words, behaviour.output, re.IGNORECASE)]
    return hints or ["nothing was tested: see that {port} stands where the program reads the port"]


def _used(own: Sequence[Behaviour], port: int, attempts: int) -> _Reasons:
    """Judge a program that used a connection with itself in one of its runs, or did not do alike in all."""
    for run in own:
        met = self_connections(run, port)
        place = next((number for number, one in enumerate(met) if _is_used(run, one)), None)
        if place is not None:
            verdict, reasons = _first_use(met, place, attempts)
            return verdict, reasons if run is own[0] else [*reasons, f"so it was in one of {len(own)} runs"]
    lost = sum(run.dropped for run in own)
    if lost:
        return AuditVerdict.UNCLEAR, [f"the capture lost {lost} frames, so what it wrote is not known"]
    return AuditVerdict.UNCLEAR, ["it met itself in one run, and not in the next"]


def _first_use(met: Sequence[Attempt], place: int, attempts: int) -> _Reasons:
    sent = sum(one.sent for one in met)
    how = (
        f"it went on and wrote {counted(sent, 'byte')} to itself"
        if sent
        else "it kept the connection and waited for itself"
    )
    if place >= attempts:
        quick = f"it dialled again before the lab could end that, and attempt {place + 1} met itself: raise --attempts"
        return AuditVerdict.UNCLEAR, [how, quick]
    before = [f"it closed {place} unused before that: --attempts 1 lets only the first meet itself"] * (place > 0)
    return AuditVerdict.SELF_CONNECTED, [how, *before]


def _unused(own: Sequence[Behaviour], echo: Sequence[Behaviour], port: int) -> _Reasons:
    """Judge a program that closed every self-connection without a byte by what it does with an echo."""
    if not echo:
        return AuditVerdict.UNCLEAR, ["it closed the connection without a byte; nothing to compare that with"]
    if any(run.dropped for run in echo):
        return AuditVerdict.UNCLEAR, ["the capture lost frames of the run with an echo, so nothing can be compared"]
    if not all(any(one.answer == "open" for one in run.attempts(port)) for run in echo):
        return AuditVerdict.UNCLEAR, ["with an echo it did not connect, so there is nothing to compare"]
    found = differences(own, echo, port)
    if not found and (what := unsteady(own, echo, port)):
        return AuditVerdict.UNCLEAR, [f"{what} differed from run to run in one and the same world"]
    if not found:
        return AuditVerdict.SELF_CONNECTED, ["with an echo it does the same: it takes itself for a server"]
    place = connection_that_differs(own, echo, port)
    others = (_wanted_the_port(echo), _may_have_waited(own, echo, port, place), _is_slow(own, echo))
    for why in filter(None, (*(_other_reason(run, port, place) for run in own), *others)):
        return AuditVerdict.UNCLEAR, [*found, why]
    return AuditVerdict.DETECTED, [*found, f"so it was in {len(own)} runs with itself, and in {len(echo)} with an echo"]


def _wanted_the_port(echo: Sequence[Behaviour]) -> str:
    """Why a program that serves on the port itself, too, cannot be compared: there the echo is in its way."""
    if any(_TAKEN.search(run.output) for run in echo):
        return "with an echo it could not have an address that was in use, which may be the reason"
    return ""


def _may_have_waited(own: Sequence[Behaviour], echo: Sequence[Behaviour], port: int, place: int | None) -> str:
    """Why a program cannot be cleared with a listener as echo, which answers the end of a stream a moment later.

    Who reset the connection had sent nothing that is answered. A FIN may be that of a half close. What it says, and how
    it ends, may come from a look at the listener: so the connections must differ.
    """
    reset = place is not None and all(one.reset for run in own for one in self_connections(run, port))
    if any(run.stands_in for run in echo) and not reset:
        return (
            "the kernel has no nf_tables, so the echo was a listener, which answers a moment later than itself: who "
            "looks at once sees a difference without noticing; load nf_tables (modprobe nf_tables, as root)"
        )
    return ""


def _is_slow(own: Sequence[Behaviour], echo: Sequence[Behaviour]) -> str:
    """Why it tells nothing that the lab ended a program with an echo: with itself it once took as long to end."""
    ended = [run.seconds for run in echo if run.ended is not None]
    if ended and all(run.ended is None for run in own) and max(run.seconds for run in own) > min(ended):
        return "with itself it once took as long as with an echo, where the lab ended it: raise --timeout"
    return ""


def _other_reason(own: Behaviour, port: int, place: int | None) -> str:
    """Why a program that behaves otherwise with itself need not have noticed: something else was different, too."""
    tries = own.attempts(port)
    if own.listened or any(one.answer == "open" and not one.to_itself for one in tries):
        return "it listened on the port as well, where with an echo that is taken"
    if _broke_off(own):
        return "it crashed or broke off, which is no sign of noticing"
    if any(is_beside(one, tries) for one in tries):
        return "while it was connected to itself it dialled once more, and was refused"
    refused = next((number for number, one in enumerate(tries) if one.answer == "refused"), len(tries))
    if refused < len(tries) and (place is None or place >= refused):
        return "later attempts were refused, which may be the reason: raise --attempts"
    return ""


def _broke_off(run: Behaviour) -> bool:
    """True if a signal ended the program or one that it started, as a shell tells it, or a command was not found."""
    status = run.exit_status or 0
    told = status in (_SHELLS_NOT_FOUND - 1, _SHELLS_NOT_FOUND, *_SHELLS_SIGNALS)
    return status < 0 or told or bool(_CRASHED.search(run.output))


def _describe(number: int, attempt: Attempt, behaviour: Behaviour) -> str:
    if attempt.closed is None:
        until = "open until the end"
    elif behaviour.keeps(attempt):
        until = f"open until {behaviour.why_ended}"
    else:
        until = f"closed after {(attempt.closed - attempt.began) * 1000:,.1f} ms"
    return f"self-connection {number}: {attempt}, SYN to itself, {counted(attempt.sent, 'byte')} written, {until}"


def _after(behaviour: Behaviour, met: Sequence[Attempt], port: int) -> list[str]:
    """What came after the self-connections that count."""
    later = [one for one in behaviour.attempts(port) if met and one.began > met[-1].began]
    if not later:
        return []
    refused = sum(one.answer == "refused" for one in later)
    return [f"then it dialled again: {len(later)} more, {refused} of them refused"]


def _ending(behaviour: Behaviour) -> list[str]:
    status, lines = behaviour.exit_status, []
    if status is not None:
        lines.append(f"exit status {status}" if status >= 0 else f"it was ended by signal {-status}")
    elif behaviour.why_ended:
        lines.append(f"it was ended by {behaviour.why_ended}")
    words = _short(behaviour.output)
    return [*lines, f"its last words: {words}"] if words else lines


def _short(output: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    return last if len(last) <= _LONGEST else f"{last[: _LONGEST - 4]} ..."
