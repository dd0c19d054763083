"""Figures of single tries: the walk of the source port, its steps, and an exchange or an audit as a ladder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter
from numpy.typing import NDArray

from ..ports.eras import parse_era
from ..ports.identify import ProbeResult
from ..results.run import Run
from ..tcp.segments import Segment
from ..tcp.words import counted
from . import style
from .figures import readable, tries_axis
from .ladder import ladder

_SMALL = 400  # tries up to which the points are joined, so that single steps show
_MOST = 12  # segments of an audit: what comes after them is more of the same
_SHOWN_STEPS = 40  # more different steps than this are drawn as a histogram of their shares


def exchange(captured: Any, ax: Axes | None = None) -> Axes:
    """Draw the ladder of a captured exchange, a recorded one with its label. ValueError if nothing was captured.

    Of a crossing that is not over it shows what is still on the cable, too.
    """
    shown, label = getattr(captured, "so_far", captured), getattr(captured, "label", "")
    under_way = getattr(shown, "under_way", ())
    return ladder(shown.segments, shown.replayed, ax=ax, received=shown.received, label=label, under_way=under_way)


def audit(result: Any, ax: Axes | None = None) -> Axes:
    """Draw the first connection attempt of an audited program on `ax` and return the Axes.

    Raises ValueError if the program sent no segment of the port.
    """
    first = _first_attempt(result.segments)
    if not first:
        raise ValueError(f"verdict {result.verdict}: the program sent no segment of port {result.port} to draw")
    shown = first[:_MOST]
    part = f"the first {_MOST} of {len(first):,} segments" if len(first) > _MOST else ""
    return ladder(shown, ax=ax, label="; ".join(filter(None, (part, result.label))))


def _first_attempt(segments: Sequence[Segment]) -> list[Segment]:
    """The segments from the first SYN to the next one that is another attempt, between the same two ends."""
    syns = [one for one in segments if one.is_syn]
    if not syns:
        return []
    ends = {(syns[0].src, syns[0].sport), (syns[0].dst, syns[0].dport)}
    later = takewhile(lambda one: not one.is_syn or one.seq == syns[0].seq, segments[segments.index(syns[0]) :])
    return [one for one in later if {(one.src, one.sport), (one.dst, one.dport)} == ends]


@style.styled
def walk(run: Run, ax: Axes | None = None, first: int | None = None, title: str | None = None) -> Axes:
    """Draw the source port of every try of a run, with the port it dials; `first` shows only so many tries.

    Raises ValueError for a run without a trace.
    """
    if not run.trace:
        raise ValueError("run: it has no trace; make one with connect_loop(port, trace=True)")
    ports = np.array(run.trace[:first], dtype=np.int64)
    ax = style.figure(ax)
    _draw_walk(ax, ports)
    _draw_target(ax, run, ports)
    ax.set_xlabel("try (connect call)")
    ax.set_ylabel("source port of the try")
    tries_axis(ax.xaxis)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    small = f"{run.host} port {run.port} · {run.client} · ephemeral ports {run.port_range} · {run.kernel}"
    style.set_titles(ax, title or _walk_finding(run, ports), small)
    return style.set_alt(ax, _walk_alt(ax, run, ports))


def _draw_walk(ax: Axes, ports: NDArray[np.int64]) -> None:
    tries = np.arange(1, len(ports) + 1)
    if len(ports) <= _SMALL:
        ax.plot(tries, ports, color=style.SKY_BLUE, linewidth=0.8)
    size = 4.0 if len(ports) <= _SMALL else max(0.6, 2.2 - len(ports) / 20_000)
    ax.plot(tries, ports, "o", color=style.BLUE, markersize=size, markeredgewidth=0, rasterized=True)
    margin = max(1, len(ports) // 50)
    ax.set_xlim(1 - margin, len(ports) + margin)


def _draw_target(ax: Axes, run: Run, ports: NDArray[np.int64]) -> None:
    if run.port not in range(ports.min() - 50, ports.max() + 50):
        return  # a close-up of tries that are far from the port would be a line and nothing else
    ax.axhline(run.port, color=style.VERMILLION, linewidth=1.2)
    spot: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 9.5}
    words = f"port {run.port},\nwhich it dials"
    ax.annotate(words, (1.012, run.port), color=readable(style.VERMILLION), **spot)
    if run.self_connected and len(ports) == run.tries:
        ax.plot([run.tries], [run.port], "o", markersize=13, markerfacecolor="none", color=style.VERMILLION)


def _walk_finding(run: Run, ports: NDArray[np.int64]) -> str:
    if run.self_connected and len(ports) == run.tries:
        return f"The source port meets the port it dials, {run.port}, at try {run.tries:,}"
    if len(ports) < len(run.trace or ()):
        return _close_up(ports)
    parities = set((ports % 2).tolist())
    if run.port not in run.port_range:
        return f"The source port never leaves its range, and {run.port} is outside"
    if len(parities) == 1 and run.port % 2 not in parities:
        return f"Every source port is {'odd' if parities.pop() else 'even'}, so it never meets {run.port}"
    return f"The source port of the first {counted(len(ports), 'try')} to port {run.port}"


def _close_up(ports: NDArray[np.int64]) -> str:
    steps = np.diff(ports)
    forward = steps[steps > 0]
    if not len(forward):
        return f"The source ports of the first {counted(len(ports), 'try')}"
    return f"Seen from near: the source port moves on by {forward.min()} to {forward.max()} each time"


def _walk_alt(ax: Axes, run: Run, ports: NDArray[np.int64]) -> str:
    steps = np.diff(ports)
    rising = float((steps > 0).mean()) if len(steps) else 0.0
    return (
        f"{ax.get_title(loc='left')}. Source port against try: {len(ports):,} points between ports {ports.min()} "
        f"and {ports.max()}, {rising:.0%} of the steps upwards; the port dialled is {run.port}."
    )


@style.styled
def increments(probe: ProbeResult, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw how far the source port moves from one try to the next, with what the era found expects.

    Raises ValueError for a probe without steps.
    """
    if not probe.increments:
        raise ValueError("probe: it saw no steps; probe with more tries")
    ax = style.figure(ax)
    steps = np.array(list(probe.increments), dtype=np.int64)
    shares = np.array(list(probe.increments.values())) / sum(probe.increments.values())
    expected = probe.expected
    if len(steps) > _SHOWN_STEPS:
        _draw_spread(ax, probe, steps, shares)
    else:
        _draw_bars(ax, steps, shares, expected)
    ax.set_ylabel("share of all tries")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.grid(axis="y")
    kernels = parse_era(probe.era).kernels
    era = probe.era if kernels.startswith("none") else f"{probe.era} ({kernels})"
    small = f"{probe.tries:,} refused tries · era {era} · confidence {probe.confidence:.1%}"
    style.set_titles(ax, title or _steps_finding(probe, steps), small)
    words = ", ".join(f"{step}: {share:.0%}" for step, share in zip(steps[:12], shares, strict=False))
    return style.set_alt(ax, f"{ax.get_title(loc='left')}. Bars, the share of each step in ports: {words}.")


