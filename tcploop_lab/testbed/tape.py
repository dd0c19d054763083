"""The recording of the lessons: what the workers answered to every call, found again by what was asked.

A call is found by the function, by what of its arguments decides the answer, by the testbed's port range, and by the
situation of the port. `tools/record.py` writes the files; nobody edits them.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import NotOnThisTestbed
from .loop import LoopOutcome, LoopSpec
from .sampling import Samples
from .situation import Situation
from .tape_values import encode

FOLDER = Path(__file__).parents[1] / "recorded"
_LARGEST = 256 << 20  # bytes of a lesson
DEFAULT = "default"  # the range of a testbed that was opened without one
_ANY_RANGE = {"run_task", "probe_place", "draw_crowd", "run_program"}  # they set the range themselves
_SHOWN = 120  # characters of a question in an error
_ALWAYS_ALIKE = {"open_packet_socket"}  # whatever is done to the port
_SEE_CONNECTIONS = {"collect", "socket_rows", "look"}


Log = Mapping[str, Sequence[tuple[int, Any]]]  # the answers to each call of a socket: how often in a row, and which


def as_queues(log: Iterable[Any]) -> Log:
    """Return a log as it is written, [call, answer, how often], as the answers to each call in their order."""
    queues: dict[str, list[tuple[int, Any]]] = {}
    for key, answer, count in log:
        queues.setdefault(key, []).append((count, answer))
    return queues


@dataclass(frozen=True)
class Question:
    """What was asked of a worker. `bounds` do not decide which answer fits, but how far it must go."""

    name: str
    port_range: str
    asked: Any
    situation: Sequence[str]
    bounds: Any = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The question as one line of JSON."""
        return json.dumps([self.name, self.port_range, self.asked, list(self.situation)], sort_keys=True)


def question(function: Any, args: Sequence[Any], situation: Situation) -> Question:
    """Return the question that a call of `function` in a worker asks."""
    name = getattr(function, "__name__", str(function))
    port, asked, bounds = _essence(name, args)
    words = situation.of(port, name in _SEE_CONNECTIONS) if port and name not in _ALWAYS_ALIKE else []
    where = DEFAULT if situation.port_range is None or name in _ANY_RANGE else str(situation.port_range)
    return Question(name, where, asked, words, bounds)


def _essence(name: str, args: Sequence[Any]) -> tuple[int, Any, Any]:
    """The port that the call is about (0: none), what of its arguments decides the answer, and its bounds."""
    first = args[0] if args else None
    if name == "make_socket":
        return 0, [first.family.name, _plain(first.client), _plain(first.socket_range)], None
    if name == "draw_crowd":
        _, schedule, _, port_range, traffic = args
        counts = sorted(Counter(schedule).items())
        return 0, [first.port, str(port_range), [list(pair) for pair in counts], traffic], None
    if isinstance(first, LoopSpec):
        asked = [first.host, first.port, first.client.value, first.source, _plain(first.socket_range)]
        return first.port, asked + encode(tuple(args[1:]))["tuple"], first
    if name == "run_task":
        return 0, [first.cell, first.port, str(first.port_range), first.client.value, *_task(first)], first
    if name == "run_program":
        return 0, [*first.command, first.target.address, first.port, first.attempts, first.listen], None
    if name == "probe_place":
        return 0, [], None
    if name == "look":
        return args[1], list(args[:2]), None
    return first if isinstance(first, int) else 0, encode(tuple(args))["tuple"], None


def _task(task: Any) -> list[Any]:
    return [task.numbers[0], len(task.numbers), bool(task.lead_tries)]


def _plain(value: Any) -> Any:
    return None if value is None else str(value)


def _parts(answer: Mapping[str, Any]) -> list[Any]:
    return [part for part in (answer, *answer.get("tuple", ())) if isinstance(part, dict)]


def fitting(answer: Any, bounds: Any) -> Any:
    """Return the answer as the bounds want it, or None if it does not reach that far."""
    if bounds is None:
        return answer
    if isinstance(answer, Samples):
        reached = zip(answer.tries, answer.hits, strict=True)
        return answer if all(n <= bounds.max_tries if hit else n == bounds.max_tries for n, hit in reached) else None
    if isinstance(answer, tuple) and answer and isinstance(answer[0], LoopOutcome):
        outcome, sock = answer
        enough = outcome.tries <= bounds.max_tries if sock is not None else outcome.tries == bounds.max_tries
        if not enough or (bounds.trace and outcome.ports is None):
            return None
        return (outcome if bounds.trace else replace(outcome, ports=None)), sock
    return answer


