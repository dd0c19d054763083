"""Lets `python -m tcploop_lab` do what the `tcploop` command does."""

import sys

from .cli import main

sys.exit(main())
