"""The state stepper: go through a captured exchange, moment by moment, and watch the states."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as w

from .stepper_model import StateStepper
from .stepper_picture import diagram_html, segments_html
from .views import View, button, number, put, row, status


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
