"""The exercises of lesson 07, defences."""

from __future__ import annotations

from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps
from io import StringIO
from typing import Any

from ..defence.results import DefenceResult, Standing
from ..defence.table import measure_client
from ..errors import NotOnThisTestbed
from ..ports.preconditions import Rule, Verdict
from ..ports.ranges import PortRange, parse_reserved
from .answers import a_verdict, percent, whole_number
from .engine import Exercise, Mistake, some_letters
from .trying import at_most, failure

_MEETINGS = 60  # of a client that is handed in with itself: a second or so
SECONDS = 15.0  # for all of them, should the client sleep
_CANDIDATES = 14116  # of the default range
_TRIES = 1000


@dataclass(frozen=True)
class Machine:
    """A host as its settings and its socket table show it."""

    port_range: PortRange
    reserved: tuple[PortRange, ...]
    unprivileged_start: int
    listening: tuple[int, ...]

    def __repr__(self) -> str:
        reserved = ",".join(str(part.low) if part.width == 1 else str(part) for part in self.reserved)
        return "\n".join(
            (
                f"net.ipv4.ip_local_port_range = {self.port_range.low} {self.port_range.high}",
                f"net.ipv4.ip_local_reserved_ports = {reserved}",
                f"net.ipv4.ip_unprivileged_port_start = {self.unprivileged_start}",
                f"listening: {', '.join(map(str, self.listening))}",
            )
        )

    def is_reserved(self, port: int) -> bool:
        """True if connect() and bind(0) may not pick the port."""
        return any(port in part for part in self.reserved)

    def is_safe(self, port: int) -> bool:
        """True if an ordinary user's service can listen there, and no client of this host can take the port."""
        free = self.unprivileged_start <= port <= 65535 and port not in self.listening
        return free and (port not in self.port_range or self.is_reserved(port))


_MACHINE = Machine(PortRange(8000, 65535), parse_reserved("30000-30009,47808"), 1024, (1433, 3306, 5432, 30000, 30001))


def machine() -> Machine:
    """Return the host of exercise 07.1."""
    return _MACHINE


def a_client(answer: Any) -> DefenceResult:
    """Read a function dial(address, new_socket) by measuring it, which takes a second."""
    if not callable(answer):
        raise ValueError("this asks for the function itself: answer = my_dial, without brackets")
    try:
        with redirect_stdout(StringIO()), at_most(SECONDS):
            return measure_client(_telling(answer), tries=_MEETINGS)
    except _Raised as raised:
        raise ValueError(f"it {failure(raised.error, SECONDS)}; a client raises OSError, or nothing") from None
    except (NotOnThisTestbed, ValueError) as error:
        raise ValueError(str(error).removeprefix("client: ")) from None
    except KeyboardInterrupt:
        raise  # the learner's own
    except BaseException as error:  # also SystemExit
        raise ValueError(f"it {failure(error, SECONDS)}; a client raises OSError, or nothing") from None


