"""A kernel for any PC, in one that QEMU emulates: without KVM, so that it needs no right; it is slower than a process.

Its files are those of an image in its memory (`image.py`). It speaks to the lab over a port of a virtio console.
Sources: qemu-system-x86_64(1); Documentation/admin-guide/kernel-parameters.rst and drivers/char/virtio_console.c of
the kernel.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ...errors import NotOnThisTestbed
from . import image
from .program import Program
from .table import Release

QEMU = "qemu-system-x86_64"
INSTALL = "sudo apt install --no-install-recommends qemu-system-x86"
CONSOLE = "virtio-ports/*"  # in /sys/class: there is but one
MEMORY = 1024  # MiB that it may use; what it does not touch is not taken
START_TIMEOUT = 180.0  # seconds; it is up in five, on a busy machine in a minute
_PARAMETERS = "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"


def program(release: Release, files: Path, place: Path, guest: str, channel: int) -> Program:
    """Return the emulator of a kernel that runs `guest`, the lab's part in it, with a console on `channel`."""
    must_be_here()
    initrd = image.of(guest, files / "modules")
    options = (
        "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-accel", "tcg", "-cpu", "max",
        "-m", f"{MEMORY}M", "-kernel", "vmlinuz", "-initrd", f"/proc/self/fd/{initrd}", "-append", _PARAMETERS,
        "-serial", "stdio", "-chardev", f"socket,id=lab,fd={channel}", "-device", "virtio-serial-pci",
        "-device", "virtserialport,chardev=lab",
    )  # fmt: skip
    return Program((QEMU, *options), descriptors=(initrd,))


def is_here() -> bool:
    """True where QEMU is installed."""
    return shutil.which(QEMU) is not None


def must_be_here() -> None:
    """Raise NotOnThisTestbed, with the way to get it, where there is no QEMU."""
    if not is_here():
        raise NotOnThisTestbed(
            f"{QEMU} is not installed, which runs this kernel: {INSTALL} (elsewhere the package is qemu or "
            "qemu-system-x86-core); those of user-mode Linux need nothing (tcploop kernels)"
        )
