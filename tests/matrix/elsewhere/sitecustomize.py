"""Takes from the lab what Python lacks on the system that MATRIX_PLATFORM names; Python runs this at its start.

What is lacking stands in typeshed, the standard library's stubs, as mypy brings them: `if sys.platform != "win32":`.
Only the lab's modules miss it. The standard library and Jupyter stand on it here, and their makers port them.
"""

import ast
import builtins
import os
import sys
import types
from importlib.util import find_spec
from pathlib import Path

PLATFORM = os.environ.get("MATRIX_PLATFORM", "")
_import = builtins.__import__
_known = {}


def names(body, platform):
    """Return the names that a stub defines on a platform."""
    found = set()
    for node in body:
        if isinstance(node, ast.If):
            fake = types.SimpleNamespace(platform=platform, version_info=sys.version_info)
            holds = eval(compile(ast.Expression(node.test), "stub", "eval"), {"sys": fake})
            found |= names(node.body if holds else node.orelse, platform)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {name.asname for name in node.names if name.asname}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def lacking(module):
    """Return the names that a module of the standard library has on Linux and not there, and whether these are all."""
    (mypy,) = find_spec("mypy").submodule_search_locations
    at = Path(mypy, "typeshed", "stdlib", module)
    stub = at / "__init__.pyi" if at.is_dir() else at.with_suffix(".pyi")
    body = ast.parse(stub.read_text()).body if stub.is_file() else []
    here, there = names(body, "linux"), names(body, PLATFORM)
    return here - there, bool(here) and not there


class Lacking(types.ModuleType):
    """A module without what it lacks elsewhere."""

    def __init__(self, module, missing):
        super().__init__(module.__name__)
        self.__dict__.update(_module=module, _missing=missing)

    def __getattr__(self, name):
        if name in self._missing:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on {PLATFORM}")
        return PLATFORM if (self.__name__, name) == ("sys", "platform") else getattr(self._module, name)

    def __setattr__(self, name, value):
        setattr(self._module, name, value)


def import_there(name, globals=None, locals=None, fromlist=(), level=0):
    """Import as Python does; the lab gets the standard library of the other system."""
    found = _import(name, globals, locals, fromlist, level)
    importer = (globals or {}).get("__name__", "")
    if level or not importer.startswith("tcploop_lab") or name not in sys.stdlib_module_names:
        return found
    if name not in _known:
        _known[name] = lacking(name)
    missing, all_of_it = _known[name]
    if all_of_it:
        raise ModuleNotFoundError(f"No module named {name!r} on {PLATFORM}", name=name)
    return Lacking(found, missing) if missing or name == "sys" else found


if PLATFORM:
    builtins.__import__ = import_there
