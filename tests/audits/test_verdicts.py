"""Verdicts on programs, from segments that are made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcploop_lab.audits.attempts import Behaviour, Written, attempts_of, other_ports
from tcploop_lab.audits.comparison import unvarying
from tcploop_lab.audits.scene import WIDTH, callers_of, reserved_ports, scene_range
from tcploop_lab.audits.verdicts import AuditVerdict, judge_audit, self_connections, used_none
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


def with_echo(data: int = 0, close: float | None = 0.001, time: float = 1.0, port: int = 50001) -> list[Segment]:
    """A connection to the echo; what that gives back does not matter."""
    me = ("127.0.0.1", port)
    made = [segment(time, me, ME, "S", 1), segment(time, ME, me, "SA", 9), segment(time, me, ME, "A", 2)]
    made += [segment(time, me, ME, "PA", 2, data)] if data else []
    return made + ([segment(time + close, me, ME, "FA", 2)] if close is not None else [])


def seen(*parts: list[Segment], **more: object) -> Behaviour:
    """What a program did, made of these exchanges."""
    return Behaviour(tuple(one for part in parts for one in part), **more)  # type: ignore[arg-type]


def verdict(own: Behaviour, *echo: Behaviour, attempts: int = 9) -> AuditVerdict:
    """The verdict alone."""
    return judge_audit([own], PORT, attempts, echo).verdict


ENDED = {"exit_status": None, "ended": 9.0, "why_ended": "the time limit of 8 s"}


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (seen(), "never-tried"),
        (seen(exit_status=None, ended=9.0), "never-tried"),
        (seen(refused()), "refused"),
        (seen(with_echo()), "unclear"),
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


OTHERWISE = {"exit_status": 1}


@pytest.mark.parametrize(
    ("own", "echo", "expected", "why"),
    [
        (seen(with_itself()), seen(with_echo(data=4)), "detected", "with an echo it writes 4 bytes"),
        (seen(with_itself()), seen(with_echo(close=None), **ENDED), "detected", "with an echo it keeps it"),
        (seen(with_itself()), seen(with_echo(), **OTHERWISE), "detected", "it ends with exit status 1; with itself"),
        (seen(with_itself()), seen(with_echo(), output="up"), "detected", "only with an echo it prints 'up'"),
        (seen(with_itself(), with_itself(2.0, seq=9)), seen(with_echo()), "detected", "does not dial again"),
        (seen(with_itself()), seen(with_echo()), "self-connected", "takes itself for a server"),
        (seen(with_itself(), output="1.2 ms"), seen(with_echo(), output="34 s"), "self-connected", "the same"),
        (seen(with_itself(), **OTHERWISE), seen(**OTHERWISE), "unclear", "it did not connect"),
        (seen(with_itself()), seen(with_echo(), dropped=2), "unclear", "the capture lost frames"),
        (seen(with_itself(), exit_status=-11), seen(with_echo(data=4)), "unclear", "no sign of noticing"),
        (seen(with_itself(), exit_status=127), seen(with_echo(data=4)), "unclear", "no sign of noticing"),
        (seen(with_itself(), exit_status=139), seen(with_echo(data=4)), "unclear", "no sign of noticing"),
        (seen(with_itself(), output="x\nAborted\nok"), seen(with_echo(data=4)), "unclear", "no sign of noticing"),
        (seen(with_itself(), seconds=5.0), seen(with_echo(), seconds=4.0, **ENDED), "unclear", "once took as long"),
        (seen(with_itself(), seconds=3.0), seen(with_echo(), seconds=4.0, **ENDED), "detected", "goes on until"),
        (seen(with_itself(), seconds=9.1, **ENDED), seen(with_echo(4), seconds=9.0, **ENDED), "detected", "4 bytes"),
        (seen(with_itself(close=0.5), refused(1.2)), seen(with_echo(data=4)), "unclear", "dialled once more"),
        (seen(with_itself(), refused()), seen(with_echo(), with_echo(4, port=50002)), "unclear", "raise --attempts"),
        (seen(with_itself(), refused()), seen(with_echo(data=4)), "detected", "writes 4 bytes"),
        (seen(with_itself(), listened=True), seen(with_echo(data=4)), "unclear", "listened on the port as well"),
        (seen(with_itself(), with_echo(3, time=2.0)), seen(with_echo(3)), "unclear", "listened on the port as well"),
        (seen(with_itself()), seen(with_echo(), output="Address already in use"), "unclear", "that was in use"),
    ],
)  # fmt: skip
def test_what_the_comparison_tells(own: Behaviour, echo: Behaviour, expected: str, why: str) -> None:
    """A program that used no connection noticed only if it does otherwise with an echo, and for no other reason."""
    judged = judge_audit([own], PORT, 9, [echo])
    assert judged.verdict == expected
    assert why in " ".join(judged.evidence)


@pytest.mark.parametrize(
    ("own", "echo", "expected"),
    [
        (["x", "x"], ["y", "y"], "detected"),
        (["x", "z"], ["y", "w"], "self-connected"),
        (["x", "y"], ["y", "x"], "self-connected"),
        (["x", "x"], ["v", "w"], "unclear"),
        (["x", "x"], ["v", "v", "w", "w", "v"], "unclear"),
        (["x\ny", "x\nz"], ["v", "v"], "detected"),
    ],
)
def test_words_that_differ_in_one_world_tell_nothing(own: list[str], echo: list[str], expected: str) -> None:
    """A line counts if every run of one world has it, and no run of the other."""
    runs = ([seen(made, output=text) for text in texts] for made, texts in ((with_itself(), own), (with_echo(), echo)))
    here, there = runs
    assert judge_audit(here, PORT, 9, there).verdict == expected


@pytest.mark.parametrize(("own", "echo"), [([0, 1], [2, 2]), ([0, 0], [1, 2])])
def test_an_exit_status_that_differs_in_one_world_is_unclear(own: list[int], echo: list[int]) -> None:
    """Who ends differently each time is not cleared by that."""
    here = [seen(with_itself(), exit_status=one) for one in own]
    there = [seen(with_echo(), exit_status=one) for one in echo]
    judged = judge_audit(here, PORT, 9, there)
    assert (judged.verdict, judged.evidence[1][:15]) == ("unclear", "its exit status")


def test_how_much_it_writes_to_an_echo_may_vary() -> None:
    """Who writes this much here and that much there wrote to the echo, and to itself never: that is a difference."""
    echo = [seen(with_echo(data=size)) for size in (33, 24)]
    assert judge_audit([seen(with_itself())] * 2, PORT, 9, echo).verdict == "detected"
    assert judge_audit([seen(with_itself())] * 2, PORT, 9, [*echo, seen(with_echo())]).verdict == "unclear"


def test_use_in_any_run_is_use() -> None:
    """A program that writes to itself in the second run only is not cleared by the first."""
    own = [seen(with_itself()), seen(with_itself(data=3))]
    assert judge_audit(own, PORT, 9, [seen(with_echo(data=4))] * 2).verdict == "self-connected"


@pytest.mark.parametrize(
    ("later", "expected", "why"),
    [
        (seen(refused()), "refused", "so it was in 2 runs"),
        (seen(with_itself(data=3)), "self-connected", "so it was in one of 2 runs"),
        (seen(with_itself()), "unclear", "it met itself in one run, and not in the next"),
    ],
)
def test_who_is_refused_by_chance_is_not_cleared(later: Behaviour, expected: str, why: str) -> None:
    """Only who is refused in every run was refused."""
    judged = judge_audit([seen(refused()), later], PORT, 9)
    assert (judged.verdict, why in judged.evidence) == (expected, True)


def test_more_connections_of_a_run_that_was_ended_are_no_difference() -> None:
    """A health check goes on for ever; that it came to three checks here and to one there tells nothing."""
    checks = [with_itself(float(time), seq=time) for time in (1, 2, 3)]
    assert verdict(seen(*checks, **ENDED), seen(with_echo(), **ENDED)) == "self-connected"


def test_who_is_ended_right_after_a_dial_did_not_keep_it() -> None:
    """A careful client that dials for ever is ended somewhere: a dial just before that tells nothing."""
    own = seen(with_itself(), with_itself(8.95, close=None, seq=9), **ENDED)
    assert verdict(own, seen(with_echo(data=4, close=None), **ENDED)) == "detected"
    assert verdict(seen(with_itself(), with_itself(8.95, data=2, close=None, seq=9), **ENDED)) == "self-connected"


def test_an_echo_by_mirror_is_a_connection() -> None:
    """There the caller sends the SYN-ACK itself, as in any simultaneous open (RFC 9293, 3.5)."""
    mirrored = [segment(1.0, CALLER, ME, "S", 1), segment(1.1, CALLER, ME, "SA", 1), segment(1.2, CALLER, ME, "FA", 2)]
    assert [(one.answer, one.to_itself, one.closed) for one in attempts_of(mirrored, PORT)] == [("open", False, 1.2)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("id 0b5f3a1e-7f0c-4a39-9a52-2c9d8a6f1b7e", "id 3cfae8b2-0d8e-4fd4-8e0a-9a3bb7b8a0c1"),
        ("took 0.3 s", "took 871 ms"),
        ("[::1]:33334 -> fe80::1:50001", "[::1]:33335 -> fe80::2:50"),
        ("at 0x7f12ab", "at 0x55aa00ff"),
        ("sha 9f86d081884c7d65", "sha 60303ae22b998861"),
        ("from 823a", "from 8239"),
        ("Wed Nov 25 19:00:01 2026", "Thu Dec 3 07:12:59 2026"),
        ("1.5 MB/s from 127.0.0.1 pid 12", "27 KB/s from 127.0.0.2 pid 4711"),
    ],
)
def test_what_varies_anyway_is_left_out(one: str, other: str) -> None:
    """Times, ids, UUIDs, numbers, ports and addresses are no difference."""
    assert unvarying(one) == unvarying(other)


def test_the_name_of_the_port_is_left_out() -> None:
    """Its own port is ssh with itself, and a number with an echo: names of ports are no difference, others are."""
    assert unvarying("from ssh to ssh", "ssh") == unvarying("from 50001 to ssh", "ssh")
    assert unvarying("from ftp", "ssh") != unvarying("from 50001", "ssh")
    own = Behaviour(tuple(replace(one, sport=22, dport=22) for one in with_itself()), output="ssh ssh")
    echo = Behaviour(
        tuple(replace(one, dport=22) if one.dport == PORT else replace(one, sport=22) for one in with_echo()),
        output="50001 ssh",
    )
    assert judge_audit([own], 22, 9, [echo]).verdict == "self-connected"


@pytest.mark.parametrize(("one", "other"), [("open", "closed"), ("defaced", "effaced"), ("port 1 up", "port 1 down")])
def test_words_are_a_difference(one: str, other: str) -> None:
    """What remains is what the program says."""
    assert unvarying(one) != unvarying(other)


@pytest.mark.parametrize("port", [1, 22, 33334, 40001, 65407, 65408, 65409, 65534, 65535])
def test_the_scene_leaves_connect_one_port(port: int) -> None:
    """Of the parity that the range begins with only the port is free; the other parity is free for who binds."""
    ports = scene_range(port)
    reserved = {one.low for one in reserved_ports(port, port)}
    assert port in ports and ports.high - ports.low + 1 in (WIDTH - 1, WIDTH)
    assert [one for one in range(ports.low, ports.high + 1, 2) if one not in reserved] == [port]
    assert {one % 2 for one in reserved} == {port % 2}


@pytest.mark.parametrize("port", [1, 22, 100, 33334, 40001, 65535])
def test_what_follows_from_its_own_port_is_there_with_an_echo_too(port: int) -> None:
    """Of eleven callers of an echo some are above and some below, if there are any, and some are alike but for that."""
    callers, others = set(callers_of(port, 11)), set(scene_range(port)) - {port}
    assert len(callers) == 11 and callers < others and {one % 2 for one in callers} == {port % 2}
    assert {one > port for one in callers} == {one > port for one in others if one % 2 == port % 2}
    assert all(any((one - port) % number == 0 for one in callers) for number in (2, 3, 4, 5, 6, 7, 8, 10, 12, 16))


def test_a_use_is_never_cleared() -> None:
    """Who uses its third self-connection is not cleared by a limit of one or two that it was too quick for."""
    behaviour = seen(with_itself(1.0, seq=1), with_itself(2.0, seq=2), with_itself(3.0, data=9, seq=3))
    server = seen(with_echo(data=9))
    verdicts = [verdict(behaviour, server, attempts=number) for number in (1, 2, 3)]
    assert verdicts == ["unclear", "unclear", "self-connected"]
    assert not used_none(behaviour, PORT)


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ({"output": "foo: unrecognized option '--x'"}, "does not know one of the options"),
        ({"output": "usage: foo host port"}, "wrong usage"),
        ({"output": "stty: standard input: Inappropriate ioctl for device"}, "it needs a terminal"),
        ({"output": "top: failed tty get"}, "it needs a terminal"),
        ({"exit_status": 127}, "cannot find or run"),
        ({"exit_status": -11}, "a signal ended it"),
        ({"left": 2, **ENDED, "exit_status": 0}, "went on in the background"),
        (ENDED, "came before it dialled"),
        ({}, "nothing was tested: see that {port} stands"),
    ],
)
def test_who_never_dialled_gets_a_hint(more: dict[str, object], hint: str) -> None:
    """It says what may have kept the program from dialling, and it clears nothing."""
    judged = judge_audit([seen(**more)], PORT, 9)
    assert (judged.verdict, judged.verdict.good) == ("never-tried", False)
    assert hint in " ".join(judged.evidence)


def test_another_user_is_unclear() -> None:
    """The private network knows one user; who becomes another one fails because of the lab."""
    failed = seen(output="setpriv: setresuid failed: Invalid argument", exit_status=127)
    assert judge_audit([failed], PORT, 9).verdict == "unclear"


def test_the_evidence_tells_the_story() -> None:
    """Who connected to whom, what was written, what came after, and the last words."""
    behaviour = seen(with_itself(data=5), refused(), exit_status=-15, output="hello\n\nbye\n")
    told = judge_audit([behaviour], PORT, 9).evidence
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
    assert "it dialled port 80 instead" in judge_audit([seen(elsewhere)], PORT, 9).evidence[0]


def test_a_syn_sent_again_is_no_new_attempt() -> None:
    """Attempts are counted by initial sequence number, and keep their own bytes and end."""
    again = [*with_itself(1.0, data=3), *with_itself(2.0, seq=8)]
    assert [one.sent for one in attempts_of([again[0], *again], PORT)] == [3, 0]
    assert [one.closed for one in attempts_of(again, PORT)] == [1.001, 2.001]


def test_two_families_are_two_attempts() -> None:
    """A client that tries ::1 and then 127.0.0.1 dials twice; both are self-connections."""
    six = [Segment(0.5, "::1", PORT, "::1", PORT, flags, 7, 8) for flags in ("S", "SA", "A", "FA")]
    own = self_connections(seen(six, with_itself()), PORT)
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
