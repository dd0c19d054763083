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
    """One kernel: the package that it comes in, and the C library of its suite, if newer than Debian 12's.

    An `emulated` one is for any PC, and needs QEMU; `modules` are those that come in a package of their own.
    """

    version: str
    package: Package
    library: Package | None = None
    modules: Package | None = None
    emulated: bool = False

    @property
    def packages(self) -> tuple[Package, ...]:
        """All that is fetched."""
        return tuple(filter(None, (self.package, self.library, self.modules)))


_LIBC = (("ld-linux-x86-64.so.2", "ld.so"), ("libc.so.6", "libc.so.6"))
_IPV6 = ("lib/crc-ccitt", "net/ipv6/ipv6")  # in the order in which they are loaded


def _library(version: str, suite: str, sha256: str) -> Package:
    folder = "usr/lib/x86_64-linux-gnu"
    return Package("libc6", version, suite, sha256, tuple((f"{folder}/{name}", kept) for name, kept in _LIBC))


def _modules(where: str, kernel: str, paths: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Which files modules are, and the names that they are kept under: sorted, they are in the order of loading."""
    return tuple(
        (where.format(kernel, path), f"modules/{number}-{Path(path).name}.ko") for number, path in enumerate(paths)
    )


def _user_mode(
    version: str,
    package_version: str,
    suite: str,
    sha256: str,
    library: Package | None = None,
    modules: tuple[str, ...] = (*_IPV6, "drivers/net/veth"),
) -> Release:
    files = (("usr/bin/linux.uml", "linux.uml"), *_modules("usr/lib/uml/modules/{0}/kernel/{1}.ko", version, modules))
    return Release(version, Package("user-mode-linux", package_version, suite, sha256, files), library)


_BESIDE = ("net/ipv4/inet_diag", "net/ipv4/tcp_diag", "drivers/net/veth")
_OF_5_10 = tuple(f"drivers/{name}" for name in ("virtio/virtio", "virtio/virtio_ring", "virtio/virtio_pci"))
_OF_6_1 = tuple(  # here virtio wants virtio_ring, and not the other way round
    f"drivers/virtio/{name}"
    for name in ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci")
)
_CONSOLE = "drivers/char/virtio_console"  # of later kernels it is a part, as virtio is

# Where a cloud kernel and its modules are: kind of package, file of the kernel, file of a module.
_OLD = ("image", "boot/vmlinuz-{0}", "lib/modules/{0}/kernel/{1}.ko")
_NEW = ("image", "boot/vmlinuz-{0}", "usr/lib/modules/{0}/kernel/{1}.ko.xz")
_BARE = ("binary", "boot/vmlinuz-{0}", "")  # the package of their modules is not in the archive
_APART = ("binary", "usr/lib/modules/{0}/vmlinuz", "usr/lib/modules/{0}/kernel/{1}.ko.xz")


def _cloud(
    name: str, package_version: str, suite: str, sha256: str, layout: tuple[str, str, str],
    modules: tuple[str, ...] = _BESIDE, apart: str = "",
) -> Release:  # fmt: skip
    """A kernel for virtual machines; `apart` is the checksum of the package of its modules, where they have one."""
    tag, (kind, kernel, module) = f"{name}-cloud-amd64", layout
    kept = _modules(module, tag, modules) if module else ()
    files = ((kernel.format(tag), "vmlinuz"), *(() if apart else kept))
    package = Package(f"linux-{kind}-{tag}", package_version, suite, sha256, files)
    loaded = Package(f"linux-modules-{tag}", package_version, suite, apart, kept) if apart else None
    return Release(package_version.split("-")[0], package, modules=loaded, emulated=True)


_BACKPORTS = "trixie-backports"
EMULATED: tuple[Release, ...] = (
    _cloud(
        "5.10.0-30", "5.10.218-1", "bullseye",
        "24fce24f8c058b426b3eb4ec4778d0ac10d84302743cacba53f3ea168cf0b0a5", _OLD, (*_OF_5_10, _CONSOLE, *_BESIDE),
    ),
    _cloud(
        "5.10.0-46", "5.10.262-1", "bullseye-security",
        "18d94781d1b3052e21967ac2262239e5f14fbf511d6c3e110629d7aa35340760", _OLD, (*_OF_5_10, _CONSOLE, *_BESIDE),
    ),
    _cloud(
        "6.1.0-56", "6.1.192-2", "bookworm-security",
        "e7d02b943971edcb8790e256c02cfab3bca6c3d37c1bf25392a57c71300615ee", _OLD, (*_OF_6_1, _CONSOLE, *_BESIDE),
    ),
    _cloud(
        "6.12.118+deb13", "6.12.118-1", "trixie-security",
        "07f23ba1de88377d700e1e2f5b2ee495ff89b0d0bb73fdbd3eac8f6b27609b9a", _NEW,
    ),
    _cloud(
        "6.16.12+deb13", "6.16.12-1~bpo13+1", _BACKPORTS,
        "b56d926c1dc9bbdf151794753df57bd427af2398a033999016dcbbd211e8e461", _NEW,
    ),
    _cloud(
        "6.17.13+deb13", "6.17.13-1~bpo13+1", _BACKPORTS,
        "2ac533a36b0c5107527166716414a4d04b00f7108e419df2084ca5aec268d1ff", _NEW,
    ),
    _cloud(
        "6.18.15+deb13", "6.18.15-1~bpo13+1", _BACKPORTS,
        "5a507681ea8c978d02265a7fec2f02c9588fb48b54b7f71edc1059e86007f3ec", _NEW,
    ),
    _cloud(
        "6.19.14+deb13", "6.19.14-1~bpo13+1", _BACKPORTS,
        "2c7b515d7846cc4ff80943dde6c22e323214b54bfc3e73e02c470034d953193a", _BARE,
    ),
    _cloud(
        "7.0.13+deb13", "7.0.13-1~bpo13+1", _BACKPORTS,
        "7e2f91866f9d857e5b08fcd915491b4cff79fbe51cdcb081b42658612074a552", _BARE,
    ),
    _cloud(
        "7.1.13+deb13", "7.1.13-1~bpo13+1", _BACKPORTS,
        "2feb3588cd790e0fd7f4c425b8ede990b34f80f70703aeb3a6b3c21207e59785", _BARE,
    ),
    _cloud(
        "7.2.12+deb13", "7.2.12-1~bpo13+1", _BACKPORTS,
        "aa6720823145e351d3c817c95fe58d89995a2bcba4978ad2418c36a1c272f795", _APART,
        apart="2f15b42b88ae56836b5fb3ac74c6cb795047891a5a25e5e69dedf8805b54017d",
    ),
    _cloud(
        "7.3.4+deb13", "7.3.4-1~bpo13+1", _BACKPORTS,
        "c4fbc8e404958693b28825474c20742d70594d65ca58aea7be6a279c81eb6fa0", _APART,
        apart="359f04c363b7d3c5f9ce999ccb7351e00cc8eec0a30d6bc1cda37734987fc43d",
    ),
)  # fmt: skip
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


RELEASES = (*USER_MODE, *EMULATED)


def named(version: object) -> Release:
    """Return the kernel for a version such as "5.10" or "5.10.46"; ValueError lists those that there are.

    Of several the first of the table: one of user-mode Linux, if there is one, which is sooner up.
    """
    wanted = str(version).split(".")
    for release in RELEASES:
        if release.version.split(".")[: len(wanted)] == wanted:
            return release
    there = ", ".join(release.version for release in RELEASES)
    raise ValueError(f"kernel {version!r}: the real kernels to be had are {there} (tcploop kernels lists them)")
