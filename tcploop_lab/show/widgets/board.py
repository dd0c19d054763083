"""The precondition board: break a precondition on the testbed, look at the rules, dial."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as w

from ..html import html
from .board_model import RANGES, SWITCHES, PreconditionBoard
from .views import View, button, choice, field, put, row, status, switch


class BoardView(View):
    """The board on the page."""

    def __init__(self, model: PreconditionBoard, port: Any) -> None:
        self._port = field("port to dial", port)
        self._switches = {name: switch(words, partial(self._on_switch, name)) for name, words in SWITCHES.items()}
        self._range = choice("ephemeral ports", [(words, kind) for kind, words in RANGES.items()], "as opened", "28em")
        self._dial = button("Dial", self._on_dial, "Make up to 5,000 tries as things stand")
        self._stop = button("Stop", self._on_stop, "End the loop under way")
        self._reset = button("All off", self._on_reset, "Switch everything off")
        self._words, self._rules = w.HTML(), w.HTML()
        rows = (
            row(self._port, self._range),
            row(*self._switches.values()),
            row(self._dial, self._stop, self._reset),
            self._words,
            self._rules,
        )
        super().__init__(model, rows, "precondition board")
        model.work.changed = self.refresh
        self._port.observe(lambda change: self._on_port(change["new"]), "value")
        self._range.observe(lambda change: self._on_range(change["new"]), "value")
        self.refresh()

    def update(self) -> None:
        """Bring the page up to date: a switch that could not be turned goes back."""
        model = self.model
        for name, box in self._switches.items():
            box.value = name in model.on
        self._range.value = model.range_kind
        put(self._words, status(model.words))
        put(self._rules, html(model.verdict) if model.verdict is not None else "")

    def _on_port(self, text: str) -> None:
        self.model.begin(text)
        self.refresh()

    def _on_switch(self, name: str, on: bool) -> None:
        if on != (name in self.model.on):
            self.model.switch(name, on)
            self.refresh()  # also where nothing was switched: the box goes back

    def _on_range(self, kind: str) -> None:
        if kind != self.model.range_kind:
            self.model.choose_range(kind)
            self.refresh()

    def _on_dial(self) -> None:
        self.model.dial()
        self.refresh()

    def _on_stop(self) -> None:
        self.model.stop()
        self.refresh()

    def _on_reset(self) -> None:
        self.model.begin(self._port.value)
        self.refresh()


def precondition_board(testbed: Any = None, port: Any = 40100) -> View:
    """Return a board whose switches break the preconditions of `port` on this very testbed.

    Closed, or shown again by the same cell, it switches everything off. What cannot be done here it says in words.
    """
    return BoardView(PreconditionBoard(testbed, port), port)
