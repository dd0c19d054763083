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


def content(path: str | os.PathLike[str], largest: int, what: str) -> bytes:
    """Return what a file holds. ValueError, in one line, if there is none, or it is empty or over `largest` bytes."""
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
    return within(path, found, largest)


def within(path: str | os.PathLike[str], found: bytes, largest: int) -> bytes:
    """Return `found`. ValueError, in one line, if it is over `largest` bytes."""
    if len(found) > largest:
        raise ValueError(
            f"file {path}: over {largest >> 20} MiB, unpacked; cut it first, as with tcpdump -r FILE -w PART"
        )
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
    there = bool(kind_at(path))
    with _one_line(path):
        open(path, "ab" if there else "xb").close()
        if not there:
            os.unlink(path)


@contextlib.contextmanager
def written(path: str | os.PathLike[str], force: bool = False) -> Iterator[IO[bytes]]:
    """Open a new file for bytes; half of one is not left behind. ValueError, in one line, if it cannot be written."""
    must_be_new(path, force)
    with _one_line(path), open(path, "wb" if force else "xb") as file:
        try:
            yield file
            file.close()  # a full disk may show only now
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise


@contextlib.contextmanager
def _one_line(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"file {str(path)!r}: {error.strerror}; {_WRITE}") from None
