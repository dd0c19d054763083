"""The real programs that are audited: how to build them, how to call them, which version they say they have.

The small clients in `clients/` do what a learner would write: connect, say hello, read the answer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from .audit import DEFAULT_ATTEMPTS

CLIENTS = Path(__file__).with_name("clients")
_HELLO = "exec 3<>/dev/tcp/127.0.0.1/{port}; echo hello >&3; read -r -t 3 line <&3; echo the server says $line"
_SSH = ("-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "-o", "StrictHostKeyChecking=no",
        "-o", "UserKnownHostsFile=/dev/null")  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A program to audit.

    `command` and `build` are words in which {port}, {clients} (the folder of the small clients) and {made} (a folder
    for what is built) are replaced; `version` is the command that says the version; `package` is Debian's;
    `module` is what Python needs to have; `attempts` is as for `audit`.
    """

    name: str
    command: tuple[str, ...]
    version: tuple[str, ...]
    package: str
    build: tuple[str, ...] = ()
    module: str = ""
    attempts: int = DEFAULT_ATTEMPTS

    @property
    def installed(self) -> bool:
        """True if all that it takes is here."""
        tools = (*self.command[:1], *self.version[:1], *self.build[:1])
        there = all(shutil.which(tool) for tool in tools if not tool.startswith("{"))
        builder = not self.build or _working(self.build[0], self.version) is not None
        return there and builder and (not self.module or find_spec(self.module) is not None)

    def words(self, words: tuple[str, ...], made: Path) -> list[str]:
        """Return some words of this program with the folders filled in."""
        filled = [word.replace("{clients}", str(CLIENTS)).replace("{made}", str(made)) for word in words]
        if self.build and filled[0] == self.build[0]:
            filled[0] = _working(self.build[0], self.version) or filled[0]
        return filled


@cache
def _working(tool: str, version: tuple[str, ...]) -> str | None:
    """The first compiler of this name that works: rustup's rustc is in the PATH even where it has no toolchain."""
    for path in (shutil.which(tool), f"/usr/bin/{tool}"):
        if path is not None and os.path.exists(path):
            asked = (path, *version[1:]) if version[0] == tool else (path, "--version")
            if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
                return path
    return None


def _python(name: str, client: str, module: str = "") -> Program:
    version = f"import {module} as it; print(it.__version__)" if module else "import sys; print(sys.version.split()[0])"
    command = (sys.executable, "{clients}/" + client, "{port}")
    return Program(name, command, (sys.executable, "-c", version), "python3", module=module)


_GO = Program(
    "Go net.Dial",
    ("{made}/go-client", "{port}"),
    ("go", "version"),
    "golang-go",
    ("go", "build", "-o", "{made}/go-client", "{clients}/client.go"),
    attempts=1,
)

PROGRAMS = (
    Program(
        "curl",
        ("curl", "--noproxy", "*", "-sS", "-m", "3", "http://127.0.0.1:{port}/"),
        ("curl", "--version"),
        "curl",
    ),
    Program(
        "wget",
        ("wget", "--no-proxy", "-t", "1", "-T", "3", "-O", "/dev/null", "http://127.0.0.1:{port}/"),
        ("wget", "--version"),
        "wget",
    ),
    Program(
        "nc -z (OpenBSD)",
        ("nc.openbsd", "-vz", "127.0.0.1", "{port}"),
        ("dpkg-query", "-W", "netcat-openbsd"),
        "netcat-openbsd",
    ),
    Program(
        "nc -z (traditional)",
        ("nc.traditional", "-vz", "127.0.0.1", "{port}"),
        ("dpkg-query", "-W", "netcat-traditional"),
        "netcat-traditional",
    ),
    Program("ncat", ("ncat", "-i", "1", "127.0.0.1", "{port}"), ("ncat", "--version"), "ncat"),
    Program("socat", ("socat", "-", "TCP:127.0.0.1:{port}"), ("socat", "-V"), "socat"),
    Program("nmap -sT", ("nmap", "-sT", "-Pn", "-n", "-p", "{port}", "127.0.0.1"), ("nmap", "--version"), "nmap"),
    Program(
        "nc -z, then curl",
        ("sh", "-c", "nc.openbsd -z 127.0.0.1 {port} && exec curl --noproxy '*' -sS -m 3 http://127.0.0.1:{port}/"),
        ("curl", "--version"),
        "curl",
    ),
    Program("bash /dev/tcp", ("bash", "-c", _HELLO), ("bash", "--version"), "bash"),
    Program(
        "psql",
        ("psql", "host=127.0.0.1 port={port} user=me dbname=it connect_timeout=3", "-c", "select 1"),
        ("psql", "--version"),
        "postgresql-client",
    ),
    Program("redis-cli", ("redis-cli", "-p", "{port}", "PING"), ("redis-cli", "--version"), "redis-tools"),
    Program(
        "mariadb",
        ("mariadb", "-h", "127.0.0.1", "-P", "{port}", "--connect-timeout=2", "-e", "select 1"),
        ("dpkg-query", "-W", "mariadb-client"),
        "mariadb-client",
    ),
    Program("ssh", ("ssh", *_SSH, "-p", "{port}", "127.0.0.1", "true"), ("ssh", "-V"), "openssh-client"),
    Program(
        "ssh-keyscan",
        ("ssh-keyscan", "-T", "3", "-p", "{port}", "127.0.0.1"),
        ("ssh", "-V"),
        "openssh-client",
    ),
    _python("Python socket", "socket_client.py"),
    _python("Python asyncio", "asyncio_client.py"),
    _python("Python http.client", "http_client.py"),
    _python("Python requests", "requests_client.py", "requests"),
    Program("Node.js net", ("node", "{clients}/client.js", "{port}"), ("node", "--version"), "nodejs"),
    Program(
        "Java Socket",
        ("java", "-cp", "{made}", "Client", "{port}"),
        ("java", "--version"),
        "default-jdk-headless",
        ("javac", "-d", "{made}", "{clients}/Client.java"),
    ),
    _GO,
    replace(_GO, name="Go net.Dial, 3 attempts", attempts=3),
    Program(
        "Rust TcpStream",
        ("{made}/rust-client", "{port}"),
        ("rustc", "--version"),
        "rustc",
        ("rustc", "-o", "{made}/rust-client", "{clients}/client.rs"),
    ),
    Program("Perl IO::Socket", ("perl", "{clients}/client.pl", "{port}"), ("perl", "-e", "print $^V"), "perl"),
)
