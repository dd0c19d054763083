"""Getting a kernel: apt with a configuration of its own, so that nothing of this system is changed or installed.

What counts is the checksum of the package, which the table holds; apt's part is to find it. The files are kept in the
user's cache (XDG Base Directory Specification).
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ...errors import NotOnThisTestbed
from .table import Package, Release

ARCHIVE = "http://deb.debian.org/debian"  # checked by the table's checksums, whichever mirror answers
_PROGRAMS = {"apt-get": "apt", "dpkg-deb": "dpkg"}
_LOADER = b"/lib64/ld-linux-x86-64.so.2\0"
_TIMEOUT = 600.0  # seconds for one call of apt
_CONFIGURATION = """
Dir "{place}"; Dir::State "{place}"; Dir::State::status "{place}/status"; Dir::Cache "{place}";
Dir::Etc::sourcelist "{place}/sources.list"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null"; APT::Architecture "amd64"; APT::Architectures {{ "amd64"; }};
APT::Sandbox::User ""; Acquire::Languages "none"; Acquire::Retries "3"; Acquire::Check-Valid-Until "false";
"""


def cache() -> Path:
    """Return where kernels are kept: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base if os.path.isabs(base) else Path.home() / ".cache") / "tcploop-lab" / "kernels"


def found(release: Release) -> Path | None:
    """Return the folder of a kernel that was fetched, None if it was not."""
    folder = _folder(release)
    return folder if os.path.isdir(folder) else None  # False, too, where HOME is nonsense


def files_of(release: Release) -> Path:
    """Return the folder of a kernel. Raises NotOnThisTestbed, with the way to get it, if it was not fetched."""
    folder = found(release)
    if folder is None:
        raise NotOnThisTestbed(
            f"kernel {release.version} is not here yet: tcploop kernels --fetch {release.version} gets it from "
            "Debian's archive, and installs nothing"
        )
    return folder


def fetch(release: Release) -> Path:
    """Get a kernel, if it is not here yet, and return its folder. Raises NotOnThisTestbed with the reason."""
    folder = _folder(release)
    if os.path.isdir(folder):
        return folder
    _must_have_programs()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".half-", dir=folder.parent) as half:
            made = Path(half) / "made"
            for package in release.packages:
                _unpack(_download(package, Path(half)), package, made)
            if release.library is not None:
                _use_own_loader(made / "linux.uml")
            made.rename(folder)
    except OSError as error:
        if os.path.isdir(folder):  # somebody else was faster
            return folder
        raise not_kept(error, folder) from None
    return folder


def not_kept(error: OSError, path: Path) -> NotOnThisTestbed:
    """Return the error for what the cache does not take, with the way out."""
    return NotOnThisTestbed(f"{error.filename or path}: {error.strerror}; XDG_CACHE_HOME names another place")


def _folder(release: Release) -> Path:
    pinned = hashlib.sha256(repr(release.packages).encode()).hexdigest()
    return cache() / f"{release.version}-{pinned[:12]}"


def _must_have_programs() -> None:
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise NotOnThisTestbed(
                f"{program} is not installed, which gets kernels from Debian's archive: on Debian and Ubuntu it is "
                f"there, elsewhere install the package {package}"
            )


def _download(package: Package, place: Path) -> bytes:
    """Return the package's bytes, whose checksum is right."""
    home = Path(tempfile.mkdtemp(dir=place))
    for folder in ("lists/partial", "archives/partial"):
        (home / folder).mkdir(parents=True)
    (home / "status").touch()
    # Not by the archive's signature, for which not every system has the keys, but by the checksum below.
    archive = f"{ARCHIVE}-security" if package.suite.endswith("-security") else ARCHIVE
    (home / "sources.list").write_text(f"deb [trusted=yes] {archive} {package.suite} main\n")
    (home / "apt.conf").write_text(_CONFIGURATION.format(place=home))
    _apt(home, "update")
    _apt(home, "download", f"{package.name}={package.version}")
    [path] = home.glob("*.deb")
    content = path.read_bytes()
    if (seen := hashlib.sha256(content).hexdigest()) != package.sha256:
        raise NotOnThisTestbed(
            f"{path.name} is not the package that the lab was tried with: its checksum is {seen[:16]}..., "
            f"not {package.sha256[:16]}...; nothing of it is kept"
        )
    return content


def _apt(home: Path, *args: str) -> None:
    environment = {**os.environ, "APT_CONFIG": str(home / "apt.conf"), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", *args], cwd=home, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_TIMEOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotOnThisTestbed(f"{ARCHIVE} did not answer within {_TIMEOUT:g} s; try again later") from None
    if done.returncode:
        said = next((line for line in done.stdout.splitlines() if line.startswith("E:")), done.stdout.strip()[-200:])
        why = "the version is gone from the suite, or there is no network"
        raise NotOnThisTestbed(
            f"apt-get {' '.join(args)}: {said.removeprefix('E: ')} ({why}); the other kernels may do"
        )


def _unpack(content: bytes, package: Package, into: Path) -> None:
    """Write the files that are kept. A link is followed by name: libc's libraries are links in some suites."""
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", "/dev/stdin"], input=content, capture_output=True, check=False)
    if done.returncode:
        raise NotOnThisTestbed(f"{package.name} {package.version} cannot be unpacked: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for path, name in package.files:
            member = archive.extractfile(f"./{path}")
            assert member is not None, path
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            content = member.read()
            (into / name).write_bytes(lzma.decompress(content) if path.endswith(".xz") else content)
            (into / name).chmod(0o755)


def _use_own_loader(program: Path) -> None:
    """Have a program started by the ld.so of its folder, in which it is run: execve(2), PT_INTERP.

    As an argument of ld.so it would have its heap where user-mode Linux does not look for it.
    """
    content = program.read_bytes()
    assert content.count(_LOADER) == 1
    program.write_bytes(content.replace(_LOADER, b"ld.so".ljust(len(_LOADER), b"\0")))


def preloaded(folder: Path) -> dict[str, str]:
    """Return the variable that lets old kernels run on this processor: none, but where it has AMX.

    It leads there from the folder in which the kernel runs: ld.so takes a space in it for the end of a name.
    Raises NotOnThisTestbed where no C compiler makes what is then needed.
    """
    if " amx_tile " not in f"{Path('/proc/cpuinfo').read_text().replace(chr(10), ' ')} ":
        return {}
    source = Path(__file__).with_name("xstate.c")
    made = cache() / f"xstate-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not made.exists():
        _compile(source, made)
    return {"LD_PRELOAD": os.path.relpath(made, folder)}


def _compile(source: Path, made: Path) -> None:
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NotOnThisTestbed(
            "on a processor with AMX user-mode kernels need a C compiler: sudo apt install gcc libc6-dev"
        )
    made.parent.mkdir(parents=True, exist_ok=True)
    half = made.with_suffix(f".{os.getpid()}")
    done = subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", half, source], capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NotOnThisTestbed(f"{compiler} made no {made.name}: {said[-1]}; sudo apt install gcc libc6-dev")
    half.rename(made)
