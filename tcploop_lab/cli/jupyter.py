"""The course in JupyterLab: tcploop lab. `make lab` calls it, so its arguments for the server stand here alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from urllib.parse import quote

import click

from . import output
from .course import FIRST, bring
from .group import Command
from .root import YES
from .values import Value, number

_FOLDER = "course"
_ROOT = "You are root, so --allow-root is added: what a notebook runs may do all that root may. (Usual in containers.)"


def arguments(course: Path, port: int, browser: str = "", *, more: Sequence[str] = (), root: bool = False) -> list[str]:
    """Return JupyterLab's arguments; `more` are its own, in place of ours of the same name: it takes none twice."""
    course = course.absolute()
    ours = [
        # Only this machine can reach the server and only this user the kernels; the token stays on.
        "--ServerApp.ip=127.0.0.1",
        "--KernelManager.transport_encryption=auto",
        "--LabApp.extension_manager=readonly",
        f"--ServerApp.port={port}",
        "--ServerApp.answer_yes=True",  # Ctrl-C needs no answer
        "--log-level=WARN",
        f"--ServerApp.root_dir={course.parent}",
        f"--LabApp.default_url=/lab/tree/{quote(course.name)}/{FIRST}",  # a terminal makes a link of what has no space
        *(["--allow-root"] if root else []),  # JupyterLab refuses root, who one is in many containers
        *([f"--browser={browser}"] if browser else []),
    ]
    given = {one.partition("=")[0] for one in more}
    return [one for one in ours if one.partition("=")[0] not in given] + [*more]


def _port(value: object) -> int:
    found = number(value)
    if isinstance(found, int) and 0 <= found <= 65535:
        return found
    raise ValueError(f"port {value!r}: JupyterLab's is 1 to 65535, or 0 for any that is free")


@click.command(cls=Command)
@click.argument("folder", metavar="[DIR]", default=_FOLDER)
@click.option("--port", type=Value("port", _port), default=8888, show_default=True, help="JupyterLab's port.")
@click.option("--browser", default="", help="Another browser than the usual one, by name.")
@click.option("--no-browser", is_flag=True, help="Print the address to open, and open nothing.")
@click.argument("more", nargs=-1, metavar="[-- JUPYTERLAB'S OWN...]", type=click.UNPROCESSED)
def lab(folder: str, port: int, browser: str, no_browser: bool, more: tuple[str, ...]) -> int:
    """Copy the course to DIR, or bring the copy there up to date, and open it in JupyterLab, for this machine only."""
    if folder.startswith("-"):  # no DIR, and what follows -- at once
        folder, more = _FOLDER, (folder, *more)
    output.deliver(False, bring(folder))
    whom = "" if any(one.startswith(("--ServerApp.ip=", "--ip=")) for one in more) else ", for this machine only"
    output.write(f"Opening {Path(folder) / FIRST} in JupyterLab{whom}. Ctrl-C ends it.\n")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        output.write(_ROOT + "\n")
    from jupyterlab.labapp import main

    quiet = ("--no-browser",) if no_browser else ()
    with _writable_place():
        main(arguments(Path(folder), port, browser, more=(*quiet, *more), root=root))
    return YES


@contextmanager
def _writable_place() -> Iterator[None]:
    """Let JupyterLab keep what is for this run alone, without which it does not start, where it can be written.

    That is in the home, or where that is read-only in a folder that goes with the run.
    """
    from jupyter_core.paths import jupyter_runtime_dir

    usual = jupyter_runtime_dir()
    try:
        os.makedirs(usual, mode=0o700, exist_ok=True)
        with TemporaryFile(dir=usual):
            pass
    except OSError as error:
        with TemporaryDirectory(prefix="tcploop-jupyter-") as folder:
            os.environ.update(JUPYTER_DATA_DIR=folder, JUPYTER_RUNTIME_DIR=folder)
            output.write(f"{usual} cannot be written ({error.strerror}): what you set in JupyterLab is not kept.\n")
            yield
        return
    yield
