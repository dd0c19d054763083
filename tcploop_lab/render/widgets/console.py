"""The loop console: dial, watch the source port walk, look at the exchange, talk to yourself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np

from ...ports.clients import Client, ClientKind
from ...ports.ranges import Port, Range
from ...results.run import Run
from ...tcp.words import counted
from .. import style
from ..html import html
from .console_model import MOST_TRIES, PACES, LoopConsole, Wish
from .svg import Chart
from .views import View, button, choice, field, put, row, status

if TYPE_CHECKING:
    from ...testbed.testbed import Testbed

_DOTS = 1500  # of a walk; more would lie on each other
_LATEST = 30_000  # tries: some ten passes through the default range, which _DOTS still show as lines
_FEW = 200  # tries up to which single steps are shown


class ConsoleView(View):
    """The console on the page."""

    def __init__(self, model: LoopConsole, port: Any, port_range: Any, client: Any) -> None:
        kinds = [(f"{kind}: {kind.description}", str(kind)) for kind in ClientKind]
        self._port = field("port to dial", port)
        self._range = field("ephemeral ports", port_range, "20em", "LOW-HIGH")
        self._client = choice("client", kinds, str(client), "46em")
        self._most = field("most tries", f"{MOST_TRIES:,}")
        self._pace = choice("pace", list(PACES), "full speed")
        self._start = button("Start", self._on_start, "Dial with these settings")
        self._stop = button("Stop", partial(self.do, model.stop), "End the loop under way")
        self._words, self._picture, self._exchange, self._echoed = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self._text = field("text to yourself", "hello, me", "24em")
        self._send = button("Send", lambda: self.do(model.echo, self._text.value), "Send the text, and read it again")
        self._close = button("Close the connection", partial(self.do, model.hang_up), "Close it by a reset")
        rows = (
            row(self._port, self._range, self._most),
            row(self._client, self._pace),
            row(self._start, self._stop),
            self._words,
            self._picture,
            row(self._text, self._send, self._close),
            self._echoed,
            self._exchange,
        )
        super().__init__(model, rows, "loop console")
        model.work.changed = self.refresh
        self._seen = -1
        self._wish = model.wish
        self.refresh()

    def update(self) -> None:
        """Bring the page up to date."""
        model = self.model
        if model.wish is not None and model.wish is not self._wish:
            self._follow(model.wish)
        put(self._words, status(model.words))
        talking = model.connected and not model.work.busy
        put(self._echoed, status(model.echoed) if model.echoed else "")
        captured = model.exchange if talking and model.exchange is not None else None
        put(self._exchange, html(captured.describe(brief=True)) if captured is not None and captured.segments else "")
        tries = len(model.run.trace or ()) if model.run else 0
        if tries and tries != self._seen:
            put(self._picture, walk_html(model.run))
        elif not tries and not model.work.busy:
            put(self._picture, "")
        self._seen = tries

    def _follow(self, wish: Wish) -> None:
        """Show in the controls what is dialled, which code may have asked for."""
        self._wish = wish
        self._port.value, self._range.value = str(wish.port), str(wish.port_range)
        self._client.value, self._most.value = str(wish.client), f"{wish.most_tries:,}"
        self._pace.value = wish.pace

    def _on_start(self) -> None:
        typed = (self._port, self._range, self._client, self._most, self._pace)
        self.do(self.model.start, *(control.value for control in typed))


def walk_html(run: Run) -> str:
    """Return the walk of the source port so far as a chart: of a long one the end, of a short one its ports."""
    trace = np.frombuffer(run.trace or b"", dtype=np.uint16)
    ports, before = trace[-_LATEST:], max(0, len(trace) - _LATEST)
    tries = np.arange(before + 1, len(trace) + 1)
    kept = np.unique(np.append(np.arange(0, len(ports), -(-len(ports) // _DOTS)), len(ports) - 1))
    latest = f", of which the last {_LATEST:,}" if before else ""
    words = f"Source port of each try: {counted(len(trace), 'try')} to port {run.port}{latest}"
    across = (float(tries[0]), max(20.0, len(trace)))
    chart = Chart(across, _height(run, ports), words, ("try (connect call)", "source port"))
    if len(ports) <= _FEW:
        chart.line(tries, ports, style.SKY_BLUE, width=0.8)
    chart.points(tries[kept], ports[kept], style.BLUE, 1.2 if len(ports) > 2 * _FEW else 2.2)
    chart.level(run.port, f"port {run.port}, which it dials", style.VERMILLION)
    if run.self_connected:
        chart.points([len(trace)], [run.port], style.VERMILLION, 5.0)
    return chart.html(f"{words}. The last source port is {trace[-1]}.")


def _height(run: Run, ports: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Which ports the chart shows: of some tries those near them, so that each step is seen; else the range."""
    low, high = float(run.port_range.low), float(run.port_range.high)
    if len(ports) > _FEW:
        return low, high
    room = max(20.0, 0.1 * float(np.ptp(ports)))
    return max(low, float(ports.min()) - room), min(high, float(ports.max()) + room)


def loop_console(
    testbed: Testbed | None = None,
    port: Port = 33334,
    port_range: Range | None = None,
    client: Client = "same-socket",
) -> View:
    """Return a console that dials `port` in a network of its own, of the kind that `testbed` is.

    `port_range` None takes the range of the testbed. What is typed wrong is answered in words in the console.
    """
    model = LoopConsole(testbed)
    ports = port_range or getattr(testbed, "port_range", "32768-60999")
    known = str(client) if str(client) in list(ClientKind) else str(ClientKind.SAME_SOCKET)
    model.open(port, ports)
    return ConsoleView(model, port, ports, known)
