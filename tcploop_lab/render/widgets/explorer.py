"""The distribution explorer: change range, port, era and clients, see the law at once, measure on demand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from ...ports.clients import Client, ClientKind
from ...ports.eras import ERAS
from ...ports.ranges import Port, Range
from .explorer_figure import histogram_html, shares_html
from .explorer_model import DistributionExplorer, known, known_era
from .views import View, button, choice, choices, field, put, row, status

if TYPE_CHECKING:
    from ...testbed.testbed import Testbed


class ExplorerView(View):
    """The explorer on the page."""

    def __init__(self, model: DistributionExplorer, port: Any, port_range: Any, era: Any, clients: Any) -> None:
        self._port = field("port to dial", port)
        self._range = field("ephemeral ports", port_range, "20em", "LOW-HIGH")
        self._era = choice("era", list(ERAS), known_era(era))
        self._clients = choices("clients", list(map(str, ClientKind)), known(clients))
        self._samples = field("samples", 100, "12em")
        self._measure = button(
            "Measure", lambda: self.do(model.measure, self._samples.value), "Add so many samples for each client"
        )
        self._stop = button("Stop", partial(self.do, model.stop), "End the measurement, keep the samples")
        self._words, self._shares, self._histogram = w.HTML(), w.HTML(), w.HTML()
        rows = (
            row(self._port, self._range, self._era),
            row(self._clients, self._samples, self._measure, self._stop),
            self._words,
            self._shares,
            self._histogram,
        )
        super().__init__(model, rows, "distribution explorer")
        self._seen: object = None
        self._following = False
        model.work.changed = self.refresh
        for control in (self._port, self._range, self._era, self._clients):
            control.observe(lambda _: self._on_change(), "value")
        self._on_change()

    def update(self) -> None:
        """Bring the page up to date."""
        if self.model.series and self.model.series is not self._seen:
            self._follow()
        curves = self.model.curves
        put(self._words, status(self.model.words))
        put(self._shares, shares_html(curves) if curves else "")
        put(self._histogram, histogram_html(curves) if curves else "")

    def _follow(self) -> None:
        """Show in the controls what was chosen, which code may have done."""
        self._seen, laws = self.model.series, self.model.laws
        self._following = True
        self._port.value, self._range.value = str(laws[0].port), str(laws[0].port_range)
        self._era.value, self._clients.value = laws[0].era, tuple(str(law.client) for law in laws)
        self._following = False

    def _on_change(self) -> None:
        if self._following:
            return
        self.model.choose(self._port.value, self._range.value, self._era.value, self._clients.value)


def distribution_explorer(
    testbed: Testbed | None = None,
    port: Port = 40500,
    port_range: Range | None = None,
    era: str = "random-walk",
    clients: Client | Sequence[Client] = ("same-socket",),
) -> View:
    """Return an explorer of the tries to success. Without a testbed it shows theory, and cannot measure.

    `port_range` None takes the range of the testbed. What is typed wrong is answered in words in the explorer.
    """
    ports = port_range or getattr(testbed, "port_range", "32768-60999")
    return ExplorerView(DistributionExplorer(testbed), port, ports, era, clients)
