"""A kernel for any PC, in QEMU: the one line where it cannot run. cloud_kernel.py starts one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks.kernels import emulated, fetch, table

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


def test_every_version_leads_to_its_kernel_and_the_list_says_what_is_needed(tmp_path: Path) -> None:
    """Without QEMU the list names the package to install for those that need it, and only for those."""
    assert table.named("7.1").emulated and not table.named("5.10").emulated
    for release in table.RELEASES:
        assert table.named(release.version) == release
    listed = tcploop("kernels", "--json", PATH=str(tmp_path))
    assert listed.stdout.count("qemu-system-x86") == len(table.EMULATED)
