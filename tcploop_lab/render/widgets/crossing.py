"""Two hosts and the cable in the learner's hands: buttons that call, deliver and lose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from ...tcp.states import State
from .. import style
from ..html import facts, line, written
from ..ladder import STATE_COLOURS
from .crossing_model import CrossingByHand
from .views import View, button, put, row, status

if TYPE_CHECKING:
    from ...testbed.testbed import Testbed

_PLACES = 8  # segments on the cable that have buttons; more are counted


class CrossingView(View):
    """The hosts, the cable and its buttons on the page."""

    def __init__(self, model: CrossingByHand) -> None:
        self._calls = [button(f"{host} calls", partial(self.do, model.call, host)) for host in ("A", "B")]
        self._both = button("Both call", partial(self.do, model.call_both), "Both call before anything is delivered")
        self._look = button("Look at the cable", partial(self.do, model.look), "What was sent again meanwhile?")
        self._new = button("New hosts", partial(self.do, model.begin), "Two new hosts, an empty cable")
        self._words, self._hosts, self._found, self._ladder = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self._places = [_Place(self, number) for number in range(_PLACES)]
        rows = (
            row(*self._calls, self._both, self._look, self._new),
            self._words,
            self._hosts,
            *(place.box for place in self._places),
            self._found,
            self._ladder,
        )
        self._next: w.Button | None = None  # which button gets the focus
        super().__init__(model, rows, "crossing by hand")
        self._drawn = 0
        model.changed = self._follow
        self.refresh()

    def update(self) -> None:
        """Bring the page up to date, the ladder last: it takes longest."""
        self._follow()
        if self._drawn != len(self.model.story):
            put(self._ladder, self.static_html() if self.model.story else "")
        self._drawn = len(self.model.story)

    def _follow(self) -> None:
        """Show all but the ladder; also for moves that were made in code."""
        model, held = self.model, self.model.held
        put(self._words, status(model.words))
        put(self._hosts, _hosts_html(model))
        found = {one.value: "✓ found" if there else "not yet" for one, there in model.sought.items()}
        put(self._found, line("Endings to find") + facts(found))
        for control in (*self._calls, self._both, self._look):
            control.disabled = model.crossing is None
        for place, segment in zip(self._places, [*held, *[None] * _PLACES][:_PLACES], strict=True):
            place.show(segment)
        if self._next is not None:
            self._next.focus()
            self._next = None

    def move(self, act: Any, number: int) -> None:
        """Deliver or lose the segment in a place; the keyboard's place is kept, as long as there is one."""
        act(number)
        left = min(len(self.model.held), _PLACES)
        if number >= left:  # the button that was pressed will be gone
            self._next = self._places[left - 1].deliver if left else self._new
        self.refresh()


class _Place:
    """One place on the cable: what is there, and the two buttons for it. They stay; what they stand for changes."""

    def __init__(self, view: CrossingView, number: int) -> None:
        self._view, self._number = view, number
        self.deliver = button("Deliver", lambda: view.move(view.model.deliver, number))
        self.lose = button("Lose", lambda: view.move(view.model.lose, number))
        self._words = w.HTML()
        self.box = row(self.deliver, self.lose, self._words)

    def show(self, held: Any) -> None:
        """Stand for this segment; for None, stay hidden."""
        self.box.layout.display = "none" if held is None else ""
        if held is not None:
            words = self._view.model.name(held)
            to = "→ B" if held.segment.sender == "A" else "→ A"
            for control, verb in ((self.deliver, "Deliver"), (self.lose, "Lose")):
                control.description = f"{verb} {words.partition(',')[0]}"
                control.tooltip = f"{verb} {words}"
            put(self._words, f"<span>on the cable {escape(to)}: {escape(words)}</span>")


def _hosts_html(model: CrossingByHand) -> str:
    """Each host with its state as a coloured field, and the way there."""
    cells = [f"<span>{_badge(way[-1])} &nbsp; {escape(' → '.join(way))}</span>" for way in model.paths.values()]
    return facts({f"host {host}": _Ready(cell) for host, cell in zip(model.paths, cells, strict=True)})


@dataclass(frozen=True)
class _Ready:
    """A value that is HTML already."""

    text: str


@written.register
def _ready(value: _Ready) -> str:
    return value.text


def _badge(state: str) -> str:
    colour = STATE_COLOURS[State(state)]
    look = f"background: {colour}; color: {style.text_on(colour)}; padding: 2px 10px; border-radius: 10px"
    return f'<strong style="{look}; border: 1px solid {style.INK}">{escape(state)}</strong>'


def crossing_by_hand(testbed: Testbed | None = None) -> CrossingView:
    """Return two hosts that call, and a cable whose segments are delivered or lost by buttons, one at a time.

    Everything the buttons do, `.model` does in code. Closed, or shown again by the same cell, it ends the hosts. What
    cannot be done here it says in words.
    """
    return CrossingView(CrossingByHand(testbed))
