"""tcploop cross: six segments, both ends ESTABLISHED, and what it says where it cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.cli import main
from tcploop_lab.testbed.crossing import Crossing

from .matrix import situations
from .matrix.seccomp import Refusal

pytestmark = pytest.mark.anyuser


def answer(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict]:
    """Exit code and object of --json, which prints one line and nothing else."""
    code = main(["cross", *args, "--json"])
    out, err = capsys.readouterr()
    assert (err, out.count("\n")) == ("", 1)
    return code, json.loads(out)


@pytest.mark.private_network
def test_six_segments_and_both_ends_established(capsys) -> None:
    """The SYNs cross: two of each segment, one from each host, and both kernels say ESTABLISHED.

    Each segment has the keys that capture gives it, the host that sent it, and when it arrived.
    """
    code, found = answer(capsys)
    segments = found["segments"]
    assert (code, found["established"], found["delay_ms"]) == (0, True, 50.0)
    assert [one["flags"] for one in segments] == ["S", "S", "SA", "SA", "A", "A"]
    assert [sorted(one["from"] for one in segments[i : i + 2]) for i in (0, 2, 4)] == [["A", "B"]] * 3
    keys = {"flags", "seq", "ack", "sport", "dport", "state", "time", "from", "received"}
    assert [keys - set(one) for one in segments] == [set()] * 6
    assert {(one["from"], one["sport"]) for one in segments} == {("A", 40001), ("B", 40002)}
    assert found["states"] == {"A": "ESTABLISHED", "B": "ESTABLISHED"}
    assert found["paths"]["A"] == ["CLOSED", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED"]


@pytest.mark.private_network
@pytest.mark.parametrize("delay", ["0", "-0", "7.5", "120"])
def test_the_delay_is_kept(capsys, delay: str) -> None:
    """No segment arrives before the delay is over."""
    code, found = answer(capsys, "--delay-ms", delay)
    spans = [one["received"] - one["time"] for one in found["segments"]]
    assert (code, len(spans), str(found["delay_ms"])) == (0, 6, str(abs(float(delay))))
    assert min(spans) >= float(delay) / 1000 - 1e-6
    assert max(spans) < float(delay) / 1000 + 1.0


@pytest.mark.private_network
def test_people_read_a_table(capsys) -> None:
    """One line that answers, the segments with numbers from x and y, and what each kernel said."""
    assert main(["cross", "--delay-ms", "10"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("both ends ESTABLISHED: 6 segments, 10 ms on the cable\n")
    for text in ("A → B", "SYN-RECEIVED", "y+1", "x+1"):
        assert text in out
    assert "A: CLOSED -> SYN-SENT -> SYN-RECEIVED -> ESTABLISHED, as its kernel says\n" in out
    assert err.startswith("namespace testbed") and err.count("\n") == 1


@pytest.mark.parametrize("delay", ["-1", "30001", "nan", "inf", "soon", "''", "1e9"])
def test_a_bad_delay_is_one_line(capsys, monkeypatch, delay: str) -> None:
    """It ends with 2 before anything runs, naming the value and what is allowed."""
    monkeypatch.setattr(lab, "open_testbed", lambda *_, **__: pytest.fail("a testbed was opened"))
    value = "" if delay == "''" else delay
    assert main(["cross", "--delay-ms", value]) == 2
    assert capsys.readouterr() == ("", f"tcploop: delay {value!r}: give milliseconds from 0 to 30000\n")


def cross_where(make: Callable[[], object]) -> subprocess.CompletedProcess[str]:
    """`tcploop cross --json` as a program of its own, in a situation that `make` makes real."""
    command = [sys.executable, "-m", "tcploop_lab", "cross", "--json"]
    return subprocess.run(command, preexec_fn=make, capture_output=True, text=True, timeout=120)


@pytest.mark.private_network
@pytest.mark.parametrize("mode", [None, 0o000])
def test_no_device_file_is_needed(mode: int | None) -> None:
    """Where /dev/net/tun is not there, or is not for this user, the hosts are made all the same."""

    def hide_tun() -> None:
        situations.become_with_own_mounts(situations.LEARNER)
        if Path("/dev/net").exists():
            situations.mount(b"none", b"/dev/net", b"tmpfs")
        if mode is not None:
            Path("/dev/net/tun").touch(mode)

    done = cross_where(hide_tun)
    assert (done.returncode, json.loads(done.stdout)["established"]) == (0, True), done.stderr


@pytest.mark.parametrize("refused", [situations.NO_NETLINK, situations.NO_CAPTURE, situations.NO_UNSHARE])
def test_where_hosts_cannot_be_made_it_is_exit_code_3(refused: Refusal) -> None:
    """The reason and the way out, in one line, and nothing on stdout."""
    done = cross_where(situations.learner(refused))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done.stderr
    assert done.stderr.startswith("tcploop: two hosts cannot be made here: ")
    assert "Operation not permitted" in done.stderr and "; " in done.stderr


@pytest.mark.private_network
def test_not_established_is_exit_code_1(capsys, monkeypatch) -> None:
    """If the hosts do not get there, the answer is no, with what was seen."""
    monkeypatch.setattr(Crossing, "run", lambda self, delay: self.lose() and self)
    code, found = answer(capsys)
    assert (code, found["established"], found["states"]) == (1, False, {"A": "SYN-SENT", "B": "SYN-SENT"})
    assert [(one["from"], one["received"]) for one in found["segments"]] == [("A", None)]
    assert main(["cross"]) == 1
    assert "lost or on the way" in capsys.readouterr().out


@pytest.mark.private_network
def test_an_interrupt_keeps_what_crossed(capsys, monkeypatch) -> None:
    """Ctrl-C: exit code 130, and the segments so far."""

    def interrupted(self: Crossing, delay: float) -> None:
        self.deliver()
        raise KeyboardInterrupt

    monkeypatch.setattr(Crossing, "run", interrupted)
    code, found = answer(capsys)
    assert code == 130
    assert [one["flags"] for one in found["segments"]] == ["S"]
    assert found["states"] == {"A": "SYN-SENT", "B": "SYN-RECEIVED"}
