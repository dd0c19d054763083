"""Shuts a process in, and ends all that it started: run by `sandbox.py`, with only the standard library.

    python -I -S cage.py SETTINGS-AS-JSON

What is inside: a file system of its own in memory (mount_namespaces(7)) that has Python and the lab, to read, and an
empty home; a network with no way out, not even to itself; process numbers of its own (pid_namespaces(7)), so that all
ends with the first process; and limits (setrlimit(2)) of memory, processes, files and processor time. Root is left for
a user that owns nothing, and a filter (seccomp(2)) refuses the user's keys (keyrings(7)), which no namespace hides.
Exit code 120, with a line on stderr, if the system refuses any of it: then nothing ran.

Without a cage (`caged` is false) the program runs as it is; what it leaves behind, in whatever session, becomes a child
of this process, and is ended (PR_SET_CHILD_SUBREAPER of prctl(2)).
"""

import contextlib
import ctypes
import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
_FILTER = 2
NOBODYS = 1_000_000_000  # users from here on own nothing
_END = {signal.SIGTERM}
REFUSED = 120


def main(settings: dict[str, Any]) -> None:
    """Make the cage, fork into it, and wait for its first process."""
    if not settings["caged"]:
        _supervise(settings["command"])
    import resource

    root = os.geteuid() == 0
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEWNS | _NEWIPC | _NEWPID | _NEWNET | (0 if root else _NEWUSER))
    if not root:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _build(settings)
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGTERM)
    if child := _fork():
        os._exit(_wait_for(child))
    os.chroot(settings["root"])  # from here on no user namespace can be made either (clone(2), EPERM)
    os.chdir("/home/student")
    if root:
        os.setgroups([])
        os.setresgid(*[NOBODYS + settings["number"]] * 3)
        os.setresuid(*[NOBODYS + settings["number"]] * 3)
    for name, most in settings["limits"].items():
        resource.setrlimit(getattr(resource, name), (most, most))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _filter(bytes.fromhex(settings["filter"]))
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user forgets it
    os.execve(settings["command"][0], settings["command"], settings["environment"])


def _fork() -> int:
    """Return the number of a new process, and 0 in it. Here SIGTERM waits for the handler that `_wait_for` sets."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _END)
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
    return child


def _wait_for(child: int) -> int:
    """Wait for the child, which SIGTERM ends; return its exit code, 1 where a signal ended it.

    If it is the first process of a cage, the kernel ends all others with it.
    """
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
    _, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1


def _supervise(command: list[str]) -> NoReturn:
    """Run the command as a child; at its end, or at SIGTERM, end all that descends from it."""
    with contextlib.suppress(OSError, AttributeError):  # no Linux: its process group is what can be ended
        _call("prctl", _PR_SET_CHILD_SUBREAPER, 1)
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGTERM)
    if not (child := _fork()):
        os.execv(command[0], command)
    code = _wait_for(child)
    _end_descendants()
    os._exit(code)


def _end_descendants() -> None:
    """Stop them first, until nobody is new: who is stopped makes no other."""
    stopped: set[int] = set()
    while new := set(_descendants()) - stopped:
        for process in new:
            _tell(process, signal.SIGSTOP)
        stopped |= new
    for process in stopped:
        _tell(process, signal.SIGKILL)


def _tell(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or is another user's
        os.kill(process, number)


def _descendants() -> Iterator[int]:
    """The processes that descend from this one, those that lost their parents too."""
    parents = {}
    for name in filter(str.isdecimal, os.listdir("/proc") if os.path.isdir("/proc") else ()):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    found = [os.getpid()]
    for parent in found:
        found += (children := [one for one, its in parents.items() if its == parent])
        yield from children


def _filter(program: bytes) -> None:
    """Refuse the system calls that the program says, for ever; none if it is empty (no table for this machine)."""
    if program:
        buffer = ctypes.create_string_buffer(program, len(program))
        _call("prctl", _PR_SET_SECCOMP, _FILTER, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))


def _build(settings: dict[str, Any]) -> None:
    """The file system: empty, but for what may be read."""
    new = settings["root"]
    _mount("none", "/", None, _REC | _PRIVATE)
    _mount("cage", new, "tmpfs", _NOSUID | _NODEV, f"size={settings['megabytes']}m,mode=755")
    for source, target in settings["readable"]:
        _show(source, new + target)
    for link, target in settings["links"]:
        os.makedirs(os.path.dirname(new + link), exist_ok=True)
        os.symlink(target, new + link)
    for device in ("null", "zero", "urandom"):
        os.makedirs(new + "/dev", exist_ok=True)
        open(f"{new}/dev/{device}", "w").close()
        _mount(f"/dev/{device}", f"{new}/dev/{device}", None, _BIND)
    for folder in ("/home", "/home/student", "/tmp"):
        os.makedirs(new + folder, exist_ok=True)
        os.chmod(new + folder, 0o1777)
    for name, text in settings["files"].items():
        with open(f"{new}/home/student/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def _show(source: str, target: str) -> None:
    """Make a folder readable inside. What is mounted with more restrictions keeps them, as the kernel demands."""
    os.makedirs(target, exist_ok=True)
    _mount(source, target, None, _BIND)
    kept = os.statvfs(target).f_flag
    more = sum(flag for flag in (_NOSUID, _NODEV, 8, 1024, 2048) if kept & flag) | (1 << 21 if kept & 4096 else 0)
    _mount("none", target, None, _BIND | _REMOUNT | _RDONLY | more)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _call("mount", *[text and text.encode() for text in (source, target, kind)], flags, data and data.encode())


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}() said {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except (OSError, AttributeError, TypeError, ImportError) as refused:  # all but OSError: this is no Linux
        print(getattr(refused, "strerror", None) or refused, file=sys.stderr)
        os._exit(REFUSED)
