"""Where a student's notebook runs: `run` gives back what came out of it, as lines, whatever it did.

Other submissions, the gradebook, the key and every network are out of its reach, and time, memory, processes, disk and
output are limited: `cage.py` says how.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..audits.sandbox import system_calls
from ..errors import NotOnThisTestbed
from ..stacks import wire
from . import cage
from .inside import Job

PACKAGE = Path(__file__).parents[1]
SECONDS = 120.0  # for a whole notebook; an honest one takes some two
MOST_OUTPUT = 8 << 20  # bytes of answers
_LIMITS = {
    "RLIMIT_AS": 3 << 30,
    "RLIMIT_NPROC": 64,
    "RLIMIT_FSIZE": 32 << 20,
    "RLIMIT_NOFILE": 256,
    "RLIMIT_CORE": 0,
}
# Of a system, and of where Python is, only the folders with programs and libraries: a course may lie beside them.
_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libexec")
_ENVIRONMENT = {
    "HOME": "/home/student",
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "TCPLOOP_TESTBED": "simulated",
}


@dataclass(frozen=True)
class Came:
    """What came out: the lines of JSON, and in words how the run ended ("" if the notebook came to its end)."""

    lines: tuple[Mapping[str, Any], ...]
    ended: str
    seconds: float


def run(job: Job, files: Mapping[str, str] | None = None, caged: bool = True, seconds: float = SECONDS) -> Came:
    """Run the job in a cage, with these files in its folder, and return what came out of it.

    With `caged=False` it is a process of its own with a time limit and an empty home, and what it started ends with it:
    for a machine that has nothing to lose. Raises NotOnThisTestbed where the system refuses the cage.
    """
    if not hasattr(os, "fork"):
        raise NotOnThisTestbed("grading runs students' programs as Unix does: grade on Linux, or in WSL 2")
    began = time.monotonic()
    with _started(job, files or {}, caged, seconds) as process:
        output, ended = _collected(process, began + seconds)
        _end(process, caged)  # before its end the words of a cage are not whole
        said = _said(process)
    if process.returncode == cage.REFUSED and said and not output:  # a student's exit code says nothing
        raise NotOnThisTestbed(
            f"no sandbox for the students' programs here ({said}): grade in a container that has nothing to lose, "
            "with --no-sandbox"
        )
    lines = tuple(_lines(output))
    whole = any(line.get("end") for line in lines)
    return Came(lines, "" if whole else ended or "it ended the program", time.monotonic() - began)


@contextlib.contextmanager
def _started(job: Job, files: Mapping[str, str], caged: bool, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    inside = [sys.executable, "-P", "-m", "tcploop_lab.exercises.inside"]
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory(prefix="tcploop-cage-") as root, ours, theirs:
        if not caged:
            for name, text in files.items():
                Path(root, name).write_text(text, encoding="utf-8")
        settings = json.dumps(_settings(root, files, inside, seconds) if caged else {"caged": False, "command": inside})
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", cage.__file__, settings],
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if caged else subprocess.DEVNULL,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "HOME": root, "PYTHONNOUSERSITE": "1"},
            start_new_session=True,
        )
        with process:
            try:
                _hand_over(job, ours, theirs, seconds)
                yield process
            finally:
                _end(process, caged)


def _hand_over(job: Job, ours: socket.socket, theirs: socket.socket, seconds: float) -> None:
    """Send the job, and let go of the channel: nothing is ever read from it."""
    theirs.close()
    ours.settimeout(seconds)
    with contextlib.suppress(OSError):  # the sandbox was refused, which its exit code tells
        wire.send(ours, job)
    ours.close()


def _end(process: subprocess.Popen[bytes], caged: bool) -> None:
    """End what still runs: the cage ends all that is in it, and without one all that came from it."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5.0)
    process.kill()
    if not caged:  # no Linux, or the notebook has ended who should have ended it
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of what has ended
            os.killpg(process.pid, signal.SIGKILL)


def _said(process: subprocess.Popen[bytes]) -> str:
    """What the cage has said so far; whoever still holds its stderr is not waited for."""
    if process.stderr is None:
        return ""
    os.set_blocking(process.stderr.fileno(), False)
    return (process.stderr.read(2000) or b"").decode(errors="replace").strip()


def _collected(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, str]:
    """What came until the end, the deadline, or the most that is read; and which of the two ended it."""
    output = bytearray()
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                continue
            data = os.read(process.stdout.fileno(), 1 << 16)
            output += data
            if not data:
                return bytes(output), _waited_for(process, deadline)
            if len(output) > MOST_OUTPUT:
                return bytes(output), f"it gave more than {MOST_OUTPUT >> 20} MB of answers"
    return bytes(output), "its time was over"


def _waited_for(process: subprocess.Popen[bytes], deadline: float) -> str:
    """Wait for the end of a process that says no more; in words, whether the deadline came before."""
    try:
        process.wait(max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:  # it has closed its way out, and goes on
        return "its time was over"
    return ""


def _lines(output: bytes) -> Iterator[Mapping[str, Any]]:
    """The lines that are JSON objects; the notebook may have written others."""
    for line in output.split(b"\n"):
        with contextlib.suppress(ValueError, RecursionError):
            if isinstance(found := json.loads(line), dict):
                yield found


def _settings(root: str, files: Mapping[str, str], command: list[str], seconds: float) -> dict[str, Any]:
    readable, links = _visible()
    return {
        "caged": True,
        "filter": "" if system_calls.why_no_filter() else system_calls.program(strict=True).hex(),
        "root": root,
        "number": os.getpid(),
        "megabytes": 64,
        "readable": [*readable, (str(PACKAGE), "/lab/tcploop_lab")],
        "links": links,
        "files": dict(files),
        "limits": {**_LIMITS, "RLIMIT_CPU": int(seconds) + 1},
        "command": command,
        "environment": {**_ENVIRONMENT, "PYTHONPATH": ":".join(["/lab", *_packages()])},
    }


def _visible() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The folders with the system's and Python's files, and the links between them that a system may have."""
    prefixes = dict.fromkeys(("/", "/usr", "/usr/local", sys.base_prefix, sys.prefix))
    places = [os.path.join(prefix, name) for prefix in prefixes for name in _FOLDERS]
    links = [(path, os.readlink(path)) for path in places if os.path.islink(path)]
    folders: list[str] = []
    real = [path for path in places if os.path.isdir(path) and not os.path.islink(path)]
    for path in (*real, os.path.dirname(sys.executable), *_packages()):
        if not any(Path(path).is_relative_to(one) for one in folders):
            folders.append(path)
    return [(path, path) for path in folders], links


def _packages() -> list[str]:
    """Where installed packages lie; never the folder that the command was called in."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path)]
