"""The kernel in the web version's first page: what its box loads, made from pinned packages.

python tools/page_kernel.py          fetch the packages into the cache, and say what the page will load
python tools/page_kernel.py --small  build the small kernel (make page-kernel): five minutes on two cores

What is fetched and built is kept in the user's cache folder, never in the repository. With the small kernel the page
boots in a third of the time; without it Debian's own boots.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pinned import CACHE, Pin, Unavailable, deb, member  # beside this file

from tcploop_lab.stacks.kernels.image import Archive

SOURCE = Path(__file__).parents[1] / "docs" / "site" / "kernel"
DEBIAN = "https://deb.debian.org/debian/pool/main/"

V86 = Pin("v86", "0.5.462", "https://registry.npmjs.org/v86/-/v86-0.5.462.tgz",
          "1384ad8bbe80aa4f6cd43f43bd16ddbd7495931df833f038a27fcdc8b9a31351")  # fmt: skip
LINUX = Pin("linux-image-6.1.0-50-686", "6.1.176-1",
            f"{DEBIAN}l/linux-signed-i386/linux-image-6.1.0-50-686_6.1.176-1_i386.deb",
            "526c469c5148a2b61c4241c3f6575427096575e0ffef9541b6729351c600b3e4")  # fmt: skip
LINUX_SOURCE = Pin("linux-source-6.12", "6.12.95-1~bpo12+1",
                   f"{DEBIAN}l/linux/linux-source-6.12_6.12.95-1~bpo12+1_all.deb",
                   "a7fe4673af74236c99dad9766eca714a198e50a07e5d659e63ec312ae6afccfe")  # fmt: skip
SEABIOS = Pin("seabios", "1.16.2-1", f"{DEBIAN}s/seabios/seabios_1.16.2-1_all.deb",
              "08e5b3f761379f17a6051731cafa03e97686049e2cc1b8bdccc5a910646e2d8e")  # fmt: skip
MUSL = Pin("musl-dev", "1.2.3-1", f"{DEBIAN}m/musl/musl-dev_1.2.3-1_i386.deb",
           "e7e49904a302b4c986cc7729b1af9117f7a01a928b12c43e75bdd015697bff82")  # fmt: skip
LIBGCC = Pin("libgcc-12-dev", "12.2.0-14+deb12u1", f"{DEBIAN}g/gcc-12/libgcc-12-dev_12.2.0-14+deb12u1_i386.deb",
             "d25bdc547dc760f2c48aa808dcd0c4f3b5bd124daa3b47186ee6070ea57d85f1")  # fmt: skip
LICENCES = Pin("base-files", "12.4+deb12u15", f"{DEBIAN}b/base-files/base-files_12.4+deb12u15_i386.deb",
               "95ab24c65cd128e5773bfa3d41b489dd5158f9081e6b757ac854d3820d721456")  # fmt: skip


def assemble(folder: Path) -> dict[str, object]:
    """Put what the box loads into `folder`, whole or not at all, and return what kernel.json there says."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as half:
        made = Path(half, "made")
        made.mkdir()
        files = {**emulator(), **firmware(), "kernel.bin": kernel()[0], "initrd.bin": initrd()}
        for name, data in {**files, **texts()}.items():
            path = Path(made, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        found = manifest(files)
        Path(made, "kernel.json").write_text(json.dumps(found, indent=1))
        made.rename(folder)
    return found


def manifest(files: Mapping[str, bytes]) -> dict[str, object]:
    """What the page must know before it loads the files, and where each comes from."""
    loads = {"wasm": "v86.wasm", "bios": "bios.bin", "vga": "vga.bin", "kernel": "kernel.bin", "initrd": "initrd.bin"}
    described, pin = kernel()[1:]
    pins = (V86, pin, SEABIOS, MUSL, LIBGCC)
    return {
        "kernel": described,
        "bytes": sum(map(len, files.values())),
        "files": {part: {"name": name, "bytes": len(files[name])} for part, name in loads.items()},
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "made of": [asdict(one) for one in pins],
        "source": f"https://tracker.debian.org/pkg/linux, version {pin.version}: apt-get source linux={pin.version}",
    }


def emulator() -> dict[str, bytes]:
    """v86, as npm has it."""
    with tarfile.open(V86.fetch()) as archive:
        return {name: member(archive, f"package/build/{name}") for name in ("libv86.mjs", "v86.wasm")}


def firmware() -> dict[str, bytes]:
    """SeaBIOS and its screen, which nobody looks at."""
    archive, folder = deb(SEABIOS), "./usr/share/seabios/"
    return {"bios.bin": member(archive, f"{folder}bios.bin"), "vga.bin": member(archive, f"{folder}vgabios-stdvga.bin")}


def kernel() -> tuple[bytes, str, Pin]:
    """The kernel, what the page says of it, and the package it comes from: the small one if it was built."""
    if small().is_file():
        return small().read_bytes(), "built from Debian's source without what this page does not need", LINUX_SOURCE
    return member(deb(LINUX), "./boot/vmlinuz-6.1.0-50-686"), f"as Debian built it ({LINUX.version})", LINUX


def small() -> Path:
    """Where the small kernel is: its name has the version of its source and what it is configured with."""
    mark = hashlib.sha256((SOURCE / "small.config").read_bytes()).hexdigest()[:12]
    return CACHE / f"small-{LINUX_SOURCE.version}-{mark}.bin"


def initrd() -> bytes:
    """A file system with one program, /init: init.c, compiled with musl for i686 (newc cpio, gzip)."""
    made = io.BytesIO()
    archive = Archive(made)
    archive.add("/proc")
    archive.add("/dev/console", mode=0o20600, device=(5, 1))
    archive.add("/init", compiled((SOURCE / "init.c").read_bytes()), 0o100755)
    archive.end()
    return gzip.compress(made.getvalue(), mtime=0)


def compiled(text: bytes) -> bytes:
    """The static program for i686."""
    with tempfile.TemporaryDirectory() as made:
        for pin in (MUSL, LIBGCC):
            with deb(pin) as archive:
                archive.extractall(made)  # checksummed
        lib, source = Path(made, "usr/lib/i386-linux-musl"), Path(made, "init.c")
        source.write_bytes(text)
        words = [
            *("gcc", "-m32", "-march=i686", "-Os", "-Wall", "-Wextra", "-Werror", "-static", "-nostdinc", "-nostdlib"),
            *("-fno-pie", "-no-pie", "-fno-stack-protector", "-s", "-isystem", f"{made}/usr/include/i386-linux-musl"),
            *("-o", f"{made}/init", lib / "crt1.o", lib / "crti.o", source, lib / "libc.a"),
            *(f"{made}/usr/lib/gcc/i686-linux-gnu/12/libgcc.a", lib / "crtn.o"),
        ]
        try:
            subprocess.run(words, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise Unavailable("there is no gcc; on Debian: apt install gcc") from None
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip()[-200:]
            raise Unavailable(f"gcc -m32 failed, which needs an x86-64 machine: {said}") from None
        return Path(made, "init").read_bytes()


def texts() -> dict[str, bytes]:
    """The page's own code, and the licences."""
    names = ("page.js", "worker.js", "page.css", "init.c", "small.config")
    own = {name: (SOURCE / name).read_bytes() for name in names}
    with tarfile.open(V86.fetch()) as archive:
        own["licences/v86.txt"] = member(archive, "package/LICENSE")
    own["licences/linux.txt"] = member(deb(LINUX), "./usr/share/doc/linux-image-6.1.0-50-686/copyright")
    for pin, name in ((SEABIOS, "seabios"), (MUSL, "musl")):
        own[f"licences/{name}.txt"] = member(deb(pin), f"./usr/share/doc/{pin.name}/copyright")
    for name in ("GPL-2", "LGPL-3", "GPL-3"):
        own[f"licences/{name}.txt"] = member(deb(LICENCES), f"./usr/share/common-licenses/{name}")
    return own


def build_small() -> Path:
    """Build the small kernel from Debian's source with small.config, and return where it is kept."""
    if missing := [name for name in ("gcc", "make", "flex", "bison", "bc") if not shutil.which(name)]:
        raise Unavailable(f"a kernel's build needs {', '.join(missing)}; on Debian: apt install {' '.join(missing)}")
    with tempfile.TemporaryDirectory() as made:
        archive = member(deb(LINUX_SOURCE), "./usr/src/linux-source-6.12.tar.xz")
        with tarfile.open(fileobj=io.BytesIO(archive)) as source:
            source.extractall(made)
        (tree,) = Path(made).iterdir()
        make = ["make", "-s", "-C", str(tree), "ARCH=i386", f"-j{os.cpu_count()}"]
        try:
            subprocess.run([*make, f"KCONFIG_ALLCONFIG={SOURCE / 'small.config'}", "allnoconfig"], check=True)
            subprocess.run([*make, "bzImage"], check=True)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"the kernel's make failed with {error.returncode}; what it printed is above") from None
        small().parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(tree / "arch/x86/boot/bzImage", small()))


def main() -> int:
    """Do what the command line says; 1 with one line if it cannot be done."""
    try:
        if "--small" in sys.argv[1:]:
            print(build_small())
        with tempfile.TemporaryDirectory() as made:
            found = assemble(Path(made, "kernel"))
        print(f"the page loads {found['bytes']:,} bytes: {found['kernel']}")
    except Unavailable as reason:
        print(f"no kernel for the page: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
