"""The command line says one line, whatever it is given and wherever it runs: fuzzed over click's own tree."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tcploop_lab.cli import main
from tcploop_lab.cli.entry import tcploop

from ..matrix.situations import BY_NAME
from .commands import ALLOWED, Odd, odd_commands, outcome, warm
from .elsewhere import FUZZED

NO_LINUX = BY_NAME["macOS"]
IN_CI = FUZZED["command lines"]
INPUTS = int(os.environ.get("FUZZ_INPUTS", IN_CI))
if INPUTS > IN_CI:
    warm()


@settings(max_examples=INPUTS, suppress_health_check=list(HealthCheck))
@given(odd=odd_commands())
def test_whatever_the_command_is_given(odd: Odd, tmp_path: Path) -> None:
    """It ends with 0, 1, 2, 3 or 130; a refusal is one line on stderr; there is no traceback and no hang."""
    folder = tmp_path / "here"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "locked").mkdir(parents=True)
    (folder / "locked").chmod(0o500)
    (folder / "there").write_text("there")
    code, said = outcome(odd, folder)
    refusals = [line for line in said.splitlines() if line.startswith("tcploop: ")]
    assert code in ALLOWED, said
    assert "Traceback" not in said
    assert len(refusals) == (code in (2, 3) and 2 not in odd.closed), said


def test_every_command_and_option_is_in_the_grammar() -> None:
    """The grammar is click's own tree, so a new option is fuzzed from its first day."""
    assert len(tcploop.commands) >= 10
    assert all(command.params for command in tcploop.commands.values())


@pytest.mark.parametrize(("columns", "lines"), [("0", 13), ("x", 13), ("-3", 13), ("40", 14)])
def test_a_width_that_is_none_hides_nothing(columns: str, lines: int) -> None:
    """What COLUMNS says is taken where it is a width; else the text is whole."""
    words = [sys.executable, "-m", "tcploop_lab", "check", "40500", "--kernel", "6.18"]
    done = subprocess.run(words, env=os.environ | {"COLUMNS": columns}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) >= lines


@pytest.mark.parametrize("files", range(5, 13))
@pytest.mark.parametrize("words", [["check", "40500"], ["capture", "40500", "--kernel", "6.18"]], ids=" ".join)
def test_few_open_files_are_one_line(words: list[str], files: int) -> None:
    """A fresh interpreter with so many open files answers, or says in one line why not. With 4 Python itself fails."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    command = [sys.executable, "-m", "tcploop_lab", *words, "--json"]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 3)
    assert done.stderr.count("\n") == (1 if done.returncode else 0), done.stderr


@pytest.mark.parametrize("words", [["doctor"], ["check", "40500"], ["audit", "--", "true"]], ids=" ".join)
def test_a_testbed_that_is_none_is_one_line(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """What TCPLOOP_TESTBED says is an argument like any other."""
    monkeypatch.setenv("TCPLOOP_TESTBED", "nonsense")
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("tcploop: testbed 'nonsense': ")


def test_without_proc_nothing_recorded_is_printed() -> None:
    """Where /proc is missing the tries are made on the simulated kernel, and the answer says so."""
    command = [sys.executable, "-m", "tcploop_lab", "connect", "40500", "--range", "40500-40501"]
    for more in ([], ["--json"]):
        done = subprocess.run([*command, *more], preexec_fn=NO_LINUX.make, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "simulated" in done.stdout + done.stderr and "recorded" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["stack"] == "simulated"
