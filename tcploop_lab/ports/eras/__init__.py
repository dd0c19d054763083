"""The eras: how the kernels that people meet pick the source port of connect().

Each is one class in a file of this folder, with a name; whatever file is put here is found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

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
    from difflib import get_close_matches

    near = get_close_matches(str(value), ERAS, n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise ValueError(f"era {value!r}{hint}: an era is one of {', '.join(ERAS)}")


def era_of_linux(release: tuple[int, ...]) -> type[Era]:
    """Return the era of a Linux release as kernel.org made it, such as (4, 19) or, with 2022's update, (4, 19, 249).

    A distribution's kernel may have the rule of a later one: probe, where the kernel is at hand. Raises ValueError for
    one before 2.2.
    """
    for era in BY_NAME.values():
        since = era.backports.get((release[0], release[1]))
        if since is not None and release[2:] >= (since,):
            return era
    dated = [(era.since, era.name) for era in BY_NAME.values() if era.since and era.since <= release]
    if not dated:
        raise ValueError(f"Linux {'.'.join(map(str, release))}: eras are known from 2.2 on")
    return BY_NAME[max(dated)[1]]


def era_of_kernel(name: str) -> type[Era] | None:
    """Return the era that a kernel's name speaks for, such as "Linux 6.18.4-arch1"; None for another system's."""
    release = re.search(r"\bLinux (\d+)\.(\d+)(?:\.(\d+))?", name)
    return (
        era_of_linux(tuple(int(part) for part in release.groups() if part))
        if release
        else BY_NAME.get(name.split()[-1])
    )
