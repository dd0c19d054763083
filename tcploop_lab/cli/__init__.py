"""The tcploop command: the lab without a notebook.

Exit codes: 0 it did what was asked; 1 it ran, and the answer is no; 2 the arguments are wrong; 3 this machine
cannot do it; 130 it was interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence

# NumPy's OpenBLAS starts a thread per core when it is loaded. Where it may not (ulimit -u) it writes six lines and
# raises SIGINT, which looks like a Ctrl-C; and the command has no use for these threads. A program that is audited
# gets the environment as it is, as kernels do; these commands load no NumPy.
_THREADS = "OPENBLAS_NUM_THREADS"
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (None: this program's own) and return the exit code."""
    if [*(sys.argv[1:] if args is None else args)][:1] not in (["audit"], ["lab"]):
        os.environ.setdefault(_THREADS, "1")
    try:
        with _ctrl_c_ends_at_once() if args is None else contextlib.nullcontext():
            from ..stacks.task import Interrupts
            from .entry import run

        if args is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, Interrupts(raising=True))  # after one that was noted, none raises
        return run(args)
    except KeyboardInterrupt:
        return _ended("interrupted", 130)
    except OSError as error:  # no file can be opened, of the program or by it
        if error.errno not in _NO_ROOM:
            raise
        return _ended(f"{error.strerror}: allow more (ulimit -a lists the limits), or end what is not needed", 3)
    except MemoryError:
        return _ended("not enough memory: allow more (ulimit -a lists the limits)", 3)
    finally:
        if getattr(signal.getsignal(signal.SIGINT), "pressed", False):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # when Python ends it restores the default, which kills


@contextlib.contextmanager
def _ctrl_c_ends_at_once() -> Iterator[None]:
    """End this program, without an exception, on a Ctrl-C in the block, in which it only loads modules.

    In the middle of an import Python may lose the exception, or end by the signal though it was caught.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # it is ignored, as in the background
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(_ended("interrupted", 130)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ended(why: str, code: int) -> int:
    with contextlib.suppress(OSError, AttributeError):  # stderr may be closed
        sys.stderr.write(f"tcploop: {why}\n")
        sys.stderr.flush()
    return code
