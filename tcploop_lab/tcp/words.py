"""A segment in words: its flags, its sequence numbers counted from the SYN, its options, what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .replay import Replay, Step
from .segments import Segment
from .tcb import distance

_FLAGS = {
    "S": "SYN", "F": "FIN", "R": "RST", "P": "PSH", "A": "ACK", "U": "URG", "E": "ECE", "C": "CWR", "N": "NS",
}  # fmt: skip
_SHOWN_BYTES = 16


def flag_words(flags: str) -> str:
    """Return scapy's flag letters as names: "SA" is "SYN-ACK"."""
    return "-".join(name for letter, name in _FLAGS.items() if letter in flags) or "no flags"


class Numbers:
    """Sequence numbers counted from each end's first one: x, x+1 and, for a second end, y, y+1.

    With `relative` false they are written as they are on the wire.
    """

    def __init__(self, segments: Sequence[Segment], relative: bool = True) -> None:
        self._relative = relative
        self._origins: dict[tuple[str, int], tuple[str, int]] = {}
        for segment in segments:
            end = (segment.src, segment.sport)
            if end not in self._origins and not segment.is_reset:  # a RST starts no numbering
                self._origins[end] = ("xyz"[min(len(self._origins), 2)], segment.seq)

    def seq(self, segment: Segment) -> str:
        """The sequence number of `segment`, such as "x+1"; as it is where nothing tells its origin.

        Nothing does for the 0 of a RST by which CLOSED answers (RFC 9293 section 3.10.7.1).
        """
        if segment.is_reset and segment.seq == 0:
            return "0"
        return self._written(segment.src, segment.sport, segment.seq)

    def ack(self, segment: Segment) -> str:
        """The acknowledgment number of `segment`, counted from the other end's first number."""
        return self.of_receiver(segment, segment.ack)

    def of_receiver(self, segment: Segment, number: int) -> str:
        """A number of the end that `segment` goes to, as its SACK blocks hold them."""
        return self._written(segment.dst, segment.dport, number)

    def is_syn(self, segment: Segment, number: int) -> bool:
        """True if `number` is the first number of the end that `segment` goes to."""
        return self._origins.get((segment.dst, segment.dport), ("", -1))[1] == number

    def legend(self, names: Mapping[tuple[str, int], str]) -> str:
        """What the letters stand for; `names` maps address and port to the name of an end."""
        parts = [f"{letter} = {origin} ({names[end]})" for end, (letter, origin) in self._origins.items()]
        return f"First sequence number{'s' if len(parts) > 1 else ''}: {', '.join(parts)}" if parts else ""

    def _written(self, address: str, port: int, number: int) -> str:
        if not self._relative or (address, port) not in self._origins:
            return str(number)
        letter, origin = self._origins[address, port]
        offset = distance(number, origin)
        return f"{letter}{offset:+d}" if offset else letter


def number_words(segment: Segment, numbers: Numbers | None = None) -> str:
    """Return "seq x, ack x+1"; the numbers as they are on the wire if `numbers` is None."""
    seq = numbers.seq(segment) if numbers else str(segment.seq)
    if "A" not in segment.flags:
        return f"seq {seq}"
    return f"seq {seq}, ack {numbers.ack(segment) if numbers else segment.ack}"


def counted(number: int, what: str) -> str:
    """Return "1 try", "0 tries", "1,234 bytes": `what` is the singular."""
    in_y = what.endswith("y") and what[-2] not in "aeiou"
    many = f"{what[:-1]}ies" if in_y else f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number:,} {what if number == 1 else many}"


def payload_words(segment: Segment) -> str:
    """Return "2 bytes: 'hi'", or "" without data."""
    if not segment.payload:
        return ""
    count = len(segment.payload)
    shown = segment.payload[:_SHOWN_BYTES].decode("ascii", "backslashreplace")
    text = repr(shown) if shown.isprintable() else repr(segment.payload[:_SHOWN_BYTES])
    more = " ..." if count > _SHOWN_BYTES else ""
    return f"{counted(count, 'byte')}: {text}{more}"


def option_words(segment: Segment) -> tuple[str, ...]:
    """Return the options of `segment` in words (RFC 9293 section 3.2, RFC 7323), but for padding and SACK."""
    words = []
    for name, value in segment.options:
        if name == "MSS":
            words.append(f"takes segments up to {value} bytes")
        elif name == "SAckOK":
            words.append("understands SACK")
        elif name == "WScale" and isinstance(value, int):
            words.append(f"window in units of {2**value} bytes")
        elif name == "Timestamp" and isinstance(value, (tuple, list)):
            words.append(f"timestamp {value[0]}" + (f", echoes {value[1]}" if value[1] else ""))
    return tuple(words)


def sack_words(segment: Segment, numbers: Numbers) -> str:
    """Return what the SACK option says, or "". A first block below the ACK is a D-SACK (RFC 2883)."""
    blocks = [value for name, value in segment.options if name == "SAck" and isinstance(value, (tuple, list))]
    if not blocks or len(blocks[0]) < 2:
        return ""
    left, right = blocks[0][:2]
    first, last = numbers.of_receiver(segment, left), numbers.of_receiver(segment, right - 1)
    which = first if first == last else f"{first} to {last}"
    if distance(left, segment.ack) >= 0:
        return f"SACK: {which} arrived, ahead of a gap"
    return f"D-SACK: {which}{', the SYN,' if numbers.is_syn(segment, left) else ''} arrived twice"


def step_sentence(position: int, step: Step, numbers: Numbers, time: str, under_way: bool = False) -> str:
    """Return one sentence: the segment, its numbers, and the states before and after at each end.

    A segment that has not arrived is lost, unless it is `under_way`.
    """
    segment = step.segment
    self_connected = segment.to_itself
    way = "from the socket to itself" if self_connected else f"from {step.sender} to {step.receiver}"
    parts = [f"{flag_words(segment.flags)} {way}", number_words(segment, numbers)]
    parts += filter(None, (payload_words(segment), sack_words(segment, numbers), _fate(step, under_way)))
    return f"Segment {position}, at {time}: {'; '.join(parts)}."


def _fate(step: Step, under_way: bool) -> str:
    if step.impossible:
        return f"impossible, {step.impossible}"
    changes = []
    if step.sender_before is not step.sender_after:
        changes.append(_change(step, step.sender, "sending", step.sender_before, step.sender_after))
    if step.lost:
        changes.append("it is still on the way" if under_way else "it is lost")
    elif step.receiver_before is not step.receiver_after:
        changes.append(_change(step, step.receiver, "receiving", step.receiver_before, step.receiver_after))
    return " and ".join(changes) or "no state changes"


def _change(step: Step, name: str, verb: str, before: str, after: str) -> str:
    who = "the socket" if step.segment.to_itself else name
    return f"{verb} it, {who} goes from {before} to {after}"


def replay_sentence(replay: Replay) -> str:
    """Return one sentence that says what the exchange was."""
    count = counted(len(replay.steps), "segment")
    if replay.kind == "self-connection":
        return f"A self-connection in {count}: both lifelines are the same socket, {replay.ends[0].name}."
    names = " and ".join(end.name for end in replay.ends)
    return f"{replay.kind.capitalize() or 'An exchange'} in {count} between {names}."
