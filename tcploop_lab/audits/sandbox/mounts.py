"""The file system of an audited program, as bubblewrap is told to build it, from trees on which no socket answers.

A read-only bind mount keeps nobody from connecting to a socket in it, or from writing to a named pipe. So each tree
goes through an overlay (overlayfs, since commit ca4c8a3a800 of Linux 4.10): its sockets and pipes are new ones there,
with nobody at the other end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from ...stacks import libc
from .places import Places, within

STAGE = "/dev/shm"  # covered in the worker's own view
_NEWNS = 0x20000
_RDONLY, _NOSUID, _NODEV, _REC, _PRIVATE = 1, 2, 4, 1 << 14, 1 << 18
_DETACH = 2  # umount2(2)
_MOST = 200  # files that are read, folders that are looked into, entries of each
_MOST_BYTES = 16 << 10  # of a file
HARDWARE = ("/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm")  # how many processors, how much memory


@dataclass
class Trees:
    """From where each visible path can be bound; `plain` are those folders that are no overlay, and `why` not."""

    sources: dict[str, str] = field(default_factory=dict)
    plain: list[str] = field(default_factory=list)
    why: str = ""


def cover_stage(size: int) -> None:
    """Give the calling process, which has one thread, a view of its own in which STAGE is an empty folder in memory.

    `size` is how many bytes of files there may be. It ends with the process. Raises OSError where that is refused.
    """
    libc.call("unshare", _NEWNS)
    _mount("none", "/", None, _REC | _PRIVATE)
    _mount("tcploop", STAGE, "tmpfs", _NOSUID | _NODEV, f"size={size},mode=755")
    os.mkdir(f"{STAGE}/empty")


def trees(seen: Places) -> Trees:
    """Return the trees that are seen. The stage must be covered."""
    made = Trees()
    for path in seen.read:
        if not os.path.isdir(path):
            if os.path.isfile(path):  # a socket that is mounted somewhere is not seen
                made.sources[path] = path
            continue
        made.sources[path] = tempfile.mkdtemp(dir=STAGE)
        try:
            _overlay(path, made.sources[path])
        except OSError as error:
            made.sources[path] = path
            made.plain.append(path)
            made.why = f"no overlay of {path} can be mounted ({error.strerror})"
    return made


@contextlib.contextmanager
def fresh(path: str, size: int) -> Iterator[None]:
    """Make an empty folder, in memory where that is allowed, of so many bytes; it is gone with the block."""
    os.makedirs(path, exist_ok=True)
    away: Callable[[], object] = partial(libc.call, "umount2", path.encode(), _DETACH)
    try:
        _mount("tcploop", path, "tmpfs", _NOSUID | _NODEV, f"size={size},mode=1777")
    except OSError:
        away = partial(shutil.rmtree, path, ignore_errors=True)
    try:
        yield
    finally:
        away()


def left_in(folders: Sequence[str]) -> str:
    """Return what stands in the files there: the beginning of each, and of some hundred files at the most.

    No link is followed, nothing is waited for, and what cannot be read is left out. Names are too: those of temporary
    files differ from run to run.
    """
    return "\n".join(filter(None, map(_beginning, islice(_files(folders), _MOST))))


def _files(folders: Sequence[str]) -> Iterator[str]:
    waiting, looked = list(folders), 0
    while waiting and looked < _MOST:
        looked += 1
        with contextlib.suppress(OSError), os.scandir(waiting.pop(0)) as entries:
            for entry in sorted(islice(entries, _MOST), key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path


def _beginning(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        whole = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return file.read(_MOST_BYTES).decode(errors="replace") if whole else ""


def words(seen: Places, made: Trees, own: tuple[str, str], size: int) -> list[str]:
    """Return what bubblewrap is told: these trees, and nothing else of the machine; a parent before what is in it.

    `own` are the folders that are HOME and TMPDIR inside.
    """
    empty = ["--size", str(size), "--perms", "1777", "--tmpfs"]
    steps = {path: ["--ro-bind", source, path] for path, source in made.sources.items()}
    steps |= {
        "/var/tmp": [*empty, "/var/tmp"],
        seen.home: ["--bind", own[0], seen.home],
        "/tmp": ["--bind", own[1], "/tmp"],
    }
    steps |= {link: ["--symlink", target, link] for link, target in seen.links}
    steps |= {path: ["--bind", path, path] for path in seen.shares}
    steps |= {path: ["--ro-bind-try", path, path] for path in HARDWARE}
    steps |= {path: _mask(path) for path in seen.masked if any(within(path, tree) for tree in made.sources)}
    # Settings of the kernel may be written by whoever has root's number, with or without rights.
    told = ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev", *empty, "/dev/shm"]
    told += [word for path in sorted(steps) for word in steps[path]]
    return [*told, "--dir", "/run", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", seen.folder]


def _mask(path: str) -> list[str]:
    return ["--tmpfs", path, "--remount-ro", path] if os.path.isdir(path) else ["--ro-bind", "/dev/null", path]


def _overlay(path: str, target: str) -> None:
    descriptor = os.open(path, os.O_PATH)  # a path of its own might have signs that overlayfs reads as several
    try:
        lower = f"lowerdir={STAGE}/empty:/proc/self/fd/{descriptor}"
        _mount("overlay", target, "overlay", _RDONLY | _NOSUID | _NODEV, lower)
    finally:
        os.close(descriptor)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = [text and text.encode() for text in (source, target, kind)]
    libc.call("mount", *arguments, flags, data and data.encode())
