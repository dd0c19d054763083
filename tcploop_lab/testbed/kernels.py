"""Which other kernels this machine can run for real, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import NotOnThisTestbed
from ..results.description import Description, Table
from ..results.shown import Shown
from ..stacks.kernels import emulated, fetch, table
from ..stacks.kernels.executor import must_run_here
from ..tcp.words import counted


@dataclass(frozen=True)
class RealKernel:
    """One kernel: where its files are ("" if they were not fetched), and the command that gets them."""

    version: str
    package: str
    path: str
    get: str


@dataclass(frozen=True, repr=False)
class RealKernels(Shown):
    """The kernels that can be run here; `refusal` says why none can, "" if they can."""

    kernels: tuple[RealKernel, ...]
    refusal: str

    @property
    def here(self) -> tuple[str, ...]:
        """The versions that were fetched."""
        return tuple(kernel.version for kernel in self.kernels if kernel.path)

    @property
    def summary(self) -> str:
        """One sentence: which are here."""
        if self.refusal:
            return self.refusal
        there = len(self.kernels)
        ready = f"{', '.join(self.here)} can be run at once" if self.here else "none of them was fetched yet"
        return f"{counted(there, 'kernel')} can be had for this machine; {ready}"

    def describe(self) -> Description:
        """Return every kernel, and how to get it."""
        columns = (
            ("version", "kernel"),
            ("package", "Debian's package"),
            ("path", ""),
            ("get", "how to get or run it"),
        )
        rows = [(one.version, one.package, one.path, one.get) for one in self.kernels]
        return Description(self.summary, not self.refusal, tables=(Table("kernels", columns, rows),))


def real_kernels() -> RealKernels:
    """Return the kernels that this machine can run as ordinary processes, for `open_testbed(kernel=..., real=True)`.

    Those of the package user-mode-linux are programs, up in one or two seconds; those of linux-image and linux-binary
    run in QEMU, which takes some ten seconds of processor time to start one.
    """
    refusal = ""
    try:
        must_run_here()
    except NotOnThisTestbed as error:
        refusal = str(error)
    return RealKernels(tuple(map(_one, table.RELEASES)), refusal)


def _one(release: table.Release) -> RealKernel:
    path = fetch.found(release)
    package = f"{release.package.name} {release.package.version} ({release.package.suite})"
    get = f"tcploop in {release.version} -- probe" if path else f"tcploop kernels --fetch {release.version}"
    if release.emulated and not emulated.is_here():
        return RealKernel(release.version, package, "", f"first {emulated.INSTALL}")
    return RealKernel(release.version, package, str(path or ""), get)


def fetch_kernel(version: object) -> str:
    """Get a kernel from Debian's archive, if it is not here yet; return where it is. Nothing is installed.

    Raises ValueError for a version that is not to be had, NotOnThisTestbed with the reason where it cannot be got.
    """
    must_run_here()
    return str(fetch.fetch(table.named(version)))
