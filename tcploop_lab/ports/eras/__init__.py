"""The eras: how the kernels that people meet pick the source port of connect().

Each is one class in a file of this folder, with a name; whatever file is put here is found.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from ..candidates import Order
from ..era import Era

for _file in sorted(iter_modules(__path__)):
    import_module(f"{__name__}.{_file.name}")

BY_NAME: Mapping[str, type[Era]] = MappingProxyType(Era._found)
ERAS: tuple[str, ...] = tuple(BY_NAME)


def parse_era(value: object) -> type[Era]:
    """Return the era named `value` (or `value` itself); ValueError offers the nearest names and lists all."""
    if isinstance(value, type) and issubclass(value, Era):
        return value
    if isinstance(value, str) and value in BY_NAME:
        return BY_NAME[value]
    near = difflib.get_close_matches(str(value), ERAS, n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise ValueError(f"era {value!r}{hint}: an era is one of {', '.join(ERAS)}")


def open_kernel(version: str, seed: int | None = None, clock: Callable[[], float] | None = None) -> Era:
    """Return a kernel of this Linux release ("4.19" as first released, "4.19.249" with 2022's update), or of an era.

    A distribution's kernel may have the rule of a later one: probe, where the kernel is at hand. Raises ValueError for
    what is neither.
    """
    release = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if not release:
        return parse_era(version)(seed, clock)
    numbers = tuple(int(part or 0) for part in release.groups())
    kernel = _of_linux(numbers, version)(seed, clock)
    if numbers < kernel.bind_parity_since:
        kernel.bind_order = Order.ALL
    return kernel


def _of_linux(numbers: tuple[int, ...], version: str) -> type[Era]:
    major, minor, patch = numbers
    for era in BY_NAME.values():
        if patch >= era.backports.get((major, minor), patch + 1):
            return era
    dated = [(era.since, era.name) for era in BY_NAME.values() if era.since and era.since <= numbers]
    if not dated:
        raise ValueError(f"kernel {version}: Linux is told from 2.2 on, as 4.19 or 4.19.249")
    return BY_NAME[max(dated)[1]]
