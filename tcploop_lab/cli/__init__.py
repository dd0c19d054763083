"""The tcploop command: the lab without a notebook.

Exit codes: 0 it did what was asked; 1 it ran, and the answer is no; 2 the arguments are wrong; 3 this machine
cannot do it; 130 it was interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Sequence

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (None: this program's own) and return the exit code."""
    try:
        from .entry import run  # here, so that Ctrl-C while it is loading ends without a traceback

        return run(args)
    except KeyboardInterrupt:
        return _ended("interrupted", 130)
    except OSError as error:  # no file can be opened, of the program or by it
        if error.errno not in _NO_ROOM:
            raise
        return _ended(f"{error.strerror}: allow more (ulimit -a lists the limits), or end what is not needed", 3)
    except MemoryError:
        return _ended("not enough memory: allow more (ulimit -a lists the limits)", 3)


def _ended(why: str, code: int) -> int:
    with contextlib.suppress(OSError, AttributeError):  # stderr may be closed
        sys.stderr.write(f"tcploop: {why}\n")
    return code
