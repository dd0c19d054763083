"""The views: every control named, the figure for where no widget runs, and what becomes of the one before."""

from __future__ import annotations

import re

import ipywidgets as w
import pytest

import tcploop_lab as lab
from tcploop_lab.render.widgets import views
from tcploop_lab.render.widgets.views import View

pytestmark = pytest.mark.usefixtures("nothing_left")

MAKERS = {
    "console": lambda testbed: lab.loop_console(testbed, port=40100),
    "board": lambda testbed: lab.precondition_board(testbed, port=40100),
    "explorer": lambda testbed: lab.distribution_explorer(testbed, port=40100),
    "stepper": lambda testbed: lab.state_stepper(lab.recorded("self-connection")),
}


@pytest.fixture(params=MAKERS)
def view(request, testbed):
    """Each of the widgets in turn, closed at the end."""
    made = MAKERS[request.param](testbed)
    yield made
    made.close()


def control(view: View, name: str) -> w.Widget:
    """The one control with this name."""
    (found,) = [one for one in views._inside(view.box) if getattr(one, "description", None) == name]
    return found


def html_of(view: View) -> str:
    """All that the HTML widgets of a view show."""
    return "".join(one.value for one in views._inside(view.box) if isinstance(one, w.HTML))


def test_every_control_has_a_name_of_its_own(view):
    """Whatever can take the focus has a name, no two have the same, and none is disabled."""
    usable = [one for one in views._inside(view.box) if not isinstance(one, (w.HTML, w.Box))]
    names = view.controls()
    assert len(usable) == len(names) == len(set(names)) >= 5
    assert all(names)
    assert [one.description for one in usable if one.disabled] == []


def test_where_widgets_are_of_another_age_the_figure_is_shown(view, monkeypatch):
    """ipywidgets 7, which Colab has, has no _repr_mimebundle_: a cell shows the figure and the words."""
    (holder,) = [kind for kind in w.Widget.__mro__ if "_repr_mimebundle_" in vars(kind)]
    monkeypatch.delattr(holder, "_repr_mimebundle_")
    assert set(view._repr_mimebundle_()) == {"text/html", "text/plain"}


def test_where_no_widget_runs_there_is_a_figure(view):
    """A cell's output holds the widget, the figure with its alternative text, and the words."""
    bundle = view._repr_mimebundle_()
    looks = r'class="[^"]+" style="[^"]+" src="data:image/png;base64,[^"]+"'
    picture = re.fullmatch(
        rf'<style>[^<]+</style><div [^>]+><img alt="([^"]{{60,}})" {looks}></div>', bundle["text/html"]
    )
    assert picture
    assert bundle["text/plain"] == f"{view.name}: {view.model.words}"
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == view.box.model_id


def test_pictures_and_words_reach_a_screen_reader(view):
    """The words stand in a status that is read out; a chart is an image with its text."""
    shown = html_of(view)
    assert '<div role="status"' in shown
    assert re.findall(r"<svg[^>]*>", shown) == re.findall(r'<svg[^>]*role="img" aria-label="[^"]{30,}"[^>]*>', shown)


def test_a_cell_that_runs_again_closes_what_it_showed(testbed, monkeypatch):
    """The widget of the run before is off the page, and what it had switched is undone; another cell's stays."""
    boards = [lab.precondition_board(testbed, 40100) for _ in range(3)]
    boards[0].model.switch("hold", True)
    for board, run in zip(boards, [("cell 1", 1), ("cell 2", 2), ("cell 1", 3)], strict=True):
        monkeypatch.setattr(views, "_cell", lambda run=run: run)
        board._repr_mimebundle_()
    assert boards[0].model.on == ()
    assert [board.box.comm is None for board in boards] == [True, False, False]


def test_one_run_of_a_cell_may_show_several(testbed, monkeypatch):
    """Two widgets of the same run of a cell both stay."""
    monkeypatch.setattr(views, "_cell", lambda: ("cell 9", 1))
    shown = [lab.state_stepper(lab.recorded(name)) for name in ("refused", "handshake")]
    for stepper in (*shown, shown[0]):
        stepper._repr_mimebundle_()
    assert [stepper.box.comm is None for stepper in shown] == [False, False]


def test_outside_jupyter_there_is_no_cell():
    """Where nobody tells which cell runs, nothing is closed."""
    assert views._cell() == (None, None)


