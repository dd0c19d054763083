"""What every port allocator has in common."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable
from hashlib import blake2b

from .candidates import Candidates
from .eras import BY_NAME
from .ranges import PortRange

HERE: Hashable = ("127.0.0.1", "127.0.0.1", 33334)  # source address, destination address and port
NO_PORTS: frozenset[int] = frozenset()


class PortsExhausted(OSError):
    """No candidate is free: what a program sees as EADDRNOTAVAIL (or EADDRINUSE from bind())."""


class Allocator(ABC):
    """Picks source ports as one generation of kernels does. The state lives in the object.

    `seed` makes it repeatable; the secret of the boot comes from it too.
    """

    era: str

    def __init__(self, port_range: PortRange, seed: int | None = None) -> None:
        self.port_range = port_range
        self.random = random.Random(seed)
        self.candidates = self._circle()
        self._secret = self.random.randbytes(16)

    def _circle(self) -> Candidates:
        return BY_NAME[self.era].candidates(self.port_range)

    def next_port(
        self,
        destination: Hashable = HERE,
        busy: Collection[int] = NO_PORTS,
        reserved: Collection[int] = NO_PORTS,
    ) -> int:
        """Return the source port of the next connect() to `destination`.

        `busy` are the ports that bound sockets hold, `reserved` those of ip_local_reserved_ports. The port is
        free again at once, as after a refused try. Raises PortsExhausted if no port is free.
        """
        taken = {*busy, *reserved} if busy and reserved else busy or reserved  # no copy where one of them is empty
        return self._pick(destination, taken)

    @abstractmethod
    def _pick(self, destination: Hashable, taken: Collection[int]) -> int:
        """Return the next port that is not taken, and advance. Raises PortsExhausted."""

    def _choose(self, position: int, taken: Collection[int], stride: int = 1) -> tuple[int, int]:
        """Return (port, displacement) of the first free port from `position` on, or raise PortsExhausted."""
        choice = self.candidates.choose(position, taken, stride)
        if choice is None:
            raise self._exhausted()
        return choice

    def _exhausted(self) -> PortsExhausted:
        return PortsExhausted(f"range {self.port_range}: no port is free for the era {self.era}")

    def _hash(self, key: object, bits: int) -> int:
        """A keyed hash of `key`, as the kernel's siphash with the secret of the boot."""
        digest = blake2b(repr(key).encode(), digest_size=bits // 8, key=self._secret).digest()
        return int.from_bytes(digest, "little")