def _draw_bars(ax: Axes, steps: NDArray[np.int64], shares: NDArray[np.float64], expected: dict[int, float]) -> None:
    usual = expected or dict.fromkeys(steps.tolist(), 0.0)
    places = {step: i for i, step in enumerate(sorted({*steps.tolist(), *usual}))}
    ax.bar([places[step] for step in steps.tolist()], shares, width=0.62, color=style.BLUE)
    for number, (step, chance) in enumerate(sorted(expected.items())):
        place = places[step]
        ax.plot([place - 0.4, place + 0.4], [chance] * 2, color=style.VERMILLION, linewidth=2.4)
        if number == len(expected) - 1:
            spot: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontsize": 9.5}
            ax.annotate("expected", (place + 0.4, chance), color=readable(style.VERMILLION), **spot)
    ax.set_xticks(list(places.values()), [f"{step:,}" for step in places])
    ax.set_xlim(-0.7, max(3.0, len(places)) + 0.3)
    ax.set_xlabel("ports from one source port to the next, modulo the range")


def _draw_spread(ax: Axes, probe: ProbeResult, steps: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    bins = np.linspace(0, probe.port_range.width, 21)
    ax.hist(steps, bins.tolist(), weights=shares, color=style.BLUE, edgecolor=style.PAPER)
    ax.axhline(1 / 20, color=style.VERMILLION, linewidth=2.4)
    spot: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 9.5}
    ax.annotate("a lottery", (1.01, 1 / 20), color=readable(style.VERMILLION), **spot)
    ax.set_xlim(0, probe.port_range.width)
    ax.set_xlabel("ports from one source port to the next, modulo the range")
    tries_axis(ax.xaxis)


def _steps_finding(probe: ProbeResult, steps: NDArray[np.int64]) -> str:
    expected = sorted(probe.expected)
    if not expected or len(steps) > _SHOWN_STEPS:
        return "Every try draws a fresh source port"
    if expected == [1]:
        return "Each try takes the very next port"
    if len(expected) == 1:
        return f"Each try moves on by exactly {expected[0]} ports"
    return f"Each try moves on by {expected[0]} to {expected[-1]} ports"
