"""The tcploop command: the lab without a notebook.

Exit codes: 0 it did what was asked; 1 it ran, and the answer is no; 2 the arguments are wrong; 3 this machine
cannot do it; 130 it was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (None: this program's own) and return the exit code."""
    try:
        from .entry import run  # here, so that Ctrl-C while it is loading ends without a traceback

        return run(args)
    except KeyboardInterrupt:
        return 130
