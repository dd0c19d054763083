"""A kernel for any PC, in QEMU: the one line where it cannot run. cloud_kernel.py starts one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks.kernels import emulated, fetch, image, table

from .test_real_kernel import tcploop


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("echo 'Kernel panic - not syncing: no init'; exit 1", "ended while it started; its last lines: Kernel panic"),
        ("echo hm; sleep 60", "was not up within 1 s; its last lines: hm"),
        ("echo 'cannot set up guest memory' >&2; exit 1", "its last lines: cannot set up guest memory"),
        (None, "qemu-system-x86_64 is not installed, which runs this kernel: sudo apt install"),
    ],
)
def test_an_emulator_that_fails_or_is_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, said: str
) -> None:
    """A panic, a hang, too little memory, no QEMU: the reason, its last lines, and nothing is left."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for needed in ("sh", "sleep"):
        (programs / needed).symlink_to(str(shutil.which(needed)))
    if program is not None:
        (programs / emulated.QEMU).write_text(f"#!/bin/sh\n{program}\n")
        (programs / emulated.QEMU).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(emulated, "START_TIMEOUT", 1)
    monkeypatch.setattr(fetch, "files_of", lambda release: tmp_path)
    with pytest.raises(lab.NotOnThisTestbed, match=said):
        lab.open_testbed(kernel="7.1", real=True)
    assert list(tmp_path.glob("tcploop-kernel-*")) == []


def test_the_image_begins_with_a_program_whatever_the_interpreter_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel takes the first space in the first line for the end of the interpreter's name."""
    monkeypatch.setattr(sys, "executable", "/home/a b/bin/python")
    (tmp_path / "python.cpio").touch()
    monkeypatch.setattr(image, "_python", lambda: tmp_path / "python.cpio")
    with open(image.of("pass", tmp_path / "modules"), "rb") as archive:
        archive.seek(0)
        first = archive.read(1000).partition(b"#!")[2].partition(b"\n")[0]
    assert first == b"/python -I"


COMMANDS = """probe; connect 40000 --range 40000-40099; capture 40000 --range 40000-40099 --json; check 33333; cross;
study --ports 40050 --ranges 40000-40099 --samples 5 --out study.csv; model --era rover --range 40000-40099 --port 40000
"""
ONLY = """import sys
from importlib import import_module, metadata
from tcploop_lab.stacks.kernels.image import _PACKAGES
missing = {*metadata.packages_distributions()} - {*_PACKAGES, "tcploop_lab"}
class NotThere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NotThere())
for line in sys.argv[1].split(";"):
    command = line.split() + ["--kernel", "6.18"] * ("model" not in line)
    print(command[0], import_module("tcploop_lab.cli").main(command), file=sys.stderr)
"""


def test_the_image_has_the_packages_that_the_commands_need(tmp_path: Path) -> None:
    """With those packages alone each of them answers: `tcploop in 6.16 -- probe` printed nothing without one."""
    done = subprocess.run(
        [sys.executable, "-c", ONLY, COMMANDS], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    answers = [line for line in done.stderr.splitlines() if re.fullmatch(r"[a-z]+ [0-9]+", line)]
    assert answers == ["probe 0", "connect 0", "capture 0", "check 1", "cross 0", "study 0", "model 0"], done.stderr


def test_every_version_leads_to_its_kernel_and_the_list_says_what_is_needed(tmp_path: Path) -> None:
    """Without QEMU the list names the package to install for those that need it, and only for those."""
    assert table.named("7.1").emulated and not table.named("5.10").emulated
    for release in table.RELEASES:
        assert table.named(release.version) == release
    listed = tcploop("kernels", "--json", PATH=str(tmp_path))
    assert listed.stdout.count("qemu-system-x86") == len(table.EMULATED)
