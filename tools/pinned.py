"""What tools fetch: packages of one version, whose checksum is known, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcploop-lab" / "page"


class Unavailable(Exception):
    """Why something cannot be had or made, with the way out."""


@dataclass(frozen=True)
class Pin:
    """A package of one version: where it is, and what it must be."""

    name: str
    version: str
    url: str
    sha256: str

    def fetch(self) -> Path:
        """Return the file, from the cache or from its place. Unavailable if it cannot be had, or is another one."""
        path = CACHE / self.url.rsplit("/", 1)[1]
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            half = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                with urllib.request.urlopen(self.url, timeout=60) as answer, half.open("wb") as file:
                    shutil.copyfileobj(answer, file)
                half.replace(path)
            except OSError as error:
                raise Unavailable(f"{self.name} {self.version}: {error}; fetch {self.url} to {path}") from None
            finally:
                half.unlink(missing_ok=True)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise Unavailable(f"{path}: its SHA-256 is {found}, not {self.sha256}; remove it, and try again")
        return path


def deb(pin: Pin) -> tarfile.TarFile:
    """The files of a Debian package: an ar archive with data.tar.xz in it (deb(5))."""
    data = pin.fetch().read_bytes()
    at = 8
    while at < len(data):
        name, size = data[at : at + 16].strip(b" /"), int(data[at + 48 : at + 58])
        if name.startswith(b"data.tar"):
            return tarfile.open(fileobj=io.BytesIO(data[at + 60 : at + 60 + size]))
        at += 60 + size + size % 2
    raise Unavailable(f"{pin.name} {pin.version}: it is no Debian package")


def member(archive: tarfile.TarFile, name: str) -> bytes:
    """The bytes of one file of an archive."""
    file = archive.extractfile(name)
    if file is None:
        raise Unavailable(f"{name} is no file in its package")
    return file.read()
