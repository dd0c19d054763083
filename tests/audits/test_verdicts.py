"""Verdicts on programs, from segments that are made by hand."""

from __future__ import annotations

import pytest

from tcploop_lab.audits.attempts import Written, attempts_of, other_ports
from tcploop_lab.audits.verdicts import AuditVerdict, Behaviour, counted, judge_audit, needs_comparison
from tcploop_lab.tcp.segments import Segment
from tests.tcp import exchanges

PORT = 33334
ME, CALLER = ("127.0.0.1", PORT), ("127.0.0.1", 50001)


def segment(
    time: float, source: tuple[str, int], target: tuple[str, int], flags: str, seq: int, data: int = 0
) -> Segment:
    """A segment with `data` bytes."""
    return Segment(time, *source, *target, flags, seq, seq, payload=b"x" * data)


def with_itself(time: float = 1.0, data: int = 0, close: float | None = 0.001, seq: int = 7) -> list[Segment]:
    """A self-connection at `time` that writes `data` bytes and closes after `close` seconds, if at all."""
    made = [segment(time + 1e-6 * step, ME, ME, flags, seq) for step, flags in enumerate(("S", "SA", "A"))]
    made += [segment(time + 1e-5, ME, ME, "PA", seq + 1, data)] if data else []
    return made + ([segment(time + close, ME, ME, "FA", seq + 1 + data)] if close is not None else [])


def refused(time: float = 2.0) -> list[Segment]:
    """A SYN from another port, and the reset."""
    return [segment(time, CALLER, ME, "S", 1), segment(time, ME, CALLER, "RA", 0)]


def with_listener(data: int = 0, close: float | None = 0.001) -> list[Segment]:
    """A connection to somebody who listens and says nothing."""
    made = [segment(1.0, CALLER, ME, "S", 1), segment(1.0, ME, CALLER, "SA", 9), segment(1.0, CALLER, ME, "A", 2)]
    made += [segment(1.0, CALLER, ME, "PA", 2, data)] if data else []
    return made + ([segment(1.0 + close, CALLER, ME, "FA", 2)] if close is not None else [])


def seen(*parts: list[Segment], **more: object) -> Behaviour:
    """What a program did, made of these exchanges."""
    return Behaviour(tuple(one for part in parts for one in part), **more)  # type: ignore[arg-type]


def verdict(*args: object, **more: object) -> AuditVerdict:
    """The verdict alone."""
    return judge_audit(args[0], PORT, *args[1:], **more).verdict  # type: ignore[arg-type]


ENDED = {"exit_status": None, "ended": 9.0, "why_ended": "the time limit of 8 s"}


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (seen(), "never-tried"),
        (seen(exit_status=None, ended=9.0), "never-tried"),
        (seen(refused()), "refused"),
        (seen(with_listener()), "unclear"),
        (seen(refused()[:1]), "unclear"),
        (seen(dropped=3), "unclear"),
        (seen(with_itself(data=5)), "self-connected"),
        (seen(with_itself(data=5), dropped=3, whole_until=0.5), "self-connected"),
        (seen(with_itself(close=None), **ENDED), "self-connected"),
        (seen(with_itself(close=8.5), **ENDED), "self-connected"),
        (seen(with_itself()), "unclear"),
        (seen(with_itself(), dropped=3, whole_until=0.5), "unclear"),
    ],
)  # fmt: skip
def test_what_one_run_tells(behaviour: Behaviour, expected: str) -> None:
    """Bytes or a kept connection are use; without a SYN, or with a refusal, there is none; the rest is unclear."""
    assert verdict(behaviour) == expected


@pytest.mark.parametrize(
    ("comparison", "expected", "why"),
    [
        (seen(with_listener(data=4)), "detected", "it writes 4 bytes"),
        (seen(with_listener(close=None), exit_status=None, ended=3.0), "detected", "it keeps the connection"),
        (seen(with_listener(), exit_status=0), "detected", "it ends with exit status 0, with itself 1"),
        (seen(with_listener(), exit_status=1), "self-connected", "takes itself for a server"),
        (seen(with_listener(), exit_status=1, output="up"), "unclear", "but prints 'up'"),
        (seen(exit_status=1), "unclear", "it did not connect"),
    ],
)
def test_what_the_comparison_tells(comparison: Behaviour, expected: str, why: str) -> None:
    """A program that closed at once noticed something only if it does otherwise with a listener."""
    judged = judge_audit(seen(with_itself(), exit_status=1), PORT, comparison=comparison)
    assert judged.verdict == expected
    assert why in " ".join(judged.evidence)


