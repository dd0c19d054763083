"""Replay a captured exchange through RFC 9293's state table, at each end.

    replay(exchange.segments).steps[1].receiver_after      # State.ESTABLISHED

A self-connection has one end: the TCB that sends each segment is the TCB that receives it. Segments are taken
in the order in which they were sent; when each arrived is worked out from what the ends show that they know.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import inf

from .answers import Answers, first_after
from .endpoint import Endpoint
from .input import arrive
from .output import send
from .segments import Segment
from .states import Event, State, Transition
from .tcb import Move, Tcb, distance

_Key = tuple[str, int, str, int]
_NUMBERS = 1 << 32


@dataclass(frozen=True)
class Step:
    """One segment: the states at both ends before and after it.

    The sender's states are those around its departure, the receiver's those around its arrival. `impossible`
    says why the sender cannot have sent it, or is empty; an impossible segment changes nothing.
    """

    segment: Segment
    sender: str
    receiver: str
    sender_before: State
    sender_after: State
    receiver_before: State
    receiver_after: State
    sent: tuple[Transition, ...] = ()
    received: tuple[Transition, ...] = ()
    impossible: str = ""
    lost: bool = False
    note: str = ""

    @property
    def main(self) -> Transition | None:
        """The transition that names the segment: the last that changed a state, else the last, else None."""
        rows = self.sent + self.received
        changing = tuple(row for row in rows if row.changes)
        return next(reversed(changing or rows), None)

    @property
    def transition(self) -> str:
        """The name of that transition, or "" for a segment that makes none."""
        return self.main.name if self.main else ""

    @property
    def section(self) -> str:
        """The section of RFC 9293 that orders it, or ""."""
        return self.main.section if self.main else ""


@dataclass(frozen=True)
class End:
    """One end of a replayed connection: its name, its address and port, and all its transitions in order."""

    name: str
    address: str
    port: int
    transitions: tuple[Transition, ...]
    state: State

    @property
    def path(self) -> tuple[State, ...]:
        """The states it went through, the first one included."""
        changing = [row for row in self.transitions if row.changes]
        first = changing[0].state if changing else self.state
        return (first, *(row.after for row in changing))


@dataclass(frozen=True)
class Replay:
    """What `replay` found out: a step for each segment, and the ends (one end for a self-connection).

    `moments` is the order of events: (position of a segment, True as it arrives, False as it departs).
    """

    steps: tuple[Step, ...]
    ends: tuple[End, ...]
    moments: tuple[tuple[int, bool], ...] = ()

    @property
    def kind(self) -> str:
        """One of "self-connection", "simultaneous open", "handshake", "refused try", "" (anything else)."""
        if not self.steps:
            return ""
        if any(step.segment.to_itself for step in self.steps):
            return "self-connection"
        openers = {step.sender for step in self.steps if step.segment.is_syn and not step.impossible}
        if len(openers) > 1:
            return "simultaneous open"
        refused = any(row.event is Event.RCV_RST and row.state is State.SYN_SENT for row in _rows(self.steps))
        reached = any(row.after is State.ESTABLISHED for row in _rows(self.steps))
        return "handshake" if reached else "refused try" if refused else ""

    @property
    def states(self) -> tuple[State, ...]:
        """The state of the receiving end after each segment."""
        return tuple(step.receiver_after for step in self.steps)

    @property
    def one_socket(self) -> bool:
        """True if both lifelines of a diagram are one socket: a self-connection."""
        return len(self.ends) == 1

    def side(self, index: int) -> int:
        """The lifeline that sends segment `index`: 0 (the first end, or the only one) or 1."""
        return 0 if self.one_socket else int(self.steps[index].sender != self.ends[0].name)

    def first_state(self, side: int) -> State:
        """The state of a lifeline before anything happens on it; CLOSED if nothing ever does."""
        for index, arrives in self.moments:
            if self.one_socket or self.side(index) ^ arrives == side:
                step = self.steps[index]
                return step.receiver_before if arrives else step.sender_before
        return State.CLOSED

    @property
    def impossible(self) -> tuple[Step, ...]:
        """The steps that the state table does not allow."""
        return tuple(step for step in self.steps if step.impossible)

    def __str__(self) -> str:
        paths = "; ".join(f"{end.name}: {' -> '.join(end.path)}" for end in self.ends)
        count = f"{len(self.steps)} segment{'' if len(self.steps) == 1 else 's'}"
        bad = f", {len(self.impossible)} impossible" if self.impossible else ""
        return f"{self.kind or 'exchange'}, {count}{bad}; {paths}"


def replay(
    segments: Sequence[Segment],
    *,
    received: Mapping[int, float] | None = None,
    lost: Collection[int] = (),
    challenge: bool | None = None,
) -> Replay:
    """Replay `segments`, in the order in which they were sent, and return the states at each end.

    `received` maps positions in `segments` to times of arrival in seconds, on the clock of Segment.time,
    where they are known; `lost` lists positions of segments that never arrived.

    `challenge` says how SYN-RECEIVED takes a SYN-ACK. False accepts it (RFC 9293 figure 7; Linux with commit
    23e89e8ee7be); True answers it with a challenge ACK (section 3.10.7.4; Linux without). None reads it off
    the ACK that follows: a D-SACK there shows that the SYN-ACK was accepted. Where SACK is off, nothing shows
    it, and None means False; where only D-SACK is off (tcp_dsack = 0), None is wrong: say False.
    """
    segments = tuple(segments)
    if challenge is None:
        challenge = _looks_challenged(segments)
    run = _Run(segments, received or {}, frozenset(lost), challenge)
    result = run.finish()
    if not result.impossible:
        return result
    impossible = frozenset(index for index, step in enumerate(result.steps) if step.impossible)
    return replace(run, unbelievable=impossible).finish()


def _rows(steps: Sequence[Step]) -> list[Transition]:
    return [row for step in steps for row in step.sent + step.received]


def _sender(segment: Segment) -> _Key:
    return (segment.src, segment.sport, segment.dst, segment.dport)


def _receiver(segment: Segment) -> _Key:
    return (segment.dst, segment.dport, segment.src, segment.sport)


def _option(segment: Segment, name: str) -> bool:
    return any(option == name for option, _ in segment.options)


def _looks_challenged(segments: Sequence[Segment]) -> bool:
    """True if SACK is agreed and yet the ACK that ends a simultaneous open carries no D-SACK."""
    syns = {_sender(segment): segment for segment in segments if "S" in segment.flags}
    openers = {_sender(segment) for segment in segments if segment.is_syn}
    crossed = [syn for key, syn in syns.items() if {key, _receiver(syn)} <= openers]
    if not crossed or not all(_option(syn, "SAckOK") for syn in crossed):
        return False
    answers = [s for syn in crossed for s in segments if _is_bare_ack(s, syn, syns[_receiver(syn)])]
    return bool(answers) and not _option(answers[0], "SAck")


def _is_bare_ack(segment: Segment, own: Segment, other: Segment) -> bool:
    """True for the ACK right after the two SYNs, `own` by the same sender."""
    bare = "A" in segment.flags and not set("SFR") & set(segment.flags) and not segment.payload
    after = distance(segment.seq, own.seq) == own.length and distance(segment.ack, other.seq) == other.length
    return bare and after and _sender(segment) == _sender(own)


@dataclass
class _Run:
    segments: tuple[Segment, ...]
    received: Mapping[int, float]
    lost: frozenset[int]
    challenge: bool
    unbelievable: frozenset[int] = frozenset()  # segments that tell nothing about what their sender knew
    tcbs: dict[_Key, Tcb] = field(default_factory=dict, init=False)
    syn_acks: dict[tuple[_Key, int], list[int]] = field(default_factory=dict, init=False)  # positions by sender, ack
    others: dict[_Key, list[int]] = field(default_factory=dict, init=False)  # positions of SYNs and RSTs by sender
    due: dict[int, list[int]] = field(default_factory=dict, init=False)  # what arrives after a departure
    on_the_way: list[tuple[float, int]] = field(default_factory=list, init=False)  # a heap: known arrivals, by time
    departures: dict[int, Move] = field(default_factory=dict, init=False)
    arrivals: dict[int, Move] = field(default_factory=dict, init=False)
    moments: list[tuple[int, bool]] = field(default_factory=list, init=False)

    def finish(self) -> Replay:
        self._name_ends()
        slots = self._slots()
        for index, segment in enumerate(self.segments):
            self._arrive_until(segment.time)
            self._depart(index, slots[index])
            for due in self.due.pop(index, ()):
                self._arrive(due)
        self._arrive_until(inf)
        steps = tuple(map(self._step, range(len(self.segments))))
        ends = [End(tcb.name, key[0], key[1], tuple(tcb.path), tcb.state) for key, tcb in self.tcbs.items()]
        return Replay(steps, tuple(ends), tuple(self.moments))

    def _depart(self, index: int, slot: int) -> None:
        segment = self.segments[index]
        self.moments.append((index, False))
        self.departures[index] = send(self.tcbs[_sender(segment)], segment)
        if not self.departures[index].impossible and index not in self.lost:
            if index in self.received:
                heappush(self.on_the_way, (self.received[index], index))
            else:
                self.due.setdefault(slot, []).append(index)
        state = self.tcbs[_receiver(segment)].state
        self.arrivals[index] = Move(state, state)  # until it arrives, if it does

    def _name_ends(self) -> None:
        for index, segment in enumerate(self.segments):
            if segment.is_syn_ack:
                self.syn_acks.setdefault((_sender(segment), segment.ack), []).append(index)
            elif segment.is_syn or segment.is_reset:
                self.others.setdefault(_sender(segment), []).append(index)
            named = segment.sender or str(segment.source)
            for key, name in ((_sender(segment), named), (_receiver(segment), "")):
                self.tcbs.setdefault(key, Tcb(name, self.challenge))
                self.tcbs[key].name = self.tcbs[key].name or name
        for key, tcb in self.tcbs.items():
            tcb.name = tcb.name or str(Endpoint(*key[:2]))

    def _slots(self) -> list[int]:
        """For each segment, after which departure it arrives: as soon as what its receiver sends allows."""
        answers = {key: Answers() for key in self.tcbs}
        slots = [0] * len(self.segments)
        for index in reversed(range(len(self.segments))):
            sent = answers[_receiver(self.segments[index])]
            slots[index] = max(index, sent.last_before_it_knew(self.segments[index]))
            if index not in self.unbelievable:
                answers[_sender(self.segments[index])].add(index, self.segments[index])
        latest: dict[_Key, int] = {}
        for index, segment in enumerate(self.segments):  # none overtakes another
            slots[index] = latest[_sender(segment)] = max(slots[index], latest.get(_sender(segment), 0))
        return slots

    def _arrive_until(self, time: float) -> None:
        while self.on_the_way and self.on_the_way[0][0] <= time:
            self._arrive(heappop(self.on_the_way)[1])

    def _arrive(self, index: int) -> None:
        self.moments.append((index, True))
        segment = self.segments[index]
        tcb = self.tcbs[_receiver(segment)]
        if tcb.state is State.CLOSED and self._will_accept(index):
            tcb.take(Event.PASSIVE_OPEN)
        self.arrivals[index] = arrive(tcb, segment)

    def _will_accept(self, index: int) -> bool:
        """True if the receiver of this SYN answers it with a SYN-ACK: then it was listening."""
        syn, by = self.segments[index], _receiver(self.segments[index])
        if not syn.is_syn:
            return False
        stop = first_after(index, self.others.get(by, []))
        acks = {(syn.seq + 1) % _NUMBERS, (syn.seq + syn.length) % _NUMBERS}  # without the data of the SYN, or with it
        return any(first_after(index, self.syn_acks.get((by, ack), [])) < stop for ack in acks)

    def _step(self, index: int) -> Step:
        segment = self.segments[index]
        sender, receiver = self.tcbs[_sender(segment)], self.tcbs[_receiver(segment)]
        out, into = self.departures[index], self.arrivals[index]
        note = "; ".join(filter(None, (out.note, into.note)))
        states = (out.before, out.after, into.before, into.after)
        lost = index in self.lost
        rows = (out.transitions, into.transitions)
        return Step(segment, sender.name, receiver.name, *states, *rows, out.impossible, lost, note)
