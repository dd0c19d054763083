"""The recorded testbed: the lessons' own calls, answered from what was recorded, by the code of a live testbed."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tcploop_lab as lab
from tcploop_lab.testbed import opening, tape_values
from tcploop_lab.testbed.loop import why_unsuitable
from tcploop_lab.testbed.replaying import shows
from tcploop_lab.testbed.tape import FOLDER, Tape, lessons, read_lesson
from tcploop_lab.testbed.testbed import Testbed

from .figures import words_of

FILES = sorted(FOLDER.glob("lesson-*.json.xz"))


@pytest.fixture
def recorded() -> Testbed:
    """The recorded testbed with the kernel's default range."""
    return lab.open_testbed(kind="recorded")


def test_every_lesson_so_far_is_recorded_with_its_provenance() -> None:
    """Each recording says on which kernel, when, by which command and with which settings it was made."""
    assert len(FILES) == 7
    for path in FILES:
        beside = read_lesson(path)["provenance"]
        assert beside["kernel"].startswith("Linux ")
        assert beside["command"] == "make record"
        assert beside["settings"]["tcp_timestamps"] in (0, 1)


def test_all_recordings_together_are_small() -> None:
    """Everything that is shipped recorded takes less than 2 MB."""
    sizes = [path.stat().st_size for path in FOLDER.iterdir()]
    assert len(sizes) > len(FILES)
    assert sum(sizes) < 2_000_000


def test_no_recording_names_the_machine_that_made_it() -> None:
    """There is no host name, path or user in a recording."""
    words = (f'"{socket.gethostname()}"', f"{Path.home()}/", "/tmp/")
    for path in FILES:
        plain = re.sub(r'"[A-Za-z0-9+/=]{40,}"', "", json.dumps(read_lesson(path)))  # without the packed numbers
        assert "kernel" in plain
        assert [word for word in words if word in plain] == []


def test_it_says_that_it_is_recorded(recorded: Testbed) -> None:
    """The testbed, a run and its figure carry the word, the date and the kernel."""
    run = recorded.connect_loop(40000, trace=True)
    assert repr(recorded).startswith("<Testbed: recorded testbed (asked for) on Linux ")
    for where in (repr(recorded), run.kernel, run._repr_html_(), words_of(run.plot().figure)):
        assert "recorded on 20" in where


def test_a_run_and_its_socket_answer_as_they_did(recorded: Testbed) -> None:
    """A recorded run has its trace, its ends, its echo and its line in the socket table."""
    run = recorded.connect_loop(40000, trace=True)
    assert run.self_connected
    assert (len(run.trace), run.trace[-1]) == (run.tries, 40000)
    assert run.echo(b"hello, me") == b"hello, me"
    assert [row.state for row in recorded.sockets(40000).rows] == ["ESTABLISHED"]


def test_the_situation_of_a_port_decides(recorded: Testbed) -> None:
    """The same loop ends otherwise beside a listener, a held port, a reserved port."""
    narrow = lab.open_testbed((40000, 40199), kind="recorded")
    free = narrow.connect_loop(40100, max_tries=5000, trace=True)
    with narrow.listen(40100):
        answered = narrow.connect_loop(40100, max_tries=5000, trace=True)
    with narrow.hold(40100):
        held = narrow.connect_loop(40100, max_tries=5000, trace=True)
    with narrow.reserve(40100):
        reserved = narrow.connect_loop(40100, max_tries=5000, trace=True)
    assert (free.self_connected, answered.connected, answered.self_connected) == (True, True, False)
    assert (held.tries, held.connected, reserved.tries, reserved.connected) == (5000, False, 5000, False)


def test_a_capture_is_replayed_segment_by_segment(recorded: Testbed) -> None:
    """The recorded frames become an Exchange, whose ladder says that it is recorded."""
    with recorded.capture(40000) as exchange:
        recorded.connect_loop(40000)
    assert [segment.flags for segment in exchange.segments] == ["S", "SA", "A"]
    assert len(exchange.copies) == 6
    assert "recorded on 20" in exchange.ladder().get_title(loc="left")


