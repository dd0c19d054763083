"""One program inside another kernel, with its output, its input, Ctrl-C and its exit code."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYet
from functools import partial

from ...errors import WorkerDied
from .executor import Link

_CHUNK = 1 << 10  # bytes: behind so many a Ctrl-C may have to wait
_LOOK_EVERY = 0.2  # seconds, in which a Ctrl-C is noticed


def run_inside(version: object, program: Callable[[], int]) -> int:
    """Run a program inside a real kernel, and return the exit code that it returns.

    Raises ValueError for a version that is not to be had, or an output that takes nothing, NotOnThisTestbed where the
    kernel does not start, WorkerDied if it ends in the middle.
    """
    _hold_standard_streams()
    if sys.stdout is not None and sys.stdout.isatty():  # over there it is a pipe
        os.environ.setdefault("COLUMNS", str(shutil.get_terminal_size().columns))
    link = Link(version)
    failed: list[OSError] = []
    try:
        link.output = partial(_write, failed)
        done = link.ask("command", program)
        threading.Thread(target=_type_into, args=(link,), daemon=True).start()
        while True:
            try:
                code = int(done.result(_LOOK_EVERY))
                break
            except NotYet:
                pass
            except KeyboardInterrupt:
                threading.Thread(target=_interrupt, args=(link,), daemon=True).start()
    finally:
        link.end()
    if failed:
        raise ValueError(f"standard output: {failed[0].strerror}; give it a file or a pipe that takes it")
    return code


def _hold_standard_streams() -> None:
    """Have nothing else get the number of a stream that was closed before the program began."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def _write(failed: list[OSError], stream: int, data: bytes) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(stream, rest) :]
    except BrokenPipeError:  # the reader has seen enough
        pass
    except OSError as error:
        failed.append(error)


def _interrupt(link: Link) -> None:
    """Hand on a Ctrl-C. A kernel that does not say that it came hangs, and is ended."""
    within = link.kernel.start_timeout / 2
    watch = threading.Timer(within, link.kernel.kill, [f"did not take a Ctrl-C within {within:g} s, and was ended"])
    watch.daemon = True
    watch.start()
    with contextlib.suppress(WorkerDied):
        link.ask("interrupt", None).result()
    watch.cancel()


def _type_into(link: Link) -> None:
    """Hand on what is typed, or piped in, to its end, no faster than it is read: a Ctrl-C must not wait behind it."""
    data = b"-"
    with contextlib.suppress(OSError, WorkerDied):  # nobody reads any more
        while data:
            try:
                data = os.read(0, _CHUNK)
            except OSError:  # it was closed before the program began
                data = b""
            link.ask("input", data).result()
