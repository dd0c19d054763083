"""The way into the sandbox: what to start so that a program runs inside, and which layers it has there.

All of this runs in the worker. Which layers there are is found out by a trial: a process that goes in and looks.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from ...errors import NotOnThisTestbed
from ..supervisor import enter_process_namespace
from . import mounts
from .layers import LAYERS, Plan
from .places import Places, places
from .wanted import Sandbox

_INSIDE = str(Path(__file__).with_name("inside.py"))  # not imported: Windows loads this, and has no limits
_NEWUTS, _NEWIPC = 0x04000000, 0x08000000
_NAMESPACES = ("net", "pid", "ipc", "uts")
_NO_BUBBLEWRAP = "bubblewrap is not installed: install the package bubblewrap"
_SECONDS = 20.0  # for the trial, which takes a tenth of one


@dataclass(frozen=True)
class Entrance:
    """How to start a Python file inside; `layers` are active then, `missing` says by name why others are not."""

    plan: Plan
    layers: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The program's environment."""
        return self.plan.environment

    @property
    def folder(self) -> str:
        """Where to start it."""
        seen = self.plan.seen
        return "/" if self.plan.bubblewrap else self.environment["HOME"] if seen.folder == seen.home else seen.folder

    @contextlib.contextmanager
    def folders(self) -> Iterator[tuple[str, ...]]:
        """Yield where HOME and TMPDIR of one use are seen from outside: empty, and gone with the block."""
        with contextlib.ExitStack() as stack:
            for path in self.plan.own:
                stack.enter_context(mounts.fresh(path, self.plan.wanted.limits["file-size"]))
            yield self.plan.own

    def words(self, *program: str) -> list[str]:
        """Return the command that runs the supervisor, its file and its arguments, inside."""
        plan = self.plan
        first = [plan.bubblewrap, "--die-with-parent", "--as-pid-1", *plan.words, "--"] if plan.bubblewrap else []
        return [*first, sys.executable, "-I", "-S", _INSIDE, json.dumps(plan.settings), *program]

    def leave(self, status: int) -> None:
        """Between fork() and exec(): leave the lab's namespaces, where bubblewrap does not see to it.

        Where the processes cannot have one of their own, `status` is told and the process ends.
        """
        if not self.plan.bubblewrap:
            for flag in (_NEWIPC, _NEWUTS):
                ctypes.CDLL(None).unshare(flag)  # each alone: one that is refused keeps no other back
            enter_process_namespace(status)


@dataclass(frozen=True)
class Asked:
    """What the sandbox is for; `look` returns what the command sees, as it was when it was first asked.

    `forget` lets it look again.
    """

    wanted: Sandbox
    look: Callable[..., Places]
    forget: Callable[[], None]
    environment: Mapping[str, str]
    lab: Mapping[str, str]
    stage: str

    def plan(self, bubblewrap: str, without: str) -> Plan:
        """Return a plan that has no layer yet."""
        seen = self.look(apart=not bubblewrap)
        trees = mounts.trees(seen) if bubblewrap else mounts.Trees()
        return Plan(self.wanted, seen, self.lab, bubblewrap, without, trees, self.stage, [], dict(self.environment))


def outside() -> dict[str, str]:
    """Return the numbers of the calling process's namespaces, to compare those inside with."""
    return {name: os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES}


@contextlib.contextmanager
def entrance(
    wanted: Sandbox,
    command: str,
    folder: str,
    own: Sequence[str],
    environment: Mapping[str, str],
    lab: Mapping[str, str],
) -> Iterator[Entrance]:
    """Yield the way in, for a command that is started in `folder`; `own` are more paths that it reads.

    With bubblewrap if that works here, which is tried once. It may be used more than once: each use is one of
    `Entrance.folders`. Raises NotOnThisTestbed if all layers are wanted, and one is missing.
    """
    look = cache(partial(places, command, folder, own, wanted.shares))
    with _stage(look(apart=False), wanted.limits["file-size"]) as (stage, why_no_stage):
        found = shutil.which("bwrap") or ""
        without = why_no_stage or ("" if found else _NO_BUBBLEWRAP)
        asked = Asked(wanted, look, look.cache_clear, environment, lab, stage)
        way = _tried(asked, "" if without else found, without)
        if wanted.strict and way.missing:
            name, why = next(iter(way.missing.items()))
            raise NotOnThisTestbed(f"strict: the layer {name!r} is missing: {why}; or leave --strict out")
        yield way


@contextlib.contextmanager
def _stage(seen: Places, size: int) -> Iterator[tuple[str, str]]:
    """Yield a folder of this audit, and why it is not in memory, "" if it is."""
    with contextlib.ExitStack() as stack:
        try:
            if any(path.startswith(mounts.STAGE) for path in seen.read):
                raise OSError(None, f"what the program needs lies in {mounts.STAGE}")
            mounts.cover_stage(size)
            stage, why = mounts.STAGE, ""
        except OSError as error:
            stage = stack.enter_context(tempfile.TemporaryDirectory(prefix="tcploop-audit-"))
            why = f"no file system of its own can be made ({error.strerror})"
        yield stage, why


def _tried(asked: Asked, bubblewrap: str, without: str, tries: int = 3) -> Entrance:
    """Return a way in that was tried: with bubblewrap, or without if that is refused.

    It is refused, too, where a file that it was told of went away meanwhile: so it is asked more than once.
    """
    plan = asked.plan(bubblewrap, without)
    for layer in LAYERS:
        layer.apply(plan)
    try:
        with (way := Entrance(plan)).folders():
            facts = _trial(way)
    except BlockingIOError:
        raise
    except OSError as error:
        asked.forget()
        if bubblewrap and tries > 1:
            return _tried(asked, bubblewrap, without, tries - 1)
        if not bubblewrap:
            raise _why_none(str(error.strerror)) from None
        return _tried(asked, "", f"bubblewrap is refused here ({error.strerror})")
    missing = {layer.name: why for layer in LAYERS if (why := layer.missing(plan, facts))}
    return Entrance(plan, tuple(layer.name for layer in LAYERS if layer.name not in missing), missing)


def _why_none(said: str) -> Exception:
    """Return what to raise where not even a process without bubblewrap gets in."""
    if said.startswith("refused "):
        return no_process_namespace(int(said.split()[1]))
    if os.strerror(errno.EAGAIN) in said:
        return BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return NotOnThisTestbed(f"no sandbox can be made for the program here: {said}")


def no_process_namespace(error: int) -> NotOnThisTestbed:
    """Return what is raised where the program's processes cannot be kept together."""
    return NotOnThisTestbed(
        f"a private process namespace is refused here: {os.strerror(error)}; "
        "tcploop doctor says what this machine can do"
    )


def _trial(way: Entrance) -> dict[str, Any]:
    """Return what a process finds inside. Raises OSError, with the last words of whoever refused."""
    try:
        done = subprocess.run(
            way.words(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS,
            preexec_fn=lambda: way.leave(2), cwd=way.folder, env=way.environment,
        )  # fmt: skip
        facts: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise OSError(None, f"it took more than {_SECONDS:g} s") from None
    except ValueError:
        raise OSError(None, (done.stderr.strip().splitlines() or ["no reason was given"])[-1]) from None
    return facts
