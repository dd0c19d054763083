"""The layers of the sandbox, one class each: what it is called, how it is applied, and whether it is there.

`apply` adds to the plan what the layer needs. `missing` looks at what a process inside found (`inside.facts`) and
returns why the layer is not there, "" if it is: what was asked for is no proof.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import landlock, mounts, system_calls
from .places import Places
from .wanted import Sandbox

_PROCESSES_BOUND_SINCE = (6, 14)  # pid_max is the process namespace's own (merge c625aa27 of Linux)
_FEWEST_NUMBERS = 301  # the kernel's lower bound of pid_max


@dataclass
class Plan:
    """What is done to get in: told to bubblewrap, given as environment, applied from inside.

    `bubblewrap` is its path, "" where it is not used, and then `without` says why. `outside` has the lab's namespaces.
    `stage` is a folder of this audit, in memory where the system allows.
    """

    wanted: Sandbox
    seen: Places
    outside: Mapping[str, str]
    bubblewrap: str
    without: str
    trees: mounts.Trees
    stage: str
    words: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def own(self) -> tuple[str, str]:
        """Where HOME and TMPDIR are seen from outside."""
        return f"{self.stage}/home", f"{self.stage}/tmp"


_Facts = Mapping[str, Any]


class Layer:
    """One thing that a program does not get."""

    name = ""

    def apply(self, plan: Plan) -> None:
        """Add to the plan what it needs."""

    def missing(self, plan: Plan, facts: _Facts) -> str:
        """Return why it is not there, "" if it is."""
        raise NotImplementedError


class _Namespace(Layer):
    """A namespace of its own (namespaces(7)); that of the network is the worker's."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self._kind = name, kind

    def apply(self, plan: Plan) -> None:
        """Let bubblewrap make it; without that `entrance.unshare` does."""
        if self._kind != "net":
            plan.words.append(f"--unshare-{self._kind}")

    def missing(self, plan: Plan, facts: _Facts) -> str:
        same = facts["namespaces"][self._kind] == plan.outside[self._kind]
        return "it is the lab's own" if same else ""


class _ReadOnlyFiles(Layer):
    """The system's files, read-only and without homes and secrets, in a view built by bubblewrap."""

    name = "read-only file system"

    def apply(self, plan: Plan) -> None:
        if plan.bubblewrap:
            plan.words += mounts.words(plan.seen, plan.trees, plan.own, plan.wanted.limits["file-size"])

    def missing(self, plan: Plan, facts: _Facts) -> str:
        if not plan.bubblewrap:
            return plan.without
        open_ones = [path for path in ("/", *plan.trees.sources) if "ro" not in _mount_of(facts, path)[1]]
        return f"{open_ones[0]} can be written" if open_ones else ""


class _NoHostSockets(Layer):
    """Overlays, through which no Unix socket of the host answers; without bubblewrap a rule of Landlock's."""

    name = "no Unix sockets of the host"

    def missing(self, plan: Plan, facts: _Facts) -> str:
        if not plan.bubblewrap:
            held = landlock.version() >= landlock.KNOWS_SOCKETS and not _refused(facts, "files")
            return "" if held else plan.without
        plain = [path for path in plan.trees.sources if os.path.isdir(path) and _mount_of(facts, path)[0] != "overlay"]
        return plan.trees.why or (f"{plain[0]} is no overlay" if plain else "")


def _mount_of(facts: _Facts, path: str) -> tuple[str, list[str]]:
    found: tuple[str, list[str]] = facts["mounts"].get(path, ("", []))
    return found


class _OwnHome(Layer):
    """A HOME and a TMPDIR in memory, empty at the start, that vanish with the last process."""

    name = "own HOME and TMPDIR"

    def apply(self, plan: Plan) -> None:
        """Name them; the mounts are those of the file system, or of the worker."""
        plan.environment |= dict(zip(("HOME", "TMPDIR"), _own(plan), strict=True))

    def missing(self, plan: Plan, facts: _Facts) -> str:
        kinds = {_mount_of(facts, place)[0] for place in _own(plan)}
        return "" if kinds == {"tmpfs"} else "no folder in memory can be had for them"


def _own(plan: Plan) -> tuple[str, str]:
    return (plan.seen.home, "/tmp") if plan.bubblewrap else plan.own


class _Environment(Layer):
    """The variables of a list, and those that were named."""

    name = "environment from a list"

    def missing(self, plan: Plan, facts: _Facts) -> str:
        more = set(facts["environment"]) - set(plan.environment) - {"PWD", "LC_CTYPE"}  # bubblewrap's, Python's own
        return f"{min(more)} came along" if more else ""


