"""Record what the lessons measure, for the recorded testbed: every call of a worker and of its sockets.

A lesson's cells run as in Jupyter, and its folded solutions after the exercises they answer. Each lesson becomes one
file tcploop_lab/recorded/lesson-NN.json.xz. `make record` runs this after tools/record.py.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import is_dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat

from tcploop_lab.audits import table as audit_table
from tcploop_lab.audits.run import Report
from tcploop_lab.defence import table as defence_table
from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.stacks.executor import NamespaceExecutor
from tcploop_lab.testbed import opening, tape_values
from tcploop_lab.testbed.exchanges import tcp_settings
from tcploop_lab.testbed.replaying import CALLS, call_key
from tcploop_lab.testbed.situation import Situation, WatchedSocket
from tcploop_lab.testbed.tape import FOLDER, question, write_lesson

LESSONS = Path(__file__).parents[1] / "notebooks"
SOLUTION = re.compile(r"```python\n(.*?)```", re.DOTALL)
CHECK = re.compile(r"^exercises\.check\(.*\)$", re.MULTILINE)
# What a lesson's text tells the reader to try, beside its cells and solutions.
ASIDES = {"00": ["from contextlib import suppress\nwith suppress(OSError):\n    testbed.hold(40000)"]}

# The port thief and the defences dial from fresh addresses and say random words: they are recorded as results, by
# tools/record.py, as the audits of real programs are by `make audit`. Here the lessons show those.
AS_RESULTS = {"play", "free_port"}
DOCTOR = "lab.doctor("  # it speaks of the machine it runs on

_made: list[dict[str, Any]] = []
_settings: dict[str, int] = {}


class RecordingSocket(WatchedSocket):
    """A real socket that keeps a log of its calls: [key, answer, how often in a row]."""

    log: list[Any]

    def noting(self, method: str, *args: Any) -> Any:
        """Call the kernel, and write down what it says."""
        key = call_key(method, args, self.situation)
        try:
            result = self._call(method, *args)
        except OSError as error:
            self._write(key, {"raises": tape_values.encode_error(error)})
            raise
        self._write(key, {"gives": tape_values.encode(result, lambda sock: sock.log)})
        self.noted(method, args, result)
        return result

    def _call(self, method: str, *args: Any) -> Any:
        result = getattr(socket.socket, method)(self, *args)
        return (watched(result[0], self.situation), *result[1:]) if method == "accept" else result

    def _write(self, key: str, answer: Any) -> None:
        if self.log and self.log[-1][:2] == [key, answer]:
            self.log[-1][2] += 1
        else:
            self.log.append([key, answer, 1])


for _call in CALLS:
    setattr(RecordingSocket, _call, lambda self, *args, _call=_call: self.noting(_call, *args))


def watched(sock: socket.socket, situation: Situation) -> RecordingSocket:
    """Return the same socket as one that keeps a log."""
    recording = RecordingSocket(fileno=sock.detach())
    recording.log = []
    recording.enter(situation)
    return recording


class RecordingExecutor(NamespaceExecutor):
    """A live executor that writes down what its workers answer. One call after another: a recording has one order."""

    def __init__(self, workers: int = 1, port_range: Any = None, private: bool = True) -> None:
        super().__init__(workers, port_range, private)
        self._situation = Situation(port_range)
        _settings.update(super().submit(tcp_settings).result())

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the function to its end, write the answer down, and return it as a future that is done."""
        if function.__name__ in AS_RESULTS:
            return super().submit(function, *args, **kwargs)
        asked = question(function, args, self._situation)
        done: Future[Any] = Future()
        done.reports = []  # type: ignore[attr-defined]
        item = {"call": asked.name, "range": asked.port_range, "asked": asked.asked, "situation": asked.situation}
        try:
            result = self._anonymous(super().submit(function, *args, **kwargs).result())
            if isinstance(result, Report):
                result.version = version_of(args[0].command[0])
        except Exception as error:
            _made.append({**item, "answer": {"raises": tape_values.encode_error(error)}})
            done.set_exception(error)
            return done
        self._situation.done(asked.name, args, result)
        with contextlib.suppress(TypeError):  # two hosts and their cable have no form: they are not recorded
            # The logs of its sockets go on growing; the sockets themselves must not be kept alive here.
            _made.append({**item, "answer": {"gives": tape_values.encode(result, lambda sock: sock.log)}})
        done.set_result(result)
        return done

    def _anonymous(self, result: Any) -> Any:
        """Sockets that keep a log, and no name of this machine."""
        if isinstance(result, socket.socket):
            return watched(result, self._situation)
        if isinstance(result, tuple) and not any(hasattr(item, "_fields") for item in result):
            return tuple(self._anonymous(item) for item in result)
        if is_dataclass(result) and hasattr(result, "host") and hasattr(result, "kernel"):
            return replace(result, host="recorded")  # type: ignore[type-var]
        return result


def version_of(program: str) -> str:
    """The program and its version, such as "curl 8.14.1"."""
    return f"{program} {audit_table.version_in(audit_table._say([program, '--version']))}"


def not_now(*_: Any) -> Any:
    """Refuse to measure what is recorded as a result, so that the recorded one is shown."""
    raise NotOnThisTestbed("this is recorded as a result")


def steps(path: Path) -> Iterator[str]:
    """The code of a lesson in its order, with each solution and its check after the exercise."""
    check = ""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and DOCTOR not in cell.source:
            yield cell.source
            check = "\n".join(CHECK.findall(cell.source))
        elif "<summary>Solution" in cell.source:
            yield from (f"{code}\n{check}" for code in SOLUTION.findall(cell.source.partition("<summary>Solution")[2]))


def digest(path: Path) -> str:
    """A name for the code of a lesson: it changes when a recording no longer fits."""
    return sha256("\n".join(steps(path)).encode()).hexdigest()[:16]


def course() -> list[Path]:
    """The lessons in reading order."""
    return sorted(LESSONS.glob("[0-9]*.ipynb"))


def run(path: Path) -> None:
    """Run a lesson in a shell like a notebook's, which keeps every result that was shown."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    number = path.name[:2]
    cells = list(steps(path))
    at = len(cells) - 1 if "close()" in cells[-1] else len(cells)
    for code in [*cells[:at], *ASIDES.get(number, []), *cells[at:]]:
        result = shell.run_cell(code, store_history=True)
        if not result.success:
            raise SystemExit(f"{path.name}: not recorded, this cell failed:\n{code}")


def record(path: Path) -> None:
    """Record one lesson."""
    _made.clear()
    run(path)
    system = os.uname()
    beside = {
        "cells": digest(path),
        "kernel": f"{system.sysname} {system.release}",
        "recorded_on": datetime.now(UTC).date().isoformat(),
        "command": "make record",
        "settings": dict(sorted(_settings.items())),
    }
    target = FOLDER / f"lesson-{path.name[:2]}.json.xz"
    write_lesson(target, {"provenance": beside, "answers": _made})
    print(f"{target.name}: {len(_made)} answers, {target.stat().st_size:,} bytes", flush=True)


def main(names: Sequence[str]) -> None:
    """Record the lessons named ("03_on_the_wire.ipynb"), or all of them."""
    import matplotlib

    matplotlib.use("Agg")
    opening.NamespaceExecutor = RecordingExecutor  # type: ignore[misc]
    defence_table._measure = audit_table._audit_now = not_now
    paths = [LESSONS / Path(name).name for name in names] or course()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # some lessons write files
        for path in paths:
            record(path)


if __name__ == "__main__":
    main(sys.argv[1:])
