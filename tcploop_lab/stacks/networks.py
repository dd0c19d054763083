"""The network namespaces of this machine, and whose their sockets are: what /proc tells this user. Nothing is written.

A namespace has a number, that of its /proc/PID/ns/net, which only root and the owner of the process may read. All may
read /proc/PID/net/tcp, and the number of that file differs between namespaces, too. Sources: proc(5), setns(2),
network_namespaces(7), ip-netns(8).
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from ..results.printable import printable
from . import libc

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_TIMEOUT = 20.0  # seconds; an interpreter is up in a tenth of one
_LONGEST_NAME = 40
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Place:
    """A network namespace: its name, how it is entered, and where its socket table can be read without entering it.

    `number` tells it from others. `entrance` is "" where this user may not know it, `table` where no process is in it.
    `own` is that of the caller.
    """

    number: int
    name: str
    entrance: str
    table: str
    own: bool = False

    @property
    def command(self) -> str:
        """What root writes before a command, so that it runs in there: nsenter(1); "" for the caller's own."""
        entrance = self.entrance or self.table.removesuffix("net") + "ns/net"
        return "" if self.own else f"nsenter --net={shlex.quote(entrance)} "


@dataclass(frozen=True)
class Owner:
    """A process that has a socket open."""

    pid: int
    program: str


def places() -> tuple[Place, ...]:
    """Return the network namespaces that this user may know of, the caller's own first.

    Raises FileNotFoundError where there is no /proc.
    """
    own = _number_of_table("thread-self")
    found = {own: Place(own, _name_of("thread-self"), "", "/proc/thread-self/net", True)}
    for pid in _threads():
        with contextlib.suppress(OSError):  # it has ended
            number = _number_of_table(pid)
            if number not in found:
                name = _name_of(pid)
                entrance = f"/proc/{pid}/ns/net" if name else ""
                found[number] = Place(number, name or f"network of process {pid}", entrance, f"/proc/{pid}/net")
    return (*found.values(), *_without_processes({place.name for place in found.values()}))


def hides_processes() -> bool:
    """Return whether this /proc keeps the processes of others from this user (hidepid, proc(5))."""
    try:
        _number_of_table("1")
    except OSError:
        return True
    return False


def inside(place: Place, function: Callable[[], _Answer]) -> _Answer:
    """Return what the function, which must be importable, answers inside that namespace.

    Root enters it with a thread. An ordinary user may enter those of its own user namespaces alone, and those with a
    process alone (setns(2)). Raises PermissionError where this user may not enter it, FileNotFoundError where it is
    gone, and what the function raises.
    """
    if place.own:
        return function()
    try:
        return _in_a_thread(place, function)
    except PermissionError:
        if not place.entrance or not place.table:
            raise
        return _in_a_process(place, function)


def _in_a_thread(place: Place, function: Callable[[], _Answer]) -> _Answer:
    def answer_there() -> _Answer:
        _enter(place.entrance, _CLONE_NEWNET)
        return function()

    with ThreadPoolExecutor(1) as thread:
        try:
            future = thread.submit(answer_there)
        except RuntimeError:  # no room for one (ulimit -u)
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
        return future.result()


def _in_a_process(place: Place, function: Callable[[], _Answer]) -> _Answer:
    """As a worker, an isolated interpreter whose program comes by stdin."""
    asked = place.entrance, function.__module__, function.__qualname__
    program = f"import sys; sys.path[:] = {sys.path!a}; from {__name__} import answer; answer{asked!a}"
    command = [sys.executable, "-I", "-"]
    try:
        done = subprocess.run(command, input=program.encode(), capture_output=True, timeout=_TIMEOUT, check=True)
    except subprocess.SubprocessError:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from None
    answered: _Answer = pickle.loads(done.stdout)
    return answered


def answer(entrance: str, module: str, name: str) -> None:
    """Enter the user namespace of a network, and the network; write what the function answers there on stdout."""
    user = entrance.removesuffix("net") + "user"
    _enter(user, _CLONE_NEWUSER)
    _enter(entrance, _CLONE_NEWNET)
    sys.stdout.buffer.write(pickle.dumps(getattr(import_module(module), name)()))


def owners(inodes: Collection[int]) -> dict[int, tuple[Owner, ...]]:
    """Return who has the sockets of these numbers open, as far as this user may know."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    found: dict[int, tuple[Owner, ...]] = {}
    for pid in _processes() if wanted else ():
        if held := wanted.keys() & _open_files(pid):
            owner = (Owner(int(pid), _program(pid)),)
            found.update({wanted[link]: found.get(wanted[link], ()) + owner for link in held})
    return found


def _processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdecimal()]


def _threads() -> Iterator[str]:
    """Each process and its other threads: of them any may be in a network of its own (setns(2))."""
    for pid in _processes():
        yield pid
        with contextlib.suppress(OSError):  # it has ended
            yield from set(os.listdir(f"/proc/{pid}/task")) - {pid}


def _open_files(pid: str) -> Iterator[str]:
    with contextlib.suppress(OSError):  # not this user's, or it has ended
        folder = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in os.listdir(folder):
                try:  # noqa: SIM105  (suppress() takes half as long as the link)
                    yield os.readlink(name, dir_fd=folder)
                except OSError:
                    pass  # closed meanwhile
        finally:
            os.close(folder)


def _program(pid: str) -> str:
    with contextlib.suppress(OSError):
        return printable(Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n"), _LONGEST_NAME)
    return ""


def _number_of_table(pid: str) -> int:
    return os.stat(f"/proc/{pid}/net/tcp").st_ino


def _name_of(pid: str) -> str:
    """The kernel's name, such as net:[4026531840]; "" where this user may not know it."""
    with contextlib.suppress(PermissionError):
        return os.readlink(f"/proc/{pid}/ns/net")
    return ""


def _without_processes(known: set[str]) -> Iterator[Place]:
    """Namespaces that only a mount keeps (nsfs), as those of `ip netns add`, wherever a program has put it."""
    for line in Path("/proc/thread-self/mountinfo").read_text(errors="surrogateescape").splitlines():
        name, written = line.split(" ")[3:5]
        if not name.startswith("net:[") or name in known:
            continue
        known.add(name)
        number, path = int(name[5:-1]), re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), written)
        with contextlib.suppress(OSError):
            if os.stat(path).st_ino == number:  # nothing is mounted above it
                yield Place(number, f"{name} ({printable(os.path.basename(path), _LONGEST_NAME)})", path, "")


def _enter(entrance: str, kind: int) -> None:
    """Move the calling thread into a namespace of this kind. OSError where that is refused."""
    if not entrance:
        raise PermissionError("this user may not know its number")
    descriptor = os.open(entrance, os.O_RDONLY)
    try:
        libc.call("setns", descriptor, kind)
    finally:
        os.close(descriptor)
