"""JupyterLab as `make lab` starts it, on a copy of the notebooks, and its end."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import ipykernel
import nbformat
import psutil

from tcploop_lab.stacks import worker

ROOT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
STAMP = ".made-for-the-lab"
URL = re.compile(r"http://127\.0\.0\.1:\d+/\S*\?token=\w+")


# Every cell in the document at once, so that all of it can be looked at; nothing asked of the network.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: its folder, its address with the token, and its process."""

    folder: Path
    address: str
    process: psutil.Process

    def family(self) -> list[psutil.Process]:
        """The living processes of the server: itself, its kernels, their workers."""
        found = self.process.children(recursive=True)
        return [process for process in found if process.is_running()]

    def workers(self) -> set[int]:
        """The numbers of the processes that are workers of testbeds."""
        return self._running(worker.NAME)

    def kernels(self) -> set[int]:
        """The numbers of the processes that are kernels of notebooks."""
        return self._running(ipykernel.__name__)

    def _running(self, name: str) -> set[int]:
        return {process.pid for process in self.family() if name in named(process)}


def named(process: psutil.Process) -> str:
    """The name and the command of a process, empty if it ends just now."""
    try:
        return " ".join([process.name(), *process.cmdline()])
    except psutil.Error:
        return ""


def copy_of_the_course(folder: Path) -> Path:
    """A folder with the Makefile and the notebooks, so that saving one leaves the project as it is."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copytree(ROOT / "environment", folder / "environment")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name, values in SETTINGS.items():
        file = folder / "settings" / "lab" / "user-settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    return folder


def new_notebook(file: Path, sources: Sequence[str]) -> None:
    """Write a notebook of these code cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    made.metadata = nbformat.NotebookNode(kernelspec={"name": "python3", "display_name": "Python 3"})
    nbformat.write(made, file)


def start(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """`make lab` with the environment of this very test, and without a browser of its own."""
    command = ["make", "lab", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/{STAMP}", "PORT=0"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    # Data of its own, too: what is signed there is trusted, and other runs would wait for the lock of one database.
    own = {f"JUPYTER_{name}_DIR": str(folder / place) for name, place in (("CONFIG", "settings"), ("DATA", "data"))}
    settings = {"LAB_ARGS": "--no-browser", **own}
    with log.open("wb") as out:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=inherited | settings,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=_end_with_the_tests,
        )


def _end_with_the_tests() -> None:
    """Have the kernel end make, and make the server, when the tests are killed and cannot do it themselves."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def address(server: subprocess.Popen[bytes], log: Path, seconds: float = 180) -> str:
    """The address with its token, once the server has printed it; fails with the log if it ends."""
    end = monotonic() + seconds
    while not (found := URL.search(log.read_text())):
        assert server.poll() is None and monotonic() < end, f"no address from make lab:\n{log.read_text()}"
        sleep(0.1)
    return found[0]


def stop(server: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """End make, the server, its kernels and their workers; returns those that did not go by themselves."""
    family = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
    if family:
        family[0].terminate()  # the server itself, which ends its kernels before it goes
    _, left = psutil.wait_procs(family, timeout=60)
    for process in left:
        process.kill()
    server.wait(timeout=60)
    return left


@contextmanager
def running_lab(folder: Path) -> Iterator[Server]:
    """A JupyterLab that `make lab` started in this folder; nothing of it is left after."""
    log = folder / "lab.log"
    server = start(folder, log)
    left: list[psutil.Process] = []
    try:
        yield Server(folder, address(server, log), psutil.Process(server.pid))
    finally:
        left = stop(server)
    assert left == [], "processes that outlived the server"
