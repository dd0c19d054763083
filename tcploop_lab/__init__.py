"""tcploop-lab: make a TCP socket connect to itself, see it on the wire, and learn why.

    import tcploop_lab as lab
    testbed = lab.open_testbed()
    run = testbed.connect_loop(33334)

The public names stand in `__init__.pyi` and load on first use, so that importing the package loads neither scapy nor
matplotlib.
"""

from __future__ import annotations

from importlib import import_module as _import_module

import lazy_loader as _lazy_loader

from . import moved as _moved
from . import tracebacks as _tracebacks
from .results import shown as _shown

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)

_shown.install(lambda: _import_module(f"{__name__}.show"))
_moved.install()
_tracebacks.install()
