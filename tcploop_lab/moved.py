"""Modules that lessons of November 2026 imported from, under the names that they had then.

A learner's own copy of a lesson outlives an update of the lab. Newer lessons take everything from `lab` itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = __name__.rpartition(".")[0]
_NOW = {
    f"{_PACKAGE}.model.rfc_figures": "tcp.rfc_figures",
    f"{_PACKAGE}.model.theory": "tries.theory",
    f"{_PACKAGE}.study.fit": "tries.fit",
    f"{_PACKAGE}.testbed.defences": "defence.clients",
}
_EMPTY = f"{_PACKAGE}.model"


class _Finder:
    """A finder and loader. It derives from none of importlib.abc, whose import takes longer than all of the lab's."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        """Return how to load a module that is elsewhere now."""
        if name not in _NOW and name != _EMPTY:
            return None
        return ModuleSpec(name, self, is_package=name == _EMPTY)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make the module as usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module in its place as it is called now; what held several of them stays empty."""
        if module.__name__ in _NOW:
            sys.modules[module.__name__] = import_module(f"{_PACKAGE}.{_NOW[module.__name__]}")


def install() -> None:
    """Have Python find these modules, after all others."""
    sys.meta_path.append(_Finder())
