"""The figures by name, for when `.plot()` is not the one: `lab.show.means(result)`, `lab.show.walk(run, first=80)`.

They stand in `show.pyi` and load on first use, for they import matplotlib.
"""

import lazy_loader as _lazy_loader

__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(str(__package__), __file__)