class _NoNewPrivileges(Layer):
    """No set-user-id program gives rights, and root's are gone but for two in the private network."""

    name = "no new privileges"

    def apply(self, plan: Plan) -> None:
        """Give them up; until then root needs some to enter."""
        plan.settings["privileges"] = True
        if plan.bubblewrap:
            plan.words += ["--cap-drop", "ALL"]
        if plan.bubblewrap and os.geteuid() == 0:
            for right in ("CAP_SYS_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW"):
                plan.words += ["--cap-add", right]

    def missing(self, plan: Plan, facts: _Facts) -> str:
        return "" if facts["no_new_privs"] == 1 else _refused(facts, "privileges")


class _Landlock(Layer):
    """Files and other processes, once more, by rules that need no namespace."""

    name = "Landlock"

    def apply(self, plan: Plan) -> None:
        """Make the rules: all may be seen where the view was built for it."""
        if not landlock.version():
            return
        if plan.bubblewrap:
            see, write, use = ["/"], ["/tmp", "/var/tmp", "/dev/shm", plan.seen.home], ["/dev"]
        else:
            see, write = [*plan.seen.read, "/dev", "/proc", *mounts.HARDWARE], list(_own(plan))
            use = ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty"]
        plan.settings["files"] = landlock.rules(see, [*write, *plan.seen.shares], use)

    def missing(self, plan: Plan, facts: _Facts) -> str:
        return _refused(facts, "files") if "files" in plan.settings else "this kernel has none"


class _SystemCalls(Layer):
    """A filter of system calls."""

    name = "seccomp"

    def apply(self, plan: Plan) -> None:
        if not system_calls.why_no_filter():
            plan.settings["calls"] = system_calls.program(plan.wanted.strict).hex()

    def missing(self, plan: Plan, facts: _Facts) -> str:
        return "" if facts["seccomp"] == 2 else system_calls.why_no_filter() or _refused(facts, "calls")


class _Limits(Layer):
    """Limits of memory and of files (setrlimit(2)); what is printed the lab counts."""

    name = "limits of memory, file size and output"

    def apply(self, plan: Plan) -> None:
        """Set them, hard ones too; one that this process has already, and may not raise, stays if it is lower."""
        most = plan.wanted.limits
        limits = {
            "RLIMIT_NPROC": most["processes"],
            "RLIMIT_DATA": most["memory"],
            "RLIMIT_FSIZE": most["file-size"],
            "RLIMIT_CORE": 0,
        }
        plan.settings["limits"] = {name: _at_most(name, limit) for name, limit in limits.items()}

    def missing(self, plan: Plan, facts: _Facts) -> str:
        wanted = {name: [most, most] for name, most in plan.settings["limits"].items()}
        return "" if facts["limits"] == wanted else _refused(facts, "limits")


def _at_most(name: str, limit: int) -> int:
    import resource  # Windows has none, and loads this file

    hard = resource.getrlimit(getattr(resource, name))[1]
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)


class _LimitOfProcesses(Layer):
    """How many processes and threads there may be. RLIMIT_NPROC does not bound root (setrlimit(2))."""

    name = "limit of processes"

    def apply(self, plan: Plan) -> None:
        """Bound root by the numbers that its process namespace has."""
        if os.geteuid() == 0 and plan.bubblewrap and _release() >= _PROCESSES_BOUND_SINCE:
            plan.settings["processes"] = max(plan.wanted.limits["processes"], _FEWEST_NUMBERS)

    def missing(self, plan: Plan, facts: _Facts) -> str:
        """See whether it was refused; for others than root it is one of the limits."""
        if os.geteuid() != 0:
            return ""
        why = f"root's processes can be bounded with bubblewrap, since Linux {_PROCESSES_BOUND_SINCE}"
        return _refused(facts, "processes") if "processes" in plan.settings else why


def _release() -> tuple[int, ...]:
    parts = platform.release().split("-")[0].split(".")
    return tuple(int(part) if part.isdigit() else 0 for part in parts[:2])


def _refused(facts: _Facts, step: str) -> str:
    return str(facts["refused"].get(step, ""))


LAYERS: tuple[Layer, ...] = (
    _Namespace("private network", "net"),
    _Namespace("process namespace", "pid"),
    _Namespace("IPC namespace", "ipc"),
    _Namespace("UTS namespace", "uts"),
    _ReadOnlyFiles(),
    _NoHostSockets(),
    _OwnHome(),
    _Environment(),
    _NoNewPrivileges(),
    _Landlock(),
    _SystemCalls(),
    _Limits(),
    _LimitOfProcesses(),
)
