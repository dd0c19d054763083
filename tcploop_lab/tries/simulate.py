"""Simulated tries: many loops at once, with the kernel's rule for every single port.

    samples = tries("random-walk", (32768, 60999), 33334, samples=1_000_000, seed=1)
    samples.tries.mean()

It shares the rules with tcploop_lab.tries.theory but none of its mathematics, and it can do what the theory
cannot: taken ports among many candidates, and several clients on one counter.

A loop jumps many tries at a time where nothing can happen: from a position that is d candidates before the
next one that matters (the target, a taken port), K tries with (K - 1) * longest step < d cannot stop on it,
and their sum is drawn at once from its exact law.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ports.candidates import Candidates, port_set
from ..ports.clients import Binds, ClientKind, parse_client
from ..ports.eras import parse_era
from ..ports.ranges import PortRange, parse_port
from .jumps import Scans, jumps
from .theory import STARTS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_BATCH = 1 << 16
DEFAULT_PATIENCE = 50  # tries per candidate before a sample is given up, if max_tries is not given


@dataclass(frozen=True)
class Samples:
    """Simulated loops: `tries` to success, and whether it was `observed` (False: given up after `tries`)."""

    tries: Ints
    observed: Bools


@dataclass(frozen=True)
class SharedSamples:
    """Loops of several clients on one counter, until one of them loops: its own tries, and those of all."""

    own: Ints
    together: Ints
    observed: Bools


def tries(
    era: str,
    port_range: Any,
    port: Any,
    client: Any = "same-socket",
    start: str = "random",
    samples: int = 1000,
    seed: int | None = None,
    busy: Iterable[object] = (),
    reserved: Iterable[object] = (),
    max_tries: int | None = None,
    step_width: int = 1000,
) -> Samples:
    """Return how many tries each of `samples` independent loops takes.

    The arguments are those of theory.distribution; `step_width` is the sysctl of that era. A loop that does
    not happen within `max_tries` (50 tries per candidate if None) is censored. Raises ValueError as
    distribution does.
    """
    if start not in STARTS:
        raise ValueError(f"start {start!r}: a start is one of {', '.join(STARTS)}")
    if samples < 1:
        raise ValueError(f"samples {samples}: give a whole number of at least 1")
    rules, kind, target = parse_era(era), parse_client(client), parse_port(port)
    circle = rules.candidates(PortRange.parse(port_range), kind)
    limit = DEFAULT_PATIENCE * circle.size if max_tries is None else max_tries
    rng = np.random.default_rng(seed)
    if rules.never:
        return _all(samples, limit, False)
    if kind.binds is Binds.TARGET:
        looped = target not in port_set(busy, PortRange(target, target))
        return _all(samples, 1 if looped else limit, looped)
    taken = port_set(busy, circle.port_range) | port_set(reserved, circle.port_range)
    if kind.own_range and not rules.has_socket_range:
        return _all(samples, limit, False)
    if rules.connects_once and not kind.new_socket:
        limit = min(limit, 1)
    steps = rules.law_of(kind)[1]
    strides = step_width if rules.strides and steps else 0
    loop = _Loop(circle, Scans(circle, target, taken, rules.redraws, strides), steps, rules.redraws)
    parts = [loop.run(min(_BATCH, samples - i), start, limit, rng) for i in range(0, samples, _BATCH)]
    counts = np.concatenate(parts)
    return Samples(np.minimum(counts, limit), counts <= limit)


def first_of(
    clients: int, era: str, port_range: Any, port: Any, samples: int = 1000, seed: int | None = None
) -> SharedSamples:
    """Return the loops of `clients` that dial the same port from the same address at once.

    They share one counter of the kernel, and each try is made by any of them with equal chance. Clients with
    addresses of their own have counters of their own: simulate those with `tries`, and take the minimum.
    """
    if clients < 1:
        raise ValueError(f"clients {clients}: give a whole number of at least 1")
    alone = tries(era, port_range, port, ClientKind.NEW_SOCKET, samples=samples, seed=seed)
    rng = np.random.default_rng(None if seed is None else [seed, clients])
    own = 1 + rng.binomial(alone.tries - 1, 1 / clients)
    return SharedSamples(own, alone.tries, alone.observed)


def _all(samples: int, count: int, observed: bool) -> Samples:
    return Samples(np.full(samples, count, dtype=np.int64), np.full(samples, observed))


class _Loop:
    """The loops of one kind of client towards one port."""

    def __init__(self, circle: Candidates, scans: Scans, steps: tuple[float, ...], redraws: bool) -> None:
        self.size, self.scans, self.steps, self.redraws = circle.size, scans, steps, redraws
        if steps:
            self._plan()

    def _plan(self) -> None:
        """Note for every position how many tries are safe at once: up to the next one that matters."""
        marks = np.flatnonzero(self.scans.hit | self.scans.past)
        marks = np.append(marks, marks[0] + self.size) if len(marks) else np.array([2 * self.size])
        positions = np.arange(self.size)
        ahead = marks[np.searchsorted(marks, positions, side="right")] - positions
        self.jumps = jumps(self.steps, self.size)
        self.level = np.searchsorted(self.jumps.room, ahead, side="right") - 1
        self.level[self.scans.past] = 0

    def run(self, samples: int, start: str, limit: int, rng: np.random.Generator) -> Ints:
        """Return the tries of that many loops; limit + 1 for one that was given up."""
        if not self.steps:
            return self._lottery(samples, limit, rng)
        made = np.full(samples, limit + 1, dtype=np.int64)
        running, counts = np.arange(samples), np.ones(samples, dtype=np.int64)
        places = rng.integers(self.size, size=samples)
        if start == "return" and not self.scans.past.any() and self.scans.hit.any():
            places[:] = np.flatnonzero(self.scans.hit)[0]
        unseen = np.full(samples, start == "return")  # the first hit is where such a sample begins
        while len(running):
            hit, passed = self.scans.look(places, rng)
            begins = hit & unseen
            counts[begins], unseen[begins] = 0, False
            arrived = hit & ~begins & (counts <= limit)
            made[running[arrived]] = counts[arrived]
            left = ~arrived & (counts <= limit)
            if not left.all():
                running, places, counts, unseen = running[left], places[left], counts[left], unseen[left]
                passed = passed[left]
            self._advance(places, counts, passed, rng)
        return made

    def _lottery(self, samples: int, limit: int, rng: np.random.Generator) -> Ints:
        hits = self.scans.hit
        chance = hits.mean() / (~self.scans.past).mean() if self.redraws and hits.any() else hits.mean()
        if not chance > 0:
            return np.full(samples, limit + 1, dtype=np.int64)
        return np.minimum(rng.geometric(chance, size=samples), limit + 1)

    def _advance(self, places: Ints, counts: Ints, passed: Ints, rng: np.random.Generator) -> None:
        """Move on, in place, by as many tries as are safe; past taken ports by at least what was passed."""
        level = self.level[places]
        moved = self.jumps.draw(level, rng)
        made = self.jumps.lengths[level]
        odd = np.flatnonzero(passed)
        if len(odd) and self.redraws:
            made[odd] = 0  # a taken port costs a draw, not a try
        elif len(odd):
            moved[odd] = np.where(passed[odd] < 0, 0, np.maximum(moved[odd], passed[odd] + 1))
        counts += made
        places += moved
        places %= self.size