class Tape:
    """All recorded answers. `label` says where they come from, `ranges` which testbeds there are."""

    def __init__(self, lessons: Iterable[Mapping[str, Any]]) -> None:
        self._answers: dict[str, list[Any]] = {}
        self._turns: dict[str, int] = {}
        self._logs: dict[str, list[Log]] = {}
        self.sources: list[tuple[str, str]] = []
        for lesson in lessons:
            self._add(lesson)

    def _add(self, lesson: Mapping[str, Any]) -> None:
        try:
            self.sources.append((lesson["provenance"]["kernel"], lesson["provenance"]["recorded_on"]))
            for item in lesson["answers"]:
                asked = Question(item["call"], item["range"], item["asked"], item["situation"])
                self._answers.setdefault(asked.key, []).append(item["answer"])
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"recorded lessons: {error!r} is missing in one; make them again: make record") from None

    @property
    def label(self) -> str:
        """Kernel and date, such as "Linux 6.18.5, recorded on 2026-11-22"."""
        if not self.sources:
            raise NotOnThisTestbed("no recorded lessons are installed; install the package again")
        kernels = ", ".join(sorted({kernel for kernel, _ in self.sources}))
        return f"{kernels}, recorded on {max(date for _, date in self.sources)}"

    @property
    def ranges(self) -> list[str]:
        """The port ranges of the testbeds that were recorded, the default one aside."""
        return sorted({json.loads(key)[1] for key in self._answers} - {DEFAULT})

    def sockets_of(self, asked: Question) -> list[Log]:
        """Return the log of every socket that was an answer, or a part of one, to a question."""
        if asked.key not in self._logs:
            answers = [
                item["gives"] for item in self._answers.get(asked.key, []) if isinstance(item.get("gives"), dict)
            ]
            found = [part["socket"] for answer in answers for part in _parts(answer) if "socket" in part]
            self._logs[asked.key] = [as_queues(log) for log in found]
        return self._logs[asked.key]

    def turn(self, asked: Question) -> int:
        """Return how often a question was asked before."""
        turn = self._turns.get(asked.key, 0)
        self._turns[asked.key] = turn + 1
        return turn

    def take(self, asked: Question, read: Callable[[Any], Any]) -> Any:
        """Return the next answer that fits, as `read` makes it. NotOnThisTestbed if none was recorded."""
        found, turn = self._answers.get(asked.key, []), self.turn(asked)
        for index in range(len(found)):
            fit = fitting(read(found[(turn + index) % len(found)]), asked.bounds)
            if fit is not None or asked.bounds is None:
                return fit
        raise NotOnThisTestbed(self._missing(asked))

    def _missing(self, asked: Question) -> str:
        what = f"{asked.name}({', '.join(map(str, asked.asked))})"[:_SHOWN]
        beside = f" with the port {' and '.join(asked.situation)}" if asked.situation else ""
        return (
            f"this was not recorded: {what} in the range {asked.port_range}{beside}; the recorded testbed knows what "
            "the lessons do, in their order: run the lesson's cells as they are, or use Linux for tries of your own"
        )


@cache
def lessons() -> Tape:
    """Return the recording that ships with the package, read once."""
    return Tape(read_lesson(path) for path in sorted(FOLDER.glob("lesson-*.json.xz")))


def read_lesson(path: Path) -> Any:
    """Return the recording of one lesson. ValueError, in one line, if the file is damaged."""
    try:
        with lzma.open(path) as file:
            return json.loads(file.read(_LARGEST))
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise ValueError(f"file {path}: {error}; make the recording again: make record") from None


def write_lesson(path: Path, lesson: Mapping[str, Any]) -> None:
    """Write the recording of one lesson, compressed: xzcat shows it, one answer a line."""
    lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in lesson["answers"])
    text = f'{{"provenance": {json.dumps(lesson["provenance"])},\n"answers": [\n{lines}\n]}}\n'
    path.write_bytes(lzma.compress(text.encode()))
