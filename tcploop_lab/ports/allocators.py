"""Port allocators by era: small machines that give source ports as real kernels do.

allocator = make("random-walk", (32768, 60999), seed=1)
[allocator.next_port() for _ in range(5)]
"""

from __future__ import annotations

from typing import Any

from . import allocators_linux as linux
from . import allocators_other as other
from .allocators_base import HERE, Allocator, PortsExhausted
from .ranges import PortRange

__all__ = ["ALLOCATORS", "HERE", "Allocator", "PortsExhausted", "make"]

ALLOCATORS: dict[str, type[Allocator]] = {
    kind.era: kind
    for kind in (
        linux.Rover,
        linux.HashedSequence,
        linux.EvenSequence,
        linux.PerturbedEvenSequence,
        linux.RandomWalk,
        linux.SocketRange,
        linux.StepWidth,
        linux.BindZero,
        other.MacOS,
        other.FreeBSD,
        other.Lottery,
        other.Rfc6056Algorithm1,
        other.Rfc6056Algorithm2,
        other.Rfc6056Algorithm3,
        other.Rfc6056Algorithm4,
        other.Rfc6056Algorithm5,
    )
}


def make(era: str, port_range: Any, seed: int | None = None, **options: Any) -> Allocator:
    """Return a new allocator of the era ("bind-zero" is one too), with its own state.

    Options: `clock` (random-walk, socket-range, step-width), `step_width` (step-width), `reuse_address`
    (bind-zero). Raises ValueError for an unknown era, a bad range or an option that the era has not.
    """
    if era not in ALLOCATORS:
        raise ValueError(f"era {era!r}: an allocator is one of {', '.join(ALLOCATORS)}")
    try:
        return ALLOCATORS[era](PortRange.parse(port_range), seed, **options)
    except TypeError as error:
        raise ValueError(f"options {sorted(options)}: the era {era} has no such option") from error