def test_the_console_does_what_its_buttons_say(testbed):
    """Typed, started, sent and closed by hand, it shows the end, the exchange and the echo."""
    console = MAKERS["console"](testbed)
    control(console, "ephemeral ports").value = "40100-40100"
    control(console, "Start").click()
    assert console.model.work.wait(60)
    assert "Connected to itself: 127.0.0.1:40100" in console.model.words
    control(console, "Send").click()
    assert [segment.flags for segment in console.model.exchange.segments] == ["S", "SA", "A", "PA", "A"]
    assert "SYN-ACK" in html_of(console) and "read b&#x27;hello, me&#x27;" in html_of(console)
    control(console, "Close the connection").click()
    assert not console.model.connected and "SYN-ACK" not in html_of(console)
    control(console, "Send").click()
    assert "Press Start first" in html_of(console)
    control(console, "port to dial").value = ""
    control(console, "Start").click()
    assert "port &#x27;&#x27;: a TCP port" in html_of(console) and "<svg" not in html_of(console)
    console.close()


def test_the_switch_that_cannot_be_turned_goes_back(testbed):
    """The board's box says what is so, not what was clicked."""
    board = MAKERS["board"](testbed)
    control(board, "a server listens on the port").value = True
    control(board, "a socket holds the port with bind()").value = True
    assert not control(board, "a socket holds the port with bind()").value
    assert "That cannot be" in html_of(board)
    control(board, "All off").click()
    assert not control(board, "a server listens on the port").value
    board.close()


def test_the_explorer_follows_every_field(testbed):
    """A new port, era or client changes the law at once; a bad one takes the charts away and says why."""
    explorer = MAKERS["explorer"](testbed)
    control(explorer, "clients").value = ("bind-zero",)
    assert "bind-zero cannot loop" in html_of(explorer)
    control(explorer, "port to dial").value = "nonsense"
    assert "port &#x27;nonsense&#x27;: a TCP port" in html_of(explorer) and "<svg" not in html_of(explorer)
    explorer.close()


def test_the_explorer_shows_what_code_chose(testbed):
    """After a choice made in code each control says what the charts show; what is typed next counts again."""
    explorer = MAKERS["explorer"](testbed)
    explorer.model.choose(40501, (40000, 40999), "even-sequence", ["same-socket", "bind-zero"])
    names = ("port to dial", "ephemeral ports", "era", "clients")
    chosen = [control(explorer, name).value for name in names]
    assert chosen == ["40501", "40000-40999", "even-sequence", ("same-socket", "bind-zero")]
    assert "same-socket cannot loop" in html_of(explorer)
    control(explorer, "port to dial").value = "40502"
    assert [law.port for law in explorer.model.laws] == [40502, 40502]
    explorer.close()


def test_the_console_shows_what_code_dialled(testbed):
    """After a start made in code the fields have its values; a pace that there is not is answered in words."""
    console = MAKERS["console"](testbed)
    console.model.start(40102, (40102, 40102), "new-socket", 5000, "20 tries a second")
    assert console.model.work.wait(60)
    names = ("port to dial", "ephemeral ports", "client", "most tries", "pace")
    dialled = [control(console, name).value for name in names]
    assert dialled == ["40102", "40102-40102", "new-socket", "5,000", "20 tries a second"]
    assert not console.model.start(40102, (40102, 40102), pace="at leisure")
    console.refresh()
    assert "pace &#x27;at leisure&#x27;: choose one of" in html_of(console)
    console.close()


def test_the_stepper_steps_by_button_and_by_number(testbed):
    """Next, Last, First, Back and the number all lead to the same moments."""
    stepper = MAKERS["stepper"](testbed)
    for name, position in (("Next", 1), ("Last", 14), ("Next", 14), ("First", 0), ("Back", 0)):
        control(stepper, name).click()
        assert (stepper.model.position, control(stepper, "moment").value) == (position, position)
    control(stepper, "moment").value = 4
    assert "Moment 4 of 14" in html_of(stepper)
    stepper.model.go_to(5)  # in code, and the page follows
    assert "Moment 5 of 14" in html_of(stepper)
    stepper.close()


@pytest.mark.parametrize("make", [lab.loop_console, lab.precondition_board, lab.state_stepper])
def test_a_widget_without_what_it_needs_says_so_in_words(make):
    """No testbed, no exchange: the widget is shown, with what to write, in place of a figure."""
    view = make(None)
    bundle = view._repr_mimebundle_()
    assert "Write: lab." in html_of(view)
    assert "Write: lab." in bundle["text/html"]
    view.close()
