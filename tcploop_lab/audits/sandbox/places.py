"""Which paths a program under audit sees: the system, and of hidden places what it needs itself."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

AUDITS = str(Path(__file__).parents[1])
_HIDDEN = ("boot", "dev", "home", "lost+found", "proc", "root", "run", "sys", "tmp", "var/lock", "var/run", "var/tmp")
_NO_FILES = {"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue", "proc", "sysfs"}
_BINARIES = ("bin", "sbin", ".bin", "shims")  # the last: pyenv, rbenv, asdf, mise
_MOST_LINKS = 40  # on the way to one file, as the kernel has it (path_resolution(7))
_DEEP = 3  # folders below / in which root's own files are looked for


@dataclass(frozen=True)
class Places:
    """The visible part of the file system.

    `read` are folders and files that are seen as they are, a folder before what is in it; `links` are (link, target);
    `masked` lie in them and are not seen; `shares` may be written. `home` is where an empty folder is put, `folder`
    where the program starts.
    """

    read: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    masked: tuple[str, ...]
    shares: tuple[str, ...]
    home: str
    folder: str


def places(command: str, folder: str, own: Iterable[str], shares: Iterable[str], apart: bool = False) -> Places:
    """Return what a command sees that is started in `folder`; `own` are more paths that it needs, to read.

    Homes and places for what is fleeting are hidden, with their sockets. Of these it sees the folder it starts in, the
    program's own, and Python's, unless that would be a whole home. With `apart` no tree has anything masked in it.
    """
    home = own_home()
    hidden, mounted = set(_hidden(home)), dict(_mounted())
    hidden |= {path for path, kind in mounted.items() if kind in _NO_FILES}
    named = {*own, folder, AUDITS, sys.prefix, sys.base_prefix, sys.executable, *_prefixes(command)}
    real, links = set(map(os.path.realpath, named)), _links([*named, *shares])
    masked = tuple(_secrets("/", hidden, {*real, *links})) if os.geteuid() == 0 else ()
    theirs = [path for path in real if any(within(path, one) for one in hidden)]
    kept = [path for path in theirs if not any(within(one, path) for one in hidden)]
    whole = _Whole(hidden | set(masked), hidden | set(mounted) | set(masked if apart else ()), links)
    for path in ("/", *kept):
        whole.take(path, path in kept)
    writable = tuple(map(os.path.realpath, shares))
    read, leading = whole.outermost(writable)
    sees = any(within(folder, tree) for tree in (*read, *writable))
    return Places(read, leading, masked, writable, home, folder if sees else home)


def _links(paths: Iterable[str]) -> dict[str, str]:
    """Return all links on the way to these paths, and where each leads."""
    found: dict[str, str] = {}
    for path in paths:
        at, rest, hops = "/", os.path.abspath(path).split("/"), 0
        while rest and hops < _MOST_LINKS:
            step = os.path.normpath(os.path.join(at, rest.pop(0)))  # `at` has no link in it
            if not os.path.islink(step):
                at = step
                continue
            hops, found[step] = hops + 1, os.readlink(step)
            at, rest = "/" if found[step].startswith("/") else at, [*found[step].split("/"), *rest]
    return found


def _hidden(home: str) -> Iterator[str]:
    yield from (f"/{name}" for name in _HIDDEN)
    with contextlib.suppress(OSError):
        yield from (entry.path for entry in os.scandir("/home"))
    for path in (home, os.environ.get("HOME", home), os.environ.get("TMPDIR", "/tmp")):
        if os.path.realpath(path) != "/":
            yield os.path.realpath(path)


def own_home() -> str:
    """Return the user's home as the system knows it, for which some programs ask in spite of HOME."""
    import pwd  # Windows has none, and loads this file

    try:
        home = os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        home = "/"
    return home if os.path.isdir(home) and home != "/" else "/home/audit"


def within(path: str, tree: str) -> bool:
    """Return whether a path is a folder or lies in it."""
    return path == tree or path.startswith(tree.rstrip("/") + "/")


def _prefixes(command: str) -> Iterator[str]:
    """Where the program lies, and where each link leads: `bin` comes with the folder that it is in."""
    found, seen = shutil.which(command), set()
    while found and found not in seen:
        seen.add(found)
        path = os.path.abspath(found)
        folder = os.path.dirname(path)
        yield from (path, folder)
        if os.path.basename(folder) in _BINARIES:
            yield os.path.dirname(folder)
        found = os.path.join(folder, os.readlink(path)) if os.path.islink(path) else None


class _Whole:
    """Trees without what is in `apart`, mounts among it: overlayfs takes no folder in which something is mounted."""

    def __init__(self, hidden: set[str], apart: set[str], links: Mapping[str, str]) -> None:
        self._hidden, self._apart = hidden, apart
        self.trees: set[str] = set()
        self.links = dict(links)

    def take(self, path: str, wanted: bool = False) -> None:
        """Add this folder or file, taken apart where it must be; a hidden one only if it is `wanted`."""
        if path in self._hidden and not wanted:
            return
        if os.path.islink(path):
            self.links[path] = os.readlink(path)
        elif os.path.isdir(path) and any(one != path and within(one, path) for one in self._apart):
            for entry in _entries(path):
                self.take(entry.path)
        elif os.path.isdir(path) or os.path.isfile(path):
            self.trees.add(path)

    def outermost(self, shares: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """Return trees and links that lie in no other tree and no share: what lies in one comes with it."""

        def alone(path: str) -> bool:
            trees = (tree for tree in self.trees if tree != path)
            return not any(within(path, tree) for tree in (*trees, *shares))

        return tuple(filter(alone, sorted(self.trees))), tuple(one for one in self.links.items() if alone(one[0]))


def _mounted() -> Iterator[tuple[str, str]]:
    """What is mounted where, and of which kind (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            place, kind = line.split()[4], line.partition(" - ")[2].split()[0]
            yield re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place), kind


def _secrets(folder: str, hidden: set[str], needed: set[str], deep: int = _DEEP) -> Iterator[str]:
    """What root alone may read: for everybody else the system hides it itself."""
    for entry in _entries(folder):
        if entry.path in hidden or entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
            continue
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except FileNotFoundError:  # it went away meanwhile
            continue
        if not mode & stat.S_IROTH and not any(within(path, entry.path) for path in needed):
            yield entry.path
        elif entry.is_dir() and deep > 1:
            yield from _secrets(entry.path, hidden, needed, deep - 1)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.path)
    except OSError:
        return []
