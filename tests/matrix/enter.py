"""Make a situation real, and run a command in it:  python -m tests.matrix.enter "no IPv6" COMMAND ..."""

from __future__ import annotations

import os
import sys

from .situations import BY_NAME


def main() -> None:
    """Enter the situation named first, then become the command that follows."""
    BY_NAME[sys.argv[1]].make()
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
