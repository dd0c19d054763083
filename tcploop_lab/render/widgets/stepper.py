"""The state stepper: go through a captured exchange, moment by moment, and watch the states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import ipywidgets as w

from ...results.description import Table
from ...tcp.states import TRANSITIONS, State, Transition
from .. import style
from ..html import table
from ..ladder import STATE_COLOURS
from ..statediagram import BOX, PLACES, ROUTES
from .stepper_model import StateStepper
from .views import View, button, number, put, row, status

_SCALE = 78  # pixels for a unit of the diagram
_WIDTH, _HEIGHT = 8.6, 9.1
_UNTAKEN = "#B5B5B5"  # fainter than the way, and still seen on either ground


class StepperView(View):
    """The stepper on the page."""

    def __init__(self, model: StateStepper) -> None:
        self._first = button("First", partial(model.move, -model.last), "Before the first moment")
        self._back = button("Back", partial(model.move, -1), "One moment back")
        self._next = button("Next", partial(model.move, 1), "One moment on")
        self._last = button("Last", partial(model.move, model.last), "After the last moment")
        self._moment = number("moment", 0, model.last)
        self._words, self._segments, self._diagram = w.HTML(), w.HTML(), w.HTML()
        rows = (
            row(self._first, self._back, self._next, self._last, self._moment),
            self._words,
            row(self._diagram, self._segments),
        )
        super().__init__(model, rows, "state stepper")
        model.changed = self.refresh
        self._moment.observe(lambda change: self._to(change["new"]), "value")
        self.refresh()

    def update(self) -> None:
        """Bring the page up to date."""
        model = self.model
        self._moment.value = model.position
        put(self._words, status(model.words))
        put(self._diagram, diagram_html(model.states, model.taken) if model.last else "")
        put(self._segments, segments_html(model) if model.last else "")

    def _to(self, position: int) -> None:
        if position != self.model.position:
            self.model.go_to(position)


def state_stepper(exchange: Any = None) -> View:
    """Return a stepper through an exchange: captured, crossed, recorded or read from a pcap file."""
    return StepperView(StateStepper(exchange))


def diagram_html(states: Mapping[str, State], taken: Sequence[Transition]) -> str:
    """Return the state diagram with the way so far, and each end where it is now."""
    ways = {(row.state, row.after) for row in taken if row.changes}
    drawn = {(row.state, row.after) for row in TRANSITIONS if row.figure5} | ways
    latest = (taken[-1].state, taken[-1].after) if taken else None
    lines = "".join(_line(pair, pair in ways, pair == latest) for pair in sorted(drawn, key=lambda pair: pair in ways))
    boxes = "".join(_box(state, [name for name, now in states.items() if now is state]) for state in PLACES)
    where = ", ".join(f"{name} is in {state}" for name, state in states.items())
    path = ", ".join(f"{row.state} to {row.after}" for row in taken if row.changes) or "none yet"
    alt = escape(f"State diagram of RFC 9293, figure 5. {where}. Changes so far: {path}.")
    size = f'viewBox="0 0 {_WIDTH * _SCALE:.0f} {_HEIGHT * _SCALE:.0f}"'
    return style.scrolling(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{style.FIGURE}" '
        f'role="img" aria-label="{alt}" {size} '
        f'font-family="sans-serif" style="{style.look(_WIDTH * _SCALE)}">{_HEAD}{lines}{boxes}</svg>'
    )


_HEAD = (
    f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" '
    f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="{style.GREY}"/></marker></defs>'
)


def _line(pair: tuple[State, State], taken: bool, latest: bool) -> str:
    if pair not in ROUTES:
        return ""
    points = " ".join(f"{x * _SCALE:.0f},{y * _SCALE:.0f}" for x, y in ROUTES[pair].points)
    colour, width = (style.VERMILLION, 5) if latest else (style.BLUE, 4) if taken else (_UNTAKEN, 1.5)
    look = f'stroke="{colour}" stroke-width="{width}" marker-end="url(#tip)"'
    return f'<polyline points="{points}" fill="none" {look}/>'


def _box(state: State, here: Sequence[str]) -> str:
    (x, y), (wide, high) = PLACES[state], BOX
    colour = STATE_COLOURS[state] if here else style.PAPER
    ink, edge = (style.text_on(colour), 3) if here else (style.GREY, 1)
    left, top = (x - wide / 2) * _SCALE, (y - high / 2) * _SCALE
    place = f'x="{left:.0f}" y="{top:.0f}" width="{wide * _SCALE:.0f}" height="{high * _SCALE:.0f}" rx="7"'
    frame = f'<rect {place} fill="{colour}" stroke="{style.INK if here else style.GREY}" stroke-width="{edge}"/>'
    words = [(state, 11, "bold"), (", ".join(map(_short, here)), 11, "normal")] if here else [(state, 11, "normal")]
    step = 13 if here else 0
    lines = "".join(
        f'<text x="{x * _SCALE:.0f}" y="{y * _SCALE + 4 + step * (number - 0.55 * bool(here)):.0f}" font-size="{size}" '
        f'font-weight="{weight}" text-anchor="middle" fill="{ink}">{escape(text)}</text>'
        for number, (text, size, weight) in enumerate(words)
    )
    return frame + lines


def _short(end: str) -> str:
    """The name of an end, or its port where it has only an address: there is no more room."""
    return f":{end.rpartition(':')[2]}" if ":" in end else end


def segments_html(model: StateStepper) -> str:
    """Return the list of the segments: which have departed and arrived, and where we are."""
    now = model.replay.moments[model.position - 1][0] if model.position else -1
    rows = [
        ("→ now" if index == now else "", index + 1, model.segment_words(step), _fate(model, index, step.lost))
        for index, step in enumerate(model.replay.steps)
    ]
    return table(Table("", tuple(("", name) for name in ("here", "segment", "what", "so far")), rows))


def _fate(model: StateStepper, index: int, lost: bool) -> str:
    if model.happened(index, True):
        return "arrived"
    departed = "lost" if lost else "on the way"
    return departed if model.happened(index, False) else "not sent yet"
