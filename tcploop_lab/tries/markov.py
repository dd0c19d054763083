"""The law of the tries when some candidates are taken: an exact Markov chain on up to 2048 positions, or for few tries.

The state is the counter's position before a try. From position x the kernel gives the first free port,
`displacement` candidates further on, and moves to x + max(displacement, random) + 1
(net/ipv4/inet_hashtables.c, label ok). So a port just after a block of taken ones is tried far more often
than the others, and even a port that is never tried first can loop.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import spsolve

from ..ports.candidates import Candidates
from ..ports.era import Era
from .laws import Geometric, Ints, Law, Never
from .renewal import Floats

LARGEST_CIRCLE = 2048  # positions, for tries without end
_MOST_VISITS = 1 << 23  # positions times tries, where so many tries are enough: two seconds


def law_with_taken(
    era: type[Era],
    circle: Candidates,
    steps: tuple[float, ...],
    port: int,
    start: str,
    taken: frozenset[int],
    tries: int | None = None,
) -> tuple[Law, str]:
    """Return the law of the tries to `port` while `taken` stay taken, and the reason in a sentence.

    Nobody asks for more than `tries` (None: for any). Raises ValueError where an exact answer costs too much, naming
    the way out.
    """
    where = f"{len(taken)} {'port' if len(taken) == 1 else 'ports'} of {circle.port_range} taken"
    bears = max(LARGEST_CIRCLE, _MOST_VISITS // tries if tries else 0)
    if steps and (circle.size > bears or era.redraws or era.strides):
        limit = f"the exact law then bears up to {bears} candidates, here are {circle.size}"
        if circle.size <= bears:
            limit = f"the era {era.name} passes them at random, which has no exact law here"
        raise ValueError(f"{where}: {limit}; count with tcploop_lab.tries.simulate.tries")
    hits = _hits(circle.choices(taken), port)
    if not hits.any():
        return Never(), f"{where}, and port {port} is never reached past them"
    if not steps:
        free = circle.size - sum(circle.position(one) is not None for one in taken)
        # A fresh start for each try; an era that redraws gives every free port the same chance.
        return Geometric(1 / free if era.redraws else float(hits.mean())), f"port {port} is free; {where}"
    return _walk(circle, steps, port, start, taken), f"port {port} is free; {where}"


def _hits(choices: list[Any], port: int) -> Any:
    return np.array([choice is not None and choice[0] == port for choice in choices])


@lru_cache(maxsize=8)  # for clients that differ in nothing that counts here
def _walk(circle: Candidates, steps: tuple[float, ...], port: int, start: str, taken: frozenset[int]) -> TakenLaw:
    choices = circle.choices(taken)
    return TakenLaw(_moves(choices, steps), _hits(choices, port), start, len(steps) == 1)


def _moves(choices: list[tuple[int, int] | None], steps: tuple[float, ...]) -> Any:
    """Return the transition matrix. Where no port is free, connect() fails and the counter stays."""
    size = len(choices)
    rows, columns, weights = [], [], []
    for x, choice in enumerate(choices):
        for j, chance in enumerate(steps):
            rows.append(x)
            columns.append(x if choice is None else (x + max(choice[1], j) + 1) % size)
            weights.append(chance)
    return sparse.coo_array((weights, (rows, columns)), shape=(size, size)).tocsr()


class TakenLaw(Law):
    """Tries to the first position of `hits`; with start "return", from the first hit to the second."""

    _NOTHING_LEFT = 1e-13

    def __init__(self, moves: Any, hits: Any, start: str, certain_steps: bool) -> None:
        size = len(hits)
        onward = sparse.diags_array((~hits).astype(float)) @ moves
        useful = _can_reach(onward, hits)
        self._hits = hits.astype(float)
        self._onward = (onward @ sparse.diags_array(useful.astype(float))).tocsr()
        self._state = np.full(size, 1 / size)
        if start == "return":
            arrived = self._arrivals(useful)
            self._state = moves.T @ (arrived / arrived.sum())
        self.total = 1.0 if useful.all() else float(self._arrivals(useful).sum())
        self._state = self._begin = self._state * useful
        self.last = size if certain_steps and self.total == 1 else None
        self._pmf = np.zeros(1)
        self._sf = np.ones(1)
        self._undecided = 1.0

    @cached_property
    def mean(self) -> float:  # type: ignore[override]
        """The expected number of tries."""
        return float(_solve(self._onward.T, self._begin).sum()) if self.total == 1 else math.nan

    def _arrivals(self, useful: Any) -> Any:
        """By position, the chance that the first hit is there."""
        return _solve(self._onward.T, self._state * useful) * self._hits

    def _reach(self, tries: int) -> None:
        while len(self._pmf) <= tries and self._undecided > self._NOTHING_LEFT:
            self._extend(max(tries + 1 - len(self._pmf), len(self._pmf)))

    def _extend(self, count: int) -> None:
        pmf = np.empty(count)
        undecided = np.empty(count)
        transposed = self._onward.T.tocsr()
        for n in range(count):
            pmf[n] = self._state @ self._hits
            self._state = transposed @ self._state
            undecided[n] = self._state.sum()
        self._undecided = float(undecided[-1])
        self._pmf = np.concatenate([self._pmf, pmf])
        left = 1.0 - np.cumsum(self._pmf)[-count:] if self.total < 1 else undecided
        self._sf = np.concatenate([self._sf, left])

    def _read(self, values: str, n: Ints, before: float, beyond: float) -> Floats:
        self._reach(int(n.max(initial=0)))
        array: Floats = getattr(self, values)
        return np.where(n < 0, before, np.where(n >= len(array), beyond, array[np.clip(n, 0, len(array) - 1)]))

    def pmf(self, n: Ints) -> Floats:
        """Return P(T = n)."""
        return self._read("_pmf", n, 0.0, 0.0)

    def sf(self, n: Ints) -> Floats:
        """Return P(T > n)."""
        return self._read("_sf", n, 1.0, 1.0 - self.total)


def _can_reach(onward: Any, hits: Any) -> Any:
    """Return for every position whether some hit lies ahead of it."""
    size = len(hits)
    backward = sparse.block_array(
        [[onward.T, None], [sparse.csr_array(hits.astype(float)[None, :]), sparse.csr_array((1, 1))]]
    )
    seen = np.zeros(size + 1, dtype=bool)
    seen[csgraph.breadth_first_order(backward.tocsr(), size, return_predecessors=False)] = True
    return seen[:size]


def _solve(moves: Any, start: Floats) -> Floats:
    """Return the expected number of visits: the solution v of v = start + moves v."""
    return np.asarray(spsolve((sparse.eye_array(len(start)) - moves).tocsc(), start))
