"""The last steps into the sandbox, made by the process that becomes the supervisor: with only the standard library.

    python -I -S inside.py SETTINGS-AS-JSON [SUPERVISOR STATUS-DESCRIPTOR COMMAND ...]

It gives up what it was told to, and goes on as the supervisor, whose file is SUPERVISOR; without one it prints as JSON
what it sees of the sandbox from inside. An audit starts this some twenty times, so it imports little: runpy and typing
cost as much as the start of Python.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PR_GET_NO_NEW_PRIVS, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_GET_SECCOMP, _FILTER = 39, 38, 22, 21, 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF, _PATH_BENEATH = 444, 445, 446, 1
_KEPT = 1 << 10 | 1 << 13  # CAP_NET_BIND_SERVICE, CAP_NET_RAW: root keeps them, for the private network alone
_VERSION_3 = 0x20080522  # of capset(2)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def enter(settings: dict[str, Any]) -> dict[str, str]:
    """Apply all layers that are applied from inside; return those that were refused, with the reason."""
    refused = {}
    for name, step in _STEPS.items():
        try:
            if name in settings:
                step(settings[name])
        except OSError as error:
            refused[name] = error.strerror or str(error)
    return refused


def facts() -> dict[str, Any]:
    """Return what can be seen of the layers from inside."""
    import resource

    if os.fork() == 0:  # a process namespace has a number once somebody is in it
        os._exit(0)
    with open("/proc/self/mountinfo") as lines:
        mounts = [line.split(" - ") for line in lines]
    return {
        "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in ("net", "ipc", "uts", "mnt")}
        | {"pid": os.readlink("/proc/self/ns/pid_for_children")},
        "mounts": {_plain(left.split()[4]): [right.split()[0], left.split()[5].split(",")] for left, right in mounts},
        "no_new_privs": _libc().prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        "seccomp": _libc().prctl(_PR_GET_SECCOMP, 0, 0, 0, 0),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS},
        "environment": sorted(os.environ),
    }


_LIMITS = ("RLIMIT_NPROC", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_CORE")


def _plain(path: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, sign)
    return path


def _bound_processes(most: int) -> None:
    """Root is not counted by RLIMIT_NPROC: let the process namespace have no more numbers (since Linux 6.14)."""
    if os.getpid() != 1:
        raise OSError(1, "there is no process namespace to bound")
    os.mkdir("/tmp/proc")
    _call(_libc().mount(b"proc", b"/tmp/proc", b"proc", 0, None))
    try:
        with open("/tmp/proc/sys/kernel/pid_max", "w") as file:
            file.write(str(most))
    finally:
        _call(_libc().umount2(b"/tmp/proc", 0))
        os.rmdir("/tmp/proc")


def _limit(limits: dict[str, int]) -> None:
    import resource  # Windows has none, and loads this file

    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, this is what the kernel ends
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, name), (most, most))


def _give_up(_: bool) -> None:
    _call(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    kept = _KEPT if os.geteuid() == 0 else 0
    header, sets = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _call(_libc().capget(header, sets))
    _call(_libc().capset(header, (ctypes.c_uint32 * 6)(sets[0] & kept, sets[1] & kept)))


def _landlock(wanted: dict[str, Any]) -> None:
    attributes = struct.pack("QQQ", wanted["handled"], 0, wanted["scoped"])[: wanted["size"]]
    ruleset = _call(_libc().syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    for path, rights in wanted["paths"]:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed = rights if stat.S_ISDIR(os.fstat(place).st_mode) else rights & wanted["file"]
        _call(_libc().syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, place), 0))
        os.close(place)
    _call(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _call(_libc().syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _filter(code: str) -> None:
    program = bytes.fromhex(code)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    _call(_libc().prctl(_PR_SET_SECCOMP, _FILTER, header, 0, 0))


def _call(answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


_STEPS: dict[str, Callable[[Any], None]] = {
    "processes": _bound_processes,
    "limits": _limit,
    "privileges": _give_up,
    "files": _landlock,
    "calls": _filter,
}

if __name__ == "__main__":
    refused = enter(json.loads(sys.argv[1]))
    if len(sys.argv) == 2:
        print(json.dumps(facts() | {"refused": refused}))
    else:
        program, number, *command = sys.argv[2:]
        sys.path.append(os.path.dirname(program))
        import supervisor  # type: ignore[import-not-found]  # a module has its bytecode; a file is compiled each time

        supervisor.main(int(number), command)
