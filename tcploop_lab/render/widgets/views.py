"""What a cell shows: the widget where widgets run, a figure everywhere else; and its end.

No control is disabled while work goes on, for the keyboard would lose its place: what makes no sense is answered in
words.
A cell that runs again shows a new widget. The one before is closed then: its work is stopped, its sockets are
closed, what it changed on the testbed is undone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as w

from ..html import box as html_box
from ..html import line

# A saved widget has no kernel: nothing tells it that it is alone, so it says this always.
_AGAIN = "<small>In a notebook that is opened again it stands as it was left: run its cell.</small>"
_shown: dict[str, tuple[Any, list[View]]] = {}  # cell: (the execution, what it showed)


class View:
    """A widget with its model. `model` does by code what the controls do by hand; `close()` ends both.

    A model has `words`, one or two sentences on how things stand, `plot(ax)`, which draws the static figure, and
    `close()`, which leaves nothing behind.
    """

    def __init__(self, model: Any, rows: Sequence[w.Widget], name: str) -> None:
        self.model = model
        self.box = w.VBox([*rows, w.HTML(_AGAIN)])
        self.name = name
        self._lock = threading.RLock()

    def controls(self) -> list[str]:
        """The names of all controls, in the order of the Tab key, as a screen reader says them."""
        return [name for widget in _inside(self.box) if (name := _spoken(widget))]

    def plot(self, ax: Any = None) -> Any:
        """Draw what the widget shows as a figure on `ax` (a new one if None) and return the Axes."""
        return self.model.plot(ax)

    def close(self) -> None:
        """End the work, give back what it held, and take the widget off the page."""
        self.model.close()
        for widget in [*_inside(self.box), self.box]:
            widget.close()

    def refresh(self) -> None:
        """Bring the page up to date with the model. Any thread may call it."""
        with self._lock:
            self.update()

    def do(self, act: Callable[..., object], *args: Any) -> None:
        """Do what a control stands for, and show what came of it."""
        act(*args)
        self.refresh()

    def update(self) -> None:
        """Write the model's values into the widgets."""
        raise NotImplementedError

    def static_html(self) -> str:
        """The figure, or the words where there is nothing to draw, as HTML."""
        import matplotlib.pyplot as plt

        try:
            figure = self.plot().figure
        except ValueError as reason:
            return html_box(line(str(reason)))
        plt.close(figure)  # else the inline backend would show it once more, under the widget
        return str(figure._repr_html_())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        _take_the_place(self)
        self.refresh()
        plain = f"{self.name}: {self.model.words}"
        # ipywidgets 7, which Colab has, lacks the method: there the figure is all.
        widget: dict[str, Any] = getattr(self.box, "_repr_mimebundle_", dict)()
        return {**widget, "text/html": self.static_html(), "text/plain": plain}

    def __repr__(self) -> str:
        return f"<{self.name}: {self.model.words}>"


def _take_the_place(view: View) -> None:
    """Close what an earlier run of this cell showed."""
    cell, execution = _cell()
    if cell is None:
        return
    before, views = _shown.get(cell, (execution, []))
    if before != execution:
        for old in views:
            old.close()
        views = []
    _shown[cell] = (execution, [*(old for old in views if old is not view), view])


def _cell() -> tuple[str | None, Any]:
    """The cell that is running and which execution of it this is; None where nobody tells, as outside Jupyter."""
    from IPython import get_ipython

    message: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    return message.get("metadata", {}).get("cellId"), message.get("header", {}).get("msg_id")


def _inside(box: w.Box) -> list[Any]:
    """The widgets in a box, at any depth."""
    found = []
    for child in box.children:
        found += [child, *(_inside(child) if isinstance(child, w.Box) else [])]
    return found


def _spoken(widget: Any) -> str:
    usable = isinstance(widget, (w.Button, w.Text, w.Dropdown, w.SelectMultiple, w.Checkbox, w.BoundedIntText))
    return widget.description if usable else ""


_NAME = {"description_width": "initial"}


def _at_most(width: str) -> w.Layout:
    return w.Layout(width=width, max_width="100%")  # in a narrow window the end of it would be cut off


def field(name: str, value: object, width: str = "16em", hint: str = "") -> w.Text:
    """A field to type into; nothing happens before Enter or Tab."""
    look = _at_most(width)
    text = "" if value is None else str(value)
    return w.Text(text, description=name, placeholder=hint, continuous_update=False, style=_NAME, layout=look)


def choice(name: str, options: Sequence[Any], value: Any, width: str = "20em") -> w.Dropdown:
    """A list of which one is chosen."""
    return w.Dropdown(options=options, value=value, description=name, style=_NAME, layout=_at_most(width))


def choices(name: str, options: Sequence[Any], value: Sequence[Any]) -> w.SelectMultiple:
    """A list of which several are chosen: with Shift or Ctrl."""
    look = w.Layout(width="20em")
    return w.SelectMultiple(options=options, value=value, rows=3, description=name, style=_NAME, layout=look)


def number(name: str, low: int, high: int) -> w.BoundedIntText:
    """A number to choose from low to high; the arrow keys step through it."""
    return w.BoundedIntText(low, min=low, max=high, description=name, style=_NAME, layout=w.Layout(width="10em"))


def button(name: str, act: Callable[[], object], hint: str = "") -> w.Button:
    """A button that calls `act`."""
    made = w.Button(description=name, tooltip=hint or name, layout=w.Layout(width="auto"))
    made.on_click(lambda _: act())
    return made


def switch(name: str, act: Callable[[bool], None]) -> w.Checkbox:
    """A switch that calls `act` with True or False when it is turned."""
    made = w.Checkbox(False, description=name, indent=False, layout=w.Layout(width="auto", margin="0 1.5em 0 0"))
    made.observe(lambda change: act(change["new"]), "value")
    return made


def row(*widgets: w.Widget) -> w.HBox:
    """Widgets beside each other, as far as there is room."""
    return w.HBox(list(widgets), layout=w.Layout(flex_flow="row wrap", align_items="center"))


def status(words: str) -> str:
    """How things stand, as HTML that a screen reader tells when it changes."""
    return f'<div role="status" style="line-height: 1.5; max-width: 60em">{escape(words)}</div>'


def put(widget: Any, value: str) -> None:
    """Write into an HTML widget, if that changes anything."""
    if widget.value != value:
        widget.value = value
