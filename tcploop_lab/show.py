"""The figures by name, for when `.plot()` is not the one: `lab.show.means(result)`, `lab.show.walk(run, first=80)`.

They stand in `show.pyi` and load on first use, for they import matplotlib.
"""

import sys
from typing import Any

import lazy_loader as _lazy_loader

_load, __dir__, __all__ = _lazy_loader.attach_stub(str(__package__), __file__)


def __getattr__(name: str) -> Any:
    """Return the figure and keep it here: lazy_loader keeps it in the package, in the place of `lab.audit`."""
    package = vars(sys.modules[str(__package__)])
    before = {name: package[name]} if name in package else {}
    globals()[name] = figure = _load(name)
    package.pop(name, None)  # lazy_loader 0.4 kept it only where a module has the name
    package.update(before)
    return figure
