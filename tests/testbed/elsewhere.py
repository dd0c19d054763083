"""The doctor, run as a program of its own in a place that a test has made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHOW = """
import tcploop_lab as lab
result = lab.doctor()
print(result.testbed)
for item in result.missing:
    print(item.name, "|", item.detail, "|", item.fix)
"""
PYTHON = [sys.executable, "-c", SHOW]
NO_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def doctor_by(command: list[str]) -> tuple[str, dict[str, str]]:
    """Run the doctor behind this command, and return its testbed and what is missing, with the way out of each."""
    where = {"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    where["PATH"] = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # sysctl, chroot
    done = subprocess.run(
        [*command, *PYTHON], capture_output=True, text=True, timeout=60, env=os.environ | where, cwd="/tmp"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return lines[0], dict(line.split(" | ", 1) for line in lines[1:])


def after(setup: str, *rights: str) -> list[str]:
    """The command that makes a place, as root of new namespaces; `rights` is a command that limits what follows."""
    script = f'{setup} && exec "$@"'
    own = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
    return [*own, "sh", "-c", script, "sh", *rights]


def doctor_after(setup: str, *rights: str) -> tuple[str, dict[str, str]]:
    """What the doctor finds in the place that `after` makes."""
    return doctor_by(after(setup, *rights))
