"""What is right in assignment 2. For the instructor."""

from dataclasses import replace

import tcploop_lab as lab
from tcploop_lab.exercises import assignment
from tcploop_lab.exercises.answers import order_of, some_bytes, truth
from tcploop_lab.exercises.grading import expect
from tcploop_lab.exercises.judging import Judge
from tcploop_lab.exercises.lesson_03 import state_names, the_blanks, whole_life

judge = Judge(assignment.wire)


@judge.value("order-test", "order", order_of("abcdefg"))
def order(own, letters):
    """The order in which the segments were sent."""
    flags = [own.shuffled[letter].flags for letter in letters]
    expect(flags[:2] == ["S", "SA"], "a connection opens with the SYN. What answers it?")
    expect(flags.index("PA") < flags.index("FA"), "the data goes before the FIN: nothing may follow a FIN.")
    expect(flags == ["S", "SA", "A", "PA", "A", "FA", "A"], "each of SYN-ACK, data and FIN is followed by its ACK.")
    first, *acks = [own.shuffled[letter] for letter in letters]
    past = [(segment.ack - first.seq) % 2**32 for segment in acks]
    expect(past == sorted(past), "an ACK never goes back.")


@judge.value("numbers-test", "numbers", the_blanks)
def numbers(own, blanks):
    """Sequence and acknowledgment numbers, which wrap."""
    life = whole_life(own.first, own.word)
    expect(all(number < 2**32 for number in blanks.values()), "sequence numbers wrap: there is none above 4294967295.")
    expect(blanks["P"] == life[1].ack, "look at P again: a SYN uses up one number, and an ACK names the next one.")
    expect(blanks["Q"] == life[3].seq, "look at Q again: the third segment is a bare ACK and uses up no number.")
    expect(blanks["R"] == life[4].ack, "look at R again: every byte uses up one number.")
    expect(blanks["T"] == life[6].ack, "look at T again: a FIN uses up one number, as a SYN does.")


@judge.value("state-test", "state", state_names)
def state(own, names):
    """The state after so many segments."""
    reached = lab.replay(whole_life(1, b"hi")[: own.stops]).ends[0].state
    way = "follow the state diagram: CLOSED, SYN-SENT, and so on, one arrow for each segment that arrives."
    expect(names == {reached}, f"after {own.stops} segments it is another state; {way}")


def _exchanges(own):
    """Some segments by name, and whether they are a self-connection's."""
    looped = lab.recorded("self-connection").segments
    cases = {'lab.recorded("self-connection")': (looped, True)}
    cases |= {name: (lab.recorded(name).segments, False) for name in ("handshake", "refused", "simultaneous-open")}
    cases["equal ports, but two addresses"] = tuple(replace(segment, dst="127.0.0.2") for segment in looped), False
    cases["one address, but two ports"] = tuple(replace(segment, dport=8080) for segment in looped), False
    cases["IPv6"] = lab.recorded("self-connection-ipv6").segments, True
    cases["data and close only"] = looped[3:], True
    cases["your own"] = tuple(own.shuffled.values()), True
    return cases


@judge.calls(
    "is-self-connection-test", "is_self_connection", truth,
    lambda own: {name: (segments,) for name, (segments, _) in _exchanges(own).items()},
)  # fmt: skip
def is_self_connection(own, answers):
    """Equal addresses and equal ports, in every segment."""
    for name, (_, right) in _exchanges(own).items():
        expect(answers[name] is right, f"this is {'one' if right else 'none'}: {name}.")


CAPTURES = {"self-connection": 7, "handshake": 9, "self-connection-ipv6": 7}


@judge.calls("once-test", "once", list, lambda own: {name: (lab.recorded(name).copies,) for name in CAPTURES})
def once(own, answers):
    """Each segment once."""
    for name, many in CAPTURES.items():
        seen = answers[name]
        expect(len(seen) == many, f"{name}: it has {many} segments, and once() returns {len(seen)}.")
        copies = sorted(lab.recorded(name).copies, key=lambda frame: frame.time)
        sent = [frame.data for frame in copies if frame.outgoing]
        expect(seen == sent, f"{name}: right number, but other bytes, or another order.")


def _written(own):
    """Some segments by name, and what was written."""
    begin = 2**32 - 1 - len(own.word)  # the first word uses up the last numbers, the second one begins with 0
    life = whole_life(begin, own.word)
    more = replace(life[3], seq=0, payload=b" and so on")
    both = own.word + more.payload
    return {
        'lab.recorded("self-connection") wrote b"hi"': (lab.recorded("self-connection").segments, b"hi"),
        "a segment that comes twice counts once": ([*life, life[3]], own.word),
        "after 4294967295 comes 0, and the words go on": ([*life, more], both),
        "they may come in any order: sort them first": ([more, *life], both),
    }


@judge.calls(
    "written-test", "written", some_bytes,
    lambda own: {rule: (segments,) for rule, (segments, _) in _written(own).items()},
)  # fmt: skip
def written(own, answers):
    """The payload in the order of its numbers."""
    for rule, (_, right) in _written(own).items():
        expect(answers[rule] == right, f"{rule}.")
