"""The recorded testbed: an executor that answers from the recording what workers answered once.

All code above it is that of a live testbed. Sockets it hands out answer as the recorded ones did and never reach a
network. In a notebook every cell that shows something says that it is recorded.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import is_dataclass, replace
from functools import partial
from typing import Any

from ..errors import NotOnThisTestbed
from ..ports.ranges import PortRange
from . import tape_values
from .situation import Situation, WatchedSocket
from .tape import Log, Question, Tape, as_queues, question

# What a recorded socket answers from the recording. Options and time-outs are taken and ignored.
CALLS = (
    *("accept", "bind", "connect", "connect_ex", "getpeername", "getsockname", "getsockopt", "listen"),
    *("recv", "recvmsg", "send", "sendall", "shutdown"),
)
_ASKING = {"getsockname", "getpeername", "getsockopt"}  # they do not tell one recorded socket from another
# What a recorded testbed shows in the place of a live one, by the function that is asked for it.
_STANDS_IN = {"open_packet_socket": "captures", "set_reserved": "reserved ports", "run_program": "audits"}
_EVERYTHING = ""
_SHORT = 64  # longer data is told apart by its length and its beginning


class ReplayedSocket(WatchedSocket):
    """A socket that answers as one of the recorded ones did. It owns a descriptor, and never uses it."""

    def __init__(self, logs: Sequence[Log], situation: Situation, first: int = 0) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._logs, self._first = logs, first
        self._called: set[str] = set()
        self._at: dict[str, int] = {}
        self.enter(situation)

    def _answer(self, method: str, *args: Any) -> Any:
        key = call_key(method, args, self.situation)
        log = self._log_of({*self._called, key})
        if log is None:
            asked = ", ".join(map(str, json.loads(key)[1]))
            raise NotOnThisTestbed(f"this was not recorded: {method}({asked}) of a socket; run the cells as they are")
        if method not in _ASKING:
            self._called.add(key)
        turn = self._at[key] = self._at.get(key, -1) + 1
        value = tape_values.decode_answer(_at_turn(log[key], turn), self._accepted)
        self.noted(method, args, value)
        return value

    def _log_of(self, calls: set[str]) -> Log | None:
        """The first recorded socket that was asked all this."""
        count = len(self._logs)
        places = ((self._first + index) % count for index in range(count))
        return next((self._logs[place] for place in places if calls <= self._logs[place].keys()), None)

    def _accepted(self, log: Any) -> ReplayedSocket:
        return ReplayedSocket([as_queues(log)], self.situation)

    def setsockopt(self, *args: Any) -> None:
        """Note SO_LINGER; there is no kernel to tell anything."""
        with contextlib.suppress(OSError):
            super().setsockopt(*args)

    def settimeout(self, value: Any) -> None:
        """Do nothing: a recorded answer comes at once."""

    def setblocking(self, flag: bool) -> None:
        """Do nothing: a recorded answer comes at once."""


for _call in CALLS:
    setattr(ReplayedSocket, _call, lambda self, *args, _call=_call: self._answer(_call, *args))


def call_key(method: str, args: Sequence[Any], situation: Situation) -> str:
    """Return what a call of a socket is found by: method, arguments, and for bind() the situation of its port."""
    plain = [f"{len(arg)} bytes: {bytes(arg[:_SHORT]).hex()}" if isinstance(arg, bytes) else arg for arg in args]
    words = situation.of(args[0][1], connections=True) if method == "bind" else []
    return json.dumps([method, tape_values.encode(tuple(plain))["tuple"], words])


def _at_turn(queue: Sequence[tuple[int, Any]], turn: int) -> Any:
    for count, answer in queue:
        if turn < count:
            return answer
        turn -= count
    return queue[-1][1]  # it goes on as it ended


class RecordedExecutor(Executor):
    """Answers what NamespaceExecutor's workers answered when the lessons were recorded.

    With `all_of_it` False it stands in for a live testbed where that cannot do something.
    """

    workers = 1

    def __init__(self, tape: Tape, port_range: PortRange | None, all_of_it: bool = True) -> None:
        if port_range is not None and str(port_range) not in tape.ranges:
            raise NotOnThisTestbed(
                f"range {port_range}: the recorded testbed has {', '.join(tape.ranges)} and the default one; "
                "take one of these, or use Linux for ranges of your own"
            )
        self._tape, self._situation = tape, Situation(port_range)
        self.closed = False
        self.info = {"pid": os.getpid(), "network": "recorded", "range_set": True, "kernel": tape.label}
        self._all_of_it = all_of_it
        if all_of_it:
            label_cells(tape.label)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done: with the recorded answer, the recorded error, or NotOnThisTestbed."""
        if self.closed:
            raise RuntimeError("this testbed is closed: open another one with open_testbed()")
        future: Future[Any] = Future()
        future.reports = []  # type: ignore[attr-defined]
        what = _EVERYTHING if self._all_of_it else _STANDS_IN.get(getattr(function, "__name__", ""))
        if what is not None:
            label_cells(self._tape.label, what)
        try:
            future.set_result(self._answer(function, args))
        except (NotOnThisTestbed, OSError, RuntimeError, ValueError) as error:
            future.set_exception(error)
        return future

    def _answer(self, function: Any, args: Sequence[Any]) -> Any:
        asked = question(function, args, self._situation)
        if asked.name == "make_socket":
            return self._by_hand(asked)
        value = self._tape.take(asked, partial(self._read, asked))
        self._situation.done(asked.name, args, value)
        return value

    def _by_hand(self, asked: Question) -> ReplayedSocket:
        logs = self._tape.sockets_of(asked)
        if not logs:
            raise NotOnThisTestbed("this was not recorded: such a socket; run the lesson's cells as they are")
        return ReplayedSocket(logs, self._situation, self._tape.turn(asked) % len(logs))

    def _read(self, asked: Question, answer: Mapping[str, Any]) -> Any:
        # What one recorded socket was not asked, another one that stands in the same place may have been.
        others = self._tape.sockets_of(asked) if asked.name == "run_loop" else []
        value = tape_values.decode_answer(
            answer, lambda log: ReplayedSocket([as_queues(log), *others], self._situation)
        )
        if is_dataclass(value) and hasattr(value, "kernel"):
            value = replace(value, kernel=self.info["kernel"])  # type: ignore[type-var]
        return value

    def stop(self, future: Future[Any]) -> None:
        """Do nothing: every answer is there at once."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the testbed."""
        self.closed = True


