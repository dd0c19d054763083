"""The precondition board: break a precondition on the testbed, look at the rules, dial."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from ...ports.ranges import Port
from ..html import html
from .board_model import RANGES, SWITCHES, PreconditionBoard
from .views import View, button, choice, field, put, row, status, switch

if TYPE_CHECKING:
    from ...testbed.testbed import Testbed


class BoardView(View):
    """The board on the page."""

    def __init__(self, model: PreconditionBoard, port: Any) -> None:
        self._port = field("port to dial", port)
        self._switches = {name: switch(words, partial(self._on_switch, name)) for name, words in SWITCHES.items()}
        self._range = choice("ephemeral ports", [(words, kind) for kind, words in RANGES.items()], "as opened", "28em")
        self._dial = button("Dial", partial(self.do, model.dial), "Make up to 5,000 tries as things stand")
        self._stop = button("Stop", partial(self.do, model.stop), "End the loop under way")
        self._reset = button("All off", lambda: self.do(model.begin, self._port.value), "Switch everything off")
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
        self._port.observe(lambda change: self.do(model.begin, change["new"]), "value")
        self._range.observe(lambda change: self._on_range(change["new"]), "value")
        self.refresh()

    def update(self) -> None:
        """Bring the page up to date: a switch that could not be turned goes back."""
        model = self.model
        for name, box in self._switches.items():
            box.value = name in model.on
        self._range.value = model.range_kind
        put(self._words, status(model.words))
        put(self._rules, html(model.verdict.describe()) if model.verdict is not None else "")

    def _on_switch(self, name: str, on: bool) -> None:
        if on != (name in self.model.on):
            self.do(self.model.switch, name, on)  # where nothing was switched, the box goes back

    def _on_range(self, kind: str) -> None:
        if kind != self.model.range_kind:
            self.do(self.model.choose_range, kind)


def precondition_board(testbed: Testbed | None = None, port: Port = 40100) -> View:
    """Return a board whose switches break the preconditions of `port` on this very testbed.

    Closed, or shown again by the same cell, it switches everything off. What cannot be done here it says in words.
    """
    return BoardView(PreconditionBoard(testbed, port), port)
