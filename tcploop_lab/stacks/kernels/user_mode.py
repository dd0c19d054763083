"""A kernel that is an ordinary program: user-mode Linux, with the host's files as its root, read-only.

Sources: Documentation/virt/uml/user_mode_linux_howto_v2.rst, Documentation/admin-guide/kernel-parameters.txt and
arch/um of the kernel.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from . import fetch
from .program import Program, no_place
from .table import Release

CONSOLE = "tty/tty1"  # in /sys/class: the second console
MEMORY = 256  # MiB that it may use; what it does not touch is not taken
START_TIMEOUT = 20.0  # seconds; it is up in one or two
# What nobody needs here: a race of RAID 6 algorithms, which took 1.3 of the 2 s of 5.10's start (7.x has another name
# for it), and 256 terminals of the old kind.
_LEFT_OUT = ("initcall_blacklist=raid6_select_algo,raid6_init", "pty.legacy_count=0")
_INIT = "#!/bin/sh\nexec {python} -I {guest}\n"


def program(release: Release, files: Path, place: Path, guest: str, channel: int) -> Program:
    """Return the program of a kernel that runs `guest`, the lab's part in it, with a console on `channel`."""
    script, init = place / "guest.py", place / "init"
    try:
        script.write_text(guest)
        init.write_text(_INIT.format(python=shlex.quote(sys.executable), guest=shlex.quote(str(script))))
        init.chmod(0o700)
    except OSError as error:
        raise no_place(error) from None
    own_library = {} if release.library is None else {"LD_LIBRARY_PATH": "."}
    options = (
        f"mem={MEMORY}M", "umid=lab", f"uml_dir={place}/", "root=/dev/root", "rootfstype=hostfs",
        "rootflags=/", "ro", f"init={init}", "con=null", "con0=null,fd:1",
        f"con1=fd:{channel},fd:{channel}",
        "quiet", "panic=-1", "random.trust_cpu=on", *_LEFT_OUT,
    )  # fmt: skip
    return Program(("./linux.uml", *options), {**own_library, **fetch.preloaded(files)})