def test_numbers_in_the_output_do_not_count() -> None:
    """Ports and times differ from run to run; the words decide."""
    one, two = (seen(made, output=text) for made, text in ((with_itself(), "1.2 ms"), (with_listener(), "34 ms")))
    assert verdict(one, comparison=two) == "self-connected"


def test_only_the_first_attempts_count() -> None:
    """A client that gives up on two self-connections and uses the third: detected, until three are counted."""
    behaviour = seen(with_itself(1.0, seq=1), with_itself(2.0, seq=2), with_itself(3.0, data=9, seq=3))
    server = seen(with_listener(data=9))
    assert [verdict(behaviour, attempts, server) for attempts in (1, 2, 3)] == [
        "detected",
        "detected",
        "self-connected",
    ]
    assert needs_comparison(behaviour, PORT, 2)
    assert not needs_comparison(behaviour, PORT, 3)


def test_the_evidence_tells_the_story() -> None:
    """Who connected to whom, what was written, what came after, and the last words."""
    behaviour = seen(with_itself(data=5), refused(), exit_status=-15, output="hello\n\nbye\n")
    told = judge_audit(behaviour, PORT).evidence
    assert told[0] == (
        "self-connection 1: 127.0.0.1:33334 -> 127.0.0.1:33334, SYN to itself, 5 bytes written, closed after 1.0 ms"
    )
    assert "then it dialled again: 1 more, 1 of them refused" in told
    assert told[-2:] == ("it was ended by signal 15", "its last words: bye")


def test_data_of_a_fast_open_counts_once() -> None:
    """A SYN is known by its bits, with those of ECN too (RFC 3168); its data is counted when it is sent first."""
    found = attempts_of(exchanges.fast_open(), PORT)
    assert [(one.to_itself, one.answer, one.sent) for one in found] == [(True, "open", 5)]
    assert [one.sent for one in attempts_of(exchanges.fast_open()[:1], PORT)] == [5]


def test_other_ports_are_named() -> None:
    """A program that dials another port than the one that is watched is told so."""
    elsewhere = [segment(1.0, ME, ("127.0.0.1", 80), "S", 1)]
    assert other_ports(elsewhere, PORT) == (80,)
    assert "it dialled port 80 instead" in judge_audit(seen(elsewhere), PORT).evidence[0]


def test_a_syn_sent_again_is_no_new_attempt() -> None:
    """Attempts are counted by initial sequence number, and keep their own bytes and end."""
    again = [*with_itself(1.0, data=3), *with_itself(2.0, seq=8)]
    assert [one.sent for one in attempts_of([again[0], *again], PORT)] == [3, 0]
    assert [one.closed for one in attempts_of(again, PORT)] == [1.001, 2.001]


def test_two_families_are_two_attempts() -> None:
    """A client that tries ::1 and then 127.0.0.1 dials twice; both are self-connections."""
    six = [Segment(0.5, "::1", PORT, "::1", PORT, flags, 7, 8) for flags in ("S", "SA", "A", "FA")]
    own = counted(seen(six, with_itself()), PORT, 9)
    assert [one.source for one in own] == ["::1", "127.0.0.1"]
    assert str(own[0]) == "[::1]:33334 -> [::1]:33334"


def test_more_than_sequence_numbers_can_tell_is_counted() -> None:
    """4.2 GB in segments of 64 KB, some unseen, some twice: the count goes on where sequence numbers begin again."""
    written, first, size = Written(33334), 4_000_000_000, 65_000
    written.add(33334, 33334, first, 0x02, 0)
    for number in range(65_000):
        if number % 7:
            written.add(33334, 33334, (first + 1 + number * size) % 2**32, 0x10, size)
    written.add(33334, 33334, (first + 1 + 64_000 * size) % 2**32, 0x10, size)
    assert written.bytes == {(33334, first): 65_000 * size}
