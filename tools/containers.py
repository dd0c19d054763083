"""Builds the course's image and tries it under the flags that matter: the table of docs/containers.md.

As root, with podman and debootstrap: no registry is asked for an image, the base is made here. --docker-profile takes
Docker's own filter of system calls, seccomp/default.json of https://github.com/moby/profiles.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import marked  # beside this file

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "containers.md"
BASE, IMAGE = "localhost/tcploop-base", "localhost/tcploop-lab"
PATHS, OPEN = "--security-opt systempaths=unconfined", "--security-opt seccomp=unconfined"
SYSCTL = "--sysctl net.ipv4.ip_local_port_range='40000 40099'"
CLIENT = "import socket; socket.create_connection(('127.0.0.1', {port})).send(b'hi')"
STEPS = {
    "doctor": "doctor --json",
    "connect": "connect 40000 --range 40000-40099 --json",
    "capture": "capture 40000 --range 40000-40099 --json",
    "audit": f"audit --json -- python3 -c {shlex.quote(CLIENT)}",
}
END_OF_STEP = "--"  # what a step prints before it is one line of JSON, or nothing
# Whether Docker's filter stands in place of podman's, and the flags beside it.
ROWS = (
    *((False, flags) for flags in ("", PATHS, OPEN, f"{OPEN} {PATHS}", SYSCTL, "--cap-drop=ALL")),
    *((True, flags) for flags in ("", PATHS, SYSCTL)),
)


def build(more: list[str]) -> None:
    """Make the base where it is not there, and the image from it."""
    if subprocess.run(["podman", "image", "exists", BASE]).returncode:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["debootstrap", "--variant=minbase", "bookworm", f"{folder}/root"], check=True)
            packed = f"{folder}/root.tar"
            subprocess.run(["tar", "-C", f"{folder}/root", "-cf", packed, "."], check=True)
            subprocess.run(["podman", "import", packed, BASE], check=True)
    subprocess.run(["podman", "build", *more, f"--build-arg=BASE={BASE}", f"--tag={IMAGE}", "."], cwd=ROOT, check=True)


def tried(flags: list[str], user: int) -> dict[str, str]:
    """What each step gives in a container with these flags, as this user, in a few words."""
    steps = "; ".join(f"tcploop {step} 2> /dev/null; echo {END_OF_STEP}" for step in STEPS.values())
    command = ["podman", "run", "--rm", f"--user={user}", *flags, IMAGE, "sh", "-c", steps]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    answers = printed.split(f"{END_OF_STEP}\n")[:-1]
    return {name: said(name, answer) for name, answer in zip(STEPS, answers, strict=True)}


def said(name: str, answer: str) -> str:
    """One answer in a few words; refused where there is none."""
    if not answer:
        return "refused"
    found = json.loads(answer)
    if name == "doctor":
        own = next(one["ok"] for one in found["capabilities"] if one["name"] == "own port range")
        return f"{found['testbed']}, {'a' if own else 'no'} range of its own"
    return str(found["verdict"] if name == "audit" else found["stack"])


def table(own: list[str], profile: str) -> str:
    """The rows, root and ordinary user together where both get the same."""
    lines = ["| flags of `run` | user | doctor | connect | capture | audit |", "| --- | --- | --- | --- | --- | --- |"]
    for docker, flags in ROWS if profile else [row for row in ROWS if not row[0]]:
        words = [*own, *shlex.split(flags), *([f"--security-opt=seccomp={profile}"] if docker else [])]
        found = {name: list(tried(words, user).values()) for name, user in (("root", 0), ("ordinary", 1000))}
        shown = ("Docker's filter, " if docker else "") + (f"`{flags}`" if flags else "no flag")
        rows = {"both": found["root"]} if found["root"] == found["ordinary"] else found
        lines += [f"| {shown} | {' | '.join([name, *cells])} |" for name, cells in rows.items()]
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> int:
    """Build, try, and store the table."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--build-args", default="", help="more arguments of podman build, in one string")
    reader.add_argument("--run-args", default="", help="more arguments of podman run, in one string")
    reader.add_argument("--docker-profile", default="", help="the path of Docker's seccomp/default.json")
    given = reader.parse_args()
    missing = [name for name in ("podman", "debootstrap") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        print(f"this needs root, podman and debootstrap; not here: {', '.join(missing) or 'root'}", file=sys.stderr)
        return 3
    build(shlex.split(given.build_args))
    marked.write(PAGE, "containers", table(shlex.split(given.run_args), given.docker_profile))
    return 0


if __name__ == "__main__":
    sys.exit(main())