class _Raised(Exception):
    """What a learner's client raised that is no OSError, so that it is not taken for a word of the lab."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _telling(dial: Any) -> Any:
    @wraps(dial)
    def told(*args: Any) -> Any:
        try:
            return dial(*args)
        except OSError:
            raise
        except Exception as error:
            raise _Raised(error) from None

    return told


def _failures(result: DefenceResult) -> tuple[int, ...]:
    return tuple(situation.failures for situation in result.situations)


def _luck_percent() -> int:
    return round(100 * (1 - 1 / _CANDIDATES) ** _TRIES)


def _is_protected(verdict: Verdict) -> bool:
    in_place = verdict.port == 40100 and verdict.port in verdict.port_range
    return in_place and bool(verdict.broken) and all(map(_protects, verdict.broken))


def _protects(rule: Rule) -> bool:
    """Whether a rule is broken by what keeps the port for its service: it is reserved, or a socket holds it."""
    return rule.name == "not reserved" or (rule.name == "not held" and not _is_in_use(rule))


def _is_in_use(rule: Rule) -> bool:
    return not rule.ok and "open connection" in rule.evidence


EXERCISES = (
    Exercise(
        number="07.1",
        asks="a port, such as 12345",
        reads=whole_number,
        right=_MACHINE.is_safe,
        because="The kernel gives that port to no client as its source port, and your service can bind it.",
        hint="Look at the four lines one by one: range, reserved, who may bind, who listens already.",
        stronger="Below 8000 no client picks a port, and what is reserved no client picks either.",
        mistakes=(
            Mistake(lambda port: not 1 <= port <= 65535, "A TCP port is 1 to 65535."),
            Mistake(lambda port: port < 1024, "An ordinary user may not bind a port below ip_unprivileged_port_start."),
            Mistake(lambda port: port in _MACHINE.listening, "Somebody listens there already."),
            Mistake(
                lambda port: port % 2 == 1,
                "That port is in the range. It is odd where the range begins even, which is the weak defence of "
                "section 7: a client that binds port 0 is given it.",
            ),
            Mistake(
                lambda port: port in _MACHINE.port_range,
                "That port is in the range: while your service is down, its clients can take it.",
            ),
        ),
    ),
    Exercise(
        number="07.2",
        asks="your function, as in `answer = my_dial`",
        reads=a_client,
        right=lambda result: result.verdict is Standing.HOLDS,
        because=lambda result: (
            f"It met itself {_MEETINGS} times and used none of these connections; after each a server could start; "
            "and it talks to real servers."
        ),
        hint="`lab.measure_client(my_dial, testbed)` shows the situations one by one.",
        stronger="`print(getsource(lab.clients.dial_and_compare))` shows a client that holds. What does yours not do?",
        mistakes=(
            Mistake(
                lambda result: bool(_failures(result)[0]),
                "It still hands over its own connection as if it were good. Compare the two names of the socket.",
            ),
            Mistake(
                lambda result: bool(_failures(result)[1]),
                "It notices, but the server cannot start afterwards. Does the socket stay open? Or is it in TIME-WAIT?",
            ),
            Mistake(
                lambda result: bool(_failures(result)[3]),
                "It is safe from itself, but it does not accept a real server, or leaves it an unread answer.",
            ),
        ),
    ),
    some_letters(
        number="07.3",
        among="abcdef",
        because="A socket of the client that is left, open or in TIME-WAIT, keeps the server out unless both have the "
        "option. A reset leaves no socket.",
        hint="Ask in each case: is a socket of the client left? And do both sides have SO_REUSEADDR?",
        stronger="`lab.port_thief_table(testbed)` plays all the cases.",
        wrong={
            "be": "SO_REUSEADDR on the server alone is not enough: the kernel asks both sockets, also one in "
            "TIME-WAIT.",
            "a": "Look at a: what does an orderly close leave behind, for a minute?",
        },
        missing={"cdf": "That is right so far, but it is not all: there are three."},
    ),
    Exercise(
        number="07.4",
        asks="a whole number of percent",
        reads=percent,
        right=lambda percent: percent == _luck_percent(),
        because="So he would have seen nothing in 93 of 100 cases anyway. It proves nothing.",
        hint="One try fails to meet the port with chance 1 - 1/14116. How often must that happen in a row?",
        stronger="`(1 - 1 / 14116) ** 1000`, in percent.",
        mistakes=(
            Mistake(
                lambda percent: percent == 100 - _luck_percent(),
                "That is the chance to see one or more. The question is how likely it is to see none.",
            ),
            Mistake(
                lambda percent: percent <= 1,
                "That would be a proof. Did you take the chance of a try in a range of 100 ports?",
            ),
        ),
    ),
    some_letters(
        number="07.5",
        among="abcde",
        because="In a, d and e one's own words come back and are not what is wanted: there is a word, a key or a rule "
        "that one's own echo does not satisfy.",
        hint="In each protocol let all that the client says come back to it, and ask whether it is content.",
        stronger="b and c want to hear what they have said, and so does nobody else.",
        wrong={
            "b": "Look at b: the client's own PING comes back, and PING is wanted.",
            "c": "Look at c: a number that nobody can guess comes back as well.",
        },
        missing={"ade": "That is right so far, but it is not all: there are three."},
    ),
    Exercise(
        number="07.6",
        asks="the verdict, made while the port is protected",
        reads=a_verdict,
        right=_is_protected,
        because="The port is in the range and still cannot loop: the kernel gives it to no client.",
        hint="Protect port 40100, and call `testbed.check(40100)` while it is protected, inside the `with` block.",
        stronger="Two of the lesson's defences work on a port inside the range: section 5 has both.",
        mistakes=(
            Mistake(lambda verdict: verdict.port != 40100, "That is a verdict on another port; this asks for 40100."),
            Mistake(
                lambda verdict: verdict.can_loop,
                "It can loop still. Was the `with` block over when you checked?",
            ),
            Mistake(
                lambda verdict: verdict.port not in verdict.port_range,
                "That works, but it moves the range away. Here the range has to stay as it is.",
            ),
            Mistake(
                lambda verdict: any(rule.name == "nobody listens" for rule in verdict.broken),
                "Somebody listens there, and that is the service itself. What protects the port while it is down?",
            ),
            Mistake(
                lambda verdict: any(map(_is_in_use, verdict.broken)),
                "A connection uses the port just now. When it is over, the port can loop again.",
            ),
            Mistake(
                lambda verdict: not all(map(_protects, verdict.broken)),
                "That verdict is about another address, client or range. An ordinary client that dials 127.0.0.1 from "
                "this very range must not meet itself.",
            ),
        ),
    ),
)
