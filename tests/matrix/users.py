"""A real account of this machine, made with useradd, and the way to what it needs.

Where the tests run as an ordinary user, that user is the account.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NEWNS = 0x00020000
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18


class NoAccount(RuntimeError):
    """This machine makes no account for the tests."""


@cache
def account() -> pwd.struct_passwd:
    """Return the account, which is removed when this process ends; so is what a killed one left. Raises NoAccount."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for left in [one.pw_name for one in pwd.getpwall() if one.pw_name.startswith("matrix-")]:
        if not Path("/proc", left.removeprefix("matrix-")).exists():
            subprocess.run(["userdel", left], capture_output=True, check=False)
    name = f"matrix-{os.getpid()}"
    if shutil.which("useradd") is None:
        raise NoAccount("there is no useradd here; on Debian: apt install passwd")
    made = subprocess.run(["useradd", "--no-create-home", name], capture_output=True, text=True, check=False)
    if made.returncode:
        raise NoAccount(f"useradd: {made.stderr.strip()}")
    atexit.register(subprocess.run, ["userdel", name], capture_output=True)
    return pwd.getpwnam(name)


def give(folder: Path, owner: pwd.struct_passwd) -> None:
    """Make a folder and all in it the account's own."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def become(name: str) -> None:
    """Be this account for good, with no right but its own; `HOME` is its home."""
    one = pwd.getpwnam(name)
    if os.geteuid() == one.pw_uid:
        return
    _open_the_way(ROOT, Path(sys.prefix), Path(os.environ["HOME"]))
    os.setgroups([one.pw_gid])
    os.setgid(one.pw_gid)
    os.setuid(one.pw_uid)


def _open_the_way(*targets: Path) -> None:
    """Let everybody reach these folders, seen from this process alone: a checkout may be in root's own home."""
    libc, here = ctypes.CDLL(None, use_errno=True), Path.cwd()
    if libc.unshare(_NEWNS) or libc.mount(None, b"/", None, _REC | _PRIVATE, None):
        raise OSError(ctypes.get_errno(), "a mount namespace of its own")
    opened = {target: os.open(target, os.O_PATH) for target in targets}
    for target, descriptor in opened.items():
        closed = next((parent for parent in reversed(target.parents) if not parent.stat().st_mode & 1), None)
        if closed is not None:
            libc.mount(b"none", bytes(closed), b"tmpfs", 0, b"mode=755")
        target.mkdir(parents=True, exist_ok=True)
        libc.mount(b"/proc/self/fd/%d" % descriptor, bytes(target), None, _BIND | _REC, None)
        os.close(descriptor)
    os.chdir(here)
