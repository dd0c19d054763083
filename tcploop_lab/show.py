"""The figures by name, for when `.plot()` is not the one: `lab.show.means(result)`, `lab.show.walk(run, first=80)`."""

from __future__ import annotations

from .render import __dir__ as __dir__
from .render import __getattr__ as __getattr__