def label_cells(label: str, what: str = _EVERYTHING) -> None:
    """In a notebook, let every cell that shows something say from now on that `what`, or everything, is recorded."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    there = [one for one in shell.events.callbacks["post_run_cell"] if isinstance(one, _CellLabel)]
    if not there:
        there = [_CellLabel()]
        shell.events.register("post_run_cell", there[0])
    there[0].label.sources[what] = label


class _CellLabel:
    """Shows the label under a cell that shows something."""

    def __init__(self) -> None:
        self.label = _Label()

    def __call__(self, result: Any = None) -> None:
        if result is not None and result.success and shows(result.info.raw_cell):
            sys.modules["IPython"].display.display(self.label)


class _Label:
    """What is recorded, on which kernel and when."""

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}

    def __repr__(self) -> str:
        parts = [f"{what} ({label})" for what, label in sorted(self.sources.items())]
        return f"recorded, not live: {self.sources.get(_EVERYTHING) or ', '.join(parts)}"

    def _repr_html_(self) -> str:
        return f'<p style="opacity: .75; font-size: 90%; border-left: 3px solid #E69F00; padding-left: 8px">{self}</p>'


def shows(cell: str) -> bool:
    """True if a cell of this source shows something: its last line is a value, or it prints."""
    try:
        body = ast.parse(cell).body
    except SyntaxError:
        return False
    calls = [node.func for node in ast.walk(ast.Module(body, [])) if isinstance(node, ast.Call)]
    prints = any(isinstance(call, ast.Name) and call.id in ("print", "display") for call in calls)
    checks = "exercises.check(" in cell  # says whether an answer is right, and no more
    return bool(body) and not checks and (isinstance(body[-1], ast.Expr) or prints)
