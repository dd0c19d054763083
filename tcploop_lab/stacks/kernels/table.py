"""The kernels that can be had: packages of Debian's archive, pinned by version and checksum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """One package of Debian's archive, and which of its files are kept, under which name."""

    name: str
    version: str
    suite: str
    sha256: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Release:
    """One kernel: the package that it comes in, and the C library of its suite, if newer than Debian 12's."""

    version: str
    package: Package
    library: Package | None = None


_LIBC = (("ld-linux-x86-64.so.2", "ld.so"), ("libc.so.6", "libc.so.6"))
_IPV6 = ("lib/crc-ccitt", "net/ipv6/ipv6")  # in the order in which they are loaded


def _library(version: str, suite: str, sha256: str) -> Package:
    folder = "usr/lib/x86_64-linux-gnu"
    return Package("libc6", version, suite, sha256, tuple((f"{folder}/{name}", kept) for name, kept in _LIBC))


def _user_mode(
    version: str,
    package_version: str,
    suite: str,
    sha256: str,
    library: Package | None = None,
    modules: tuple[str, ...] = (*_IPV6, "drivers/net/veth"),
) -> Release:
    folder = f"usr/lib/uml/modules/{version}/kernel"
    kept = [(f"{folder}/{path}.ko", f"modules/{number}-{Path(path).name}.ko") for number, path in enumerate(modules)]
    files = (("usr/bin/linux.uml", "linux.uml"), *kept)
    return Release(version, Package("user-mode-linux", package_version, suite, sha256, files), library)


USER_MODE: tuple[Release, ...] = (
    _user_mode(
        "5.10.46",
        "5.10um3+b1",
        "bullseye",
        "2cf4c2b2b36272b0b42c973d1239b4e73ad24c53d1a041a227f28bbee9b7082b",
    ),
    _user_mode(
        "6.1.176",
        "6.1um4+b13",
        "bookworm",
        "0ce700f835c385ab09860ad33137817402403a29e424177510244bd75a81c687",
    ),
    _user_mode(
        "6.12.113",
        "6.12um1+b22",
        "trixie",
        "6930e97133531bab93f83b6d691a94f5872505d8f5d88c1f3f1296da0820a3a0",
        _library("2.41-12+deb13u5", "trixie", "b59b0625cd1a791375d40dab23a4d5d3d0641e3d0a773501becdc3725b7f99cf"),
    ),
    _user_mode(
        "7.2.7",
        "7.2um1",
        "sid",
        "f947c9244fd79d481299df2ad68961f6b3b7703bff38c4b0e726f861161da62c",
        _library("2.43-7", "sid", "5c71715c51103beb4fbba9fe9f8dff604af6610dfa71c70bff342f54a7860803"),
        ("drivers/net/veth",),
    ),
)


def named(version: object) -> Release:
    """Return the kernel for a version such as "5.10" or "5.10.46"; ValueError lists those that there are."""
    wanted = str(version).split(".")
    for release in USER_MODE:
        if release.version.split(".")[: len(wanted)] == wanted:
            return release
    there = ", ".join(release.version for release in USER_MODE)
    raise ValueError(f"kernel {version!r}: the real kernels to be had are {there} (tcploop kernels lists them)")
