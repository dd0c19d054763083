"""One long job at a time, on a thread of its own, so that the notebook stays free."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

TELL_EVERY = 0.2  # seconds between two looks that a learner gets at work in progress
_MOST_DIGITS = 18  # of a number that is typed


class Background:
    """Runs jobs one after the other; `changed` is called, on the job's thread, when there is something to see.

    What a job raises is kept in words in `problem`: a widget has no place for a traceback.
    """

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        self.problem = ""
        self._stop = threading.Event()
        self._free = threading.Lock()  # taken while a job runs
        self._thread: threading.Thread | None = None
        self._told = 0.0

    @property
    def busy(self) -> bool:
        """True while a job runs."""
        return self._free.locked()

    @property
    def stopped(self) -> bool:
        """True once the job was asked to end; it should look at this often."""
        return self._stop.is_set()

    def start(self, job: Callable[[], None]) -> bool:
        """Begin a job and return True; False if one is still at work."""
        if not self._free.acquire(blocking=False):
            return False
        self._stop.clear()
        self.problem, self._told = "", 0.0
        self._thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()
        return True

    def stop(self) -> None:
        """Ask the job to end with what it has."""
        self._stop.set()

    def pause(self, seconds: float) -> None:
        """Wait, on the job's thread; less if it is asked to end."""
        self._stop.wait(seconds)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the job has ended; False if it has not within so many seconds."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)
        return not self.busy

    def tell(self) -> None:
        """Say that there is something new, at most every `TELL_EVERY` seconds."""
        if monotonic() - self._told >= TELL_EVERY:
            self.changed()
            self._told = monotonic()

    def tick(self, _tries: int = 0) -> None:
        """Pass on a stop to a loop under way, as its `progress` function: an interrupt ends it."""
        if self.stopped:
            raise KeyboardInterrupt
        self.tell()

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:
            self.problem = in_words(error)
        finally:
            self._free.release()
            self.changed()


def in_words(error: BaseException) -> str:
    """What went wrong, as one line for a learner."""
    return " ".join(str(error).split()) or type(error).__name__


def parse_count(name: str, value: Any, most: int) -> int:
    """Return a typed number, such as "1,000"; ValueError with what is allowed if it is not one from 1 to `most`."""
    text = str(value).replace(",", "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and 1 <= int(text) <= most):
        raise ValueError(f"{name} {value!r}: give a whole number from 1 to {most:,}")
    return int(text)


def must_be_there(testbed: Any, to: str, widget: str) -> None:
    """Raise ValueError, with what to write, where a widget was shown without the testbed that it works on."""
    if not hasattr(testbed, "sibling"):
        given = "" if testbed is None else f", but {testbed!r:.40}"
        raise ValueError(f"There is no testbed {to}{given}. Write: lab.{widget}(testbed=lab.open_testbed())")
