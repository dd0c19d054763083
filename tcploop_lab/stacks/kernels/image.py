"""The files of an emulated kernel: Python and the lab, as a cpio archive in memory.

The kernel unpacks it into its root (Documentation/driver-api/early-userspace/buffer-format.rst): several archives, one
after another, are allowed. The first holds the interpreter of this process with its libraries and the packages that the
lab works with; it is kept in the cache. The second is made for each start: the lab, and every module that is loaded
here, so that a function of the caller's can be run there.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from ...errors import NotOnThisTestbed
from .fetch import cache, not_kept

_PACKAGES = (
    *("attr", "attrs", "cattr", "cattrs", "click", "lazy_loader", "numpy", "psutil", "rich", "scapy", "tqdm"),
    "typing_extensions",
)
_SKIPPED = {
    "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages", "dist-packages",
    "contrib", "f2py", "include", os.path.basename(str(sysconfig.get_config_var("LIBPL"))),  # 33 MB for linkers
}  # fmt: skip
_DIRECTORIES = ("proc", "sys", "dev/shm", "tmp", "root")
_PYTHON = "/python"  # a link: nothing in it ends the name, whatever the interpreter's own is
_LOADER = "/lib64/ld-linux-x86-64.so.2"
_SYSTEM = (_LOADER, "/etc/hosts", "/etc/passwd", "/etc/group")
_LIBRARIES = """
import ctypes, importlib, pathlib, sysconfig
import numpy, psutil  # those of the packages that are not all Python
for extension in pathlib.Path(sysconfig.get_path("platstdlib"), "lib-dynload").glob("*.so"):
    name = extension.name.partition(".")[0]
    try: importlib.import_module(name) if name != "_tkinter" else None
    except ImportError: pass
class Object(ctypes.Structure): _fields_ = [("address", ctypes.c_size_t), ("name", ctypes.c_char_p)]
found = ["/" + "lib/x86_64-linux-gnu/libgcc_s.so.1"]
each = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Object), ctypes.c_size_t, ctypes.c_void_p)
ctypes.CDLL(None).dl_iterate_phdr(each(lambda one, size, data: found.append(one.contents.name.decode()) or 0), None)
print(found)
"""


def of(guest: str, modules: Path) -> int:
    """Return the descriptor of an image that begins with `guest`, and has a folder of the kernel's modules."""
    python = _python()  # before the descriptor, which nobody would close if there is none
    descriptor = os.memfd_create("tcploop-image")
    with open(descriptor, "wb", closefd=False) as out, python.open("rb") as kept:
        shutil.copyfileobj(kept, out, 1 << 22)
        archive = Archive(out)
        archive.add("/init", f"#!{_PYTHON} -I\n{guest}".encode(), 0o100755)
        for path in (*_tree(modules), *_tree(Path(__file__).parents[2]), *_loaded()):
            archive.copy(path)
        archive.end()
    return descriptor


class Archive:
    """A cpio archive in the format that is called newc, in the order in which things are added."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._there = out, {"/"}

    def add(
        self, name: str, content: bytes = b"", mode: int = 0o40755, mtime: float = 0.0, device: tuple[int, int] = (0, 0)
    ) -> None:
        """Add a file, a directory or a device, after the directories that it is in."""
        if name in self._there:
            return
        self.add(os.path.dirname(name))
        self._there.add(name)
        self._write(name[1:], content, mode, mtime, device)

    def copy(self, path: Path) -> None:
        """Add a file of this system under its own name; what cannot be read is left out."""
        try:
            status, content = path.stat(), path.read_bytes()
        except OSError:
            return
        self.add(os.path.abspath(path), content, 0o100000 | status.st_mode & 0o755, status.st_mtime)

    def end(self) -> None:
        """Write the entry that ends an archive."""
        self._write("TRAILER!!!", b"", 0, 0.0)

    def _write(self, name: str, content: bytes, mode: int, mtime: float, device: tuple[int, int] = (0, 0)) -> None:
        encoded = os.fsencode(name) + b"\0"
        fields = (len(self._there), mode, 0, 0, 1, int(mtime), len(content), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        for part in (head, content):
            self._out.write(part + b"\0" * (-len(part) % 4))


def _python() -> Path:
    """Return the archive of the interpreter and its packages, made anew when one of them changed."""
    roots = [Path(sysconfig.get_path("stdlib")), *_packages()]
    seen = [Path(__file__).read_bytes(), sys.version, [(str(root), root.stat().st_mtime_ns) for root in roots]]
    ours = f"python-{hashlib.sha256(sys.executable.encode()).hexdigest()[:12]}"
    made = cache() / f"{ours}-{hashlib.sha256(repr(seen).encode()).hexdigest()[:12]}.cpio"
    if not made.exists():
        try:
            cache().mkdir(parents=True, exist_ok=True)
            older = list(cache().glob(f"{ours}-*.cpio"))
            _make_python(made, roots)
        except OSError as error:
            raise not_kept(error, made) from None
        for path in older:
            path.unlink(missing_ok=True)
    return made


def _make_python(made: Path, roots: list[Path]) -> None:
    with tempfile.TemporaryDirectory(prefix=".half-", dir=made.parent) as place:
        half = Path(place, made.name)
        with half.open("wb") as out:
            archive = Archive(out)
            for name in _DIRECTORIES:
                archive.add(f"/{name}")
            archive.add(_PYTHON, os.fsencode(Path(sys.executable).resolve()), 0o120777)
            for path in (*_interpreter(), *(file for root in roots for file in _tree(root))):
                archive.copy(path)
            archive.end()
        half.rename(made)


def _packages() -> list[Path]:
    """The folders of the packages, or their one file; beside some are libraries, in a folder that is no package."""
    specs = [spec for name in _PACKAGES if (spec := find_spec(name)) and spec.origin]
    files = [(Path(str(spec.origin)), spec.submodule_search_locations is None) for spec in specs]
    found = [file if alone else file.parent for file, alone in files]
    beside = [folder.with_name(f"{folder.name}.libs") for folder in found]
    return [path for path in (*found, *beside) if path.exists()]


def _interpreter() -> list[Path]:
    """The interpreter, and every library that it or an extension needs."""
    done = subprocess.run([sys.executable, "-I", "-c", _LIBRARIES], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotOnThisTestbed(f"{sys.executable} cannot tell its libraries: {done.stderr.strip()[-200:]}")
    libraries = [name for name in ast.literal_eval(done.stdout) if name.startswith("/")]
    return [Path(sys.executable).resolve(), *map(Path, (*_SYSTEM, *libraries))]


def _tree(root: Path) -> Iterator[Path]:
    """A file, or the files below a folder that this interpreter would use."""
    if root.is_file():
        yield root
    for folder, below, names in os.walk(root):
        below[:] = sorted(set(below) - _SKIPPED)
        cached = os.path.basename(folder) == "__pycache__"
        for name in sorted(names):
            if not cached or name.endswith(f".{sys.implementation.cache_tag}.pyc"):
                yield Path(folder, name)


def _loaded() -> list[Path]:
    """The files of the modules that are loaded here, but for those of Python's own library."""
    library = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    named = {file for file in files if isinstance(file, str)}
    return [Path(file) for file in sorted(named) if not file.startswith(library) or "-packages" in file]
