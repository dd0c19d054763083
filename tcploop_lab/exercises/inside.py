"""Runs a student's notebook: a program of its own, started by `sandbox.py`. It knows no answers.

A Job comes on stdin, a socket, as to any worker of the lab. For each question one line of JSON goes out on stdout as
soon as the notebook has come to it, so that what was answered before an endless loop or an exit counts. What the
notebook prints is lost.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..stacks import wire
from .plain import NotPlain, written
from .trying import at_most, failure

_AGAIN = 1.0  # seconds: whoever keeps the interrupt gets another; the sandbox ends what goes on


@dataclass(frozen=True)
class Question:
    """What is wanted of a notebook when it comes to a graded cell: a variable, or what a function returns.

    `name` is that of the variable or function. `calls` has the arguments of each call, by the name of the case; None
    asks for the variable itself.
    """

    name: str
    calls: Mapping[str, tuple[Any, ...]] | None = None


@dataclass
class Script:
    """A connect() that returns these errors, one after another, and may not be called more often."""

    errors: list[int]

    def __call__(self) -> int:
        """Return the next error; RuntimeError after the last one."""
        if not self.errors:
            raise RuntimeError("connect() was called once too often")
        return self.errors.pop(0)


@dataclass(frozen=True)
class Job:
    """A notebook to run: its code cells (name and source), the questions by cell, and the seconds that a cell has."""

    cells: Sequence[tuple[str, str]]
    questions: Mapping[str, Question]
    seconds: float


def main() -> None:
    """Run the job that comes on stdin."""
    with socket.socket(fileno=os.dup(0)) as channel:
        job: Job = wire.receive(channel)
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    shell = _shell()
    for name, source in job.cells:
        _tell(out, {"ran": name, "error": _run(shell, source, job.seconds)})
        if name in job.questions:
            _tell(out, {"of": name, **_answer(shell.user_ns, job.questions[name], job.seconds)})
    _tell(out, {"end": True})
    os._exit(0)  # whatever threads there are


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    return InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))


def _run(shell: Any, source: str, seconds: float) -> str:
    """Run one cell; return in words how it failed, "" if it did not."""
    try:
        with at_most(seconds, _AGAIN):
            result = shell.run_cell(source, store_history=False)
        error = result.error_before_exec or result.error_in_exec
    except BaseException as raised:
        error = raised
    return "" if error is None else _words(error, seconds)


def _answer(names: Mapping[str, Any], question: Question, seconds: float) -> dict[str, Any]:
    answer = names.get(question.name, ...)
    if question.calls is None:
        return {"value": _crossed(answer)}
    if not callable(answer):
        return {"value": {"no": "this asks for a function. Do not give its name to anything else"}}
    return {"cases": {case: _called(answer, arguments, seconds) for case, arguments in question.calls.items()}}


def _called(function: Any, arguments: tuple[Any, ...], seconds: float) -> dict[str, str]:
    try:
        with at_most(seconds, _AGAIN):
            return _crossed(function(*arguments))
    except BaseException as error:  # a SystemExit of the student's too
        return {"no": _words(error, seconds)}


def _crossed(answer: Any) -> dict[str, str]:
    if answer is ... or (type(answer) is dict and ... in answer.values()):
        return {"no": "not answered yet"}
    try:
        return {"is": written(answer)}
    except NotPlain as error:
        return {"no": str(error)}
    except BaseException as error:
        return {"no": _words(error, 0)}


def _words(error: BaseException, seconds: float) -> str:
    try:
        return failure(error, seconds)
    except BaseException:  # its own text raises
        return f"raised {type(error).__name__}"


def _tell(out: int, line: Mapping[str, Any]) -> None:
    rest = json.dumps(line).encode() + b"\n"
    while rest:
        rest = rest[os.write(out, rest) :]


if __name__ == "__main__":
    from tcploop_lab.exercises import inside  # Job is a class of this module, not of __main__

    inside.main()