def test_a_study_of_a_lesson_is_replayed(recorded: Testbed, tmp_path: Path) -> None:
    """A study keeps its engine, its file and its theory; its samples and its provenance are recorded."""
    study = lab.Study(ports=[40500, 40800], ranges=[(40000, 40999)], samples=300)
    result = study.run(recorded, out=tmp_path / "study.sqlite", progress=False)
    assert (result.samples, result.hits) == (600, 600)
    assert result.provenance["testbed"] == "recorded"
    assert "recorded on 20" in lab.StudyResult.load(tmp_path / "study.sqlite").summary
    assert abs(result.cells[0].mean - 444) < 6 * result.cells[0].standard_error


@pytest.mark.parametrize(
    "ask",
    [
        lambda place: place.connect_loop(12345),
        lambda place: place.connect_loop(33334, max_tries=3),
        lambda place: place.hold(41234),
        lambda place: place.crossing(),
        lambda place: lab.Study([40500], [(40000, 40999)], samples=7).run(place, progress=False),
        lambda place: lab.open_testbed((1024, 2000), kind="recorded"),
    ],
)
def test_what_was_not_recorded_is_said_in_one_line(recorded: Testbed, ask: object) -> None:
    """Nothing is made up: NotOnThisTestbed names what was asked, and the way out."""
    with pytest.raises(lab.NotOnThisTestbed, match=r"recorded|Linux") as refusal:
        ask(recorded)  # type: ignore[operator]
    assert "\n" not in str(refusal.value)


def test_nothing_is_dialled(recorded: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaying a lesson's calls makes no connect() at all, and no process."""
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: pytest.fail("a try was made"))
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a process was made"))
    assert recorded.connect_loop(40000).self_connected
    assert recorded.probe().era == "random-walk"


def test_it_is_what_one_gets_where_nothing_live_is_possible(
    monkeypatch: pytest.MonkeyPatch, no_namespace: None
) -> None:
    """Refused namespaces and a host that cannot make the loops give the recorded testbed, and both reasons."""
    monkeypatch.setattr(opening, "why_unsuitable", broken_host)
    with lab.open_testbed() as testbed:
        assert testbed.kind == "recorded"
        assert testbed.why == "no private namespace: no; on the host no self-connection (EINVAL)"


def broken_host(port_range: object) -> str:
    """A host on which a bound socket cannot dial itself, as it says so."""
    assert why_unsuitable(None) == ""
    return "no self-connection (EINVAL)"


def test_a_cell_that_shows_something_is_labelled() -> None:
    """Cells that end in a value or print are labelled, assignments and checks of answers are not."""
    assert shows("run = f()\nrun")
    assert shows("for x in y:\n    print(x)")
    assert not shows("run = f()")
    assert not shows('answer = ...\nexercises.check("00.1", answer)')


SIMPLE = st.none() | st.integers() | st.text(max_size=9) | st.binary(max_size=300) | st.just(range(2, 9))


@given(st.recursive(SIMPLE, lambda inner: st.tuples(inner) | st.lists(inner, max_size=3), max_leaves=6))
def test_values_come_back_as_they_were(value: object) -> None:
    """Whatever is encoded is decoded to the same, by way of JSON text."""
    assert tape_values.decode(json.loads(json.dumps(tape_values.encode(value)))) == value


def test_an_unknown_type_is_refused() -> None:
    """A recording cannot make a type that is not a value of this package."""
    for name in ("os:system", "testbed.worker:Task.report", "testbed.executor:NamespaceExecutor", "subprocess:Popen"):
        with pytest.raises(ValueError, match="the recording is damaged"):
            tape_values.decode({"data": [name, {}]})


def test_a_damaged_recording_is_one_line() -> None:
    """A lesson without provenance or answers is refused in words."""
    with pytest.raises(ValueError, match="make them again: make record"):
        Tape([{"answers": []}])


def test_each_question_finds_its_answers() -> None:
    """Every answer of the shipped recordings can be read."""
    tape, read = lessons(), 0
    for answers in tape._answers.values():
        for answer in answers:
            read += 1
            assert "raises" in answer or tape_values.decode(answer["gives"], lambda log: log) is not Ellipsis
    assert read > 150
