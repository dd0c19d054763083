"""Progress bars: they go away, in a terminal and in a notebook."""

from __future__ import annotations

import contextlib

import pytest
import tqdm.notebook

from tcploop_lab.testbed.waiting import passing_bar


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_a_bar_that_ends_early_goes_away(monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | None) -> None:
    """A notebook's bar that is short of its total is hidden, not left behind in red, whatever ended it."""
    monkeypatch.setattr("tqdm.auto.tqdm", tqdm.notebook.tqdm)
    with contextlib.suppress(KeyboardInterrupt, ValueError), passing_bar(total=10) as bar:
        bar.update(3)
        if error:
            raise error
    _, drawn, _ = bar.container.children
    assert (drawn.value, drawn.bar_style, bar.container.layout.visibility) == (3, "", "hidden")
