"""Files that the lab reads and writes: one rule for each, and one clear line where it does not hold.

What is read is a file, and not too large. What is written is new: whatever is at the path stays as it is, unless it is
a file and is to be replaced (force=True, --force). Pipes and devices are neither read nor written: they could wait.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import IO

_WRITE = "give a path that can be written"
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def kind_at(path: str | os.PathLike[str], follow: bool = True, way_out: str = _WRITE) -> str:
    """Return what is at a path, such as "a file"; empty if nothing is. ValueError, in one line, if none may know."""
    try:
        mode = os.stat(path, follow_symlinks=follow).st_mode
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise ValueError(f"file {str(path)!r}: {getattr(error, 'strerror', None) or error}; {way_out}") from None
    return _KINDS.get(stat.S_IFMT(mode), "a device")


def content(path: str | os.PathLike[str], largest: int, what: str, less: str = "give a smaller one") -> bytes:
    """Return what a file holds. ValueError, in one line, if there is none, or it is empty or over `largest` bytes.

    The line ends with `less` if it is too large.
    """
    way_out = f"give the path of {what}"
    kind = kind_at(path, way_out=way_out)
    if kind not in ("", "a file"):
        raise ValueError(f"file {str(path)!r}: it is {kind}, not a file; {way_out}")
    try:
        with open(path, "rb") as file:
            found = file.read(largest + 1)
    except OSError as error:
        raise ValueError(f"file {str(path)!r}: {error.strerror}; {way_out}") from None
    if not found:
        raise ValueError(f"file {path}: it is empty; give {what}")
    return within(path, found, largest, less)


def within(path: str | os.PathLike[str], found: bytes, largest: int, less: str, how: str = "") -> bytes:
    """Return `found`. ValueError, in one line that ends with `less`, over `largest` bytes, counted `how`."""
    if len(found) > largest:
        raise ValueError(f"file {path}: over {largest >> 20} MiB{how}; {less}")
    return found


def must_be_new(path: str | os.PathLike[str], force: bool = False) -> None:
    """Raise ValueError, in one line, unless a new file may be written at `path`. `force` lets a file be replaced."""
    kind = kind_at(path, follow=force)
    if kind not in ("", "a file", "a link"):
        raise ValueError(f"file {str(path)!r}: it is {kind}; {_WRITE}")
    if kind and not force:
        raise ValueError(f"file {str(path)!r}: it exists; give another path, or replace it (force=True, --force)")


def must_be_writable(path: str | os.PathLike[str], force: bool = False) -> None:
    """Raise ValueError, in one line, unless `written` can write there, found out by doing. Nothing is left or lost."""
    must_be_new(path, force)
    with _one_line(path):
        if kind_at(path):
            open(path, "ab").close()
        else:
            open(path, "xb").close()
            os.unlink(path)
        beside = _beside(path)
        open(beside, "xb").close()
        os.unlink(beside)


@contextlib.contextmanager
def written(path: str | os.PathLike[str], force: bool = False) -> Iterator[IO[bytes]]:
    """Open a new file for bytes; ValueError, in one line, if it cannot be written.

    It is written beside, and takes its place when all of it is on the disk: half of one is not left behind, and what
    it replaces stays as it was until then. Where a link leads, there it is written.
    """
    must_be_new(path, force)
    beside = _beside(path)
    with _one_line(path):
        try:
            with open(beside, "xb") as file:
                yield file
            with open(beside, "rb+") as file:  # whoever wrote may have closed it
                os.fsync(file.fileno())  # a full disk may show only now
            _put_in_place(beside, os.path.realpath(path), force)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(beside)


def _beside(path: str | os.PathLike[str]) -> str:
    """Return a path in the folder of the file that `path` leads to, and on its disk, at which nothing is."""
    return os.path.join(os.path.dirname(os.path.realpath(path)), f".tcploop-{os.urandom(4).hex()}")


def _put_in_place(beside: str, target: str, force: bool) -> None:
    if force:
        with contextlib.suppress(FileNotFoundError):
            os.chmod(beside, stat.S_IMODE(os.stat(target).st_mode))  # its readers stay the same
        os.replace(beside, target)
        return
    try:
        os.link(beside, target)  # unlike a rename it never replaces what somebody else has put there meanwhile
    except FileExistsError:
        raise
    except OSError:  # a disk without links
        must_be_new(target)
        os.replace(beside, target)


@contextlib.contextmanager
def set_aside(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let the block make a file anew; what was there before comes back unless something is there at the end."""
    if not kind_at(path):
        yield
        return
    path, beside = os.path.realpath(path), _beside(path)
    with _one_line(path):
        os.replace(path, beside)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(beside) if kind_at(path) else os.replace(beside, path)


@contextlib.contextmanager
def _one_line(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"file {str(path)!r}: {error.strerror}; {_WRITE}") from None
