"""What a notebook shows of an error."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tcploop_lab import tracebacks


@pytest.fixture
def says(capsys):
    """Runs cells in a shell of its own and returns what the last one shows of its error."""
    shell = InteractiveShell(colors="nocolor")
    tracebacks.load_ipython_extension(shell)

    def run(*cells: str) -> str:
        capsys.readouterr()
        for cell in cells:
            shell.run_cell(cell)
        return capsys.readouterr().out.strip()

    yield run
    shell.history_manager.end_session()


def test_a_cell_that_is_run_too_early_says_in_one_line_what_to_run(says):
    """A name that nothing in the kernel resembles: the cells above come first. A slip of the pen is shown as ever."""
    told = says("x = 1\ntestbed.probe()")
    assert "'testbed'" in told and "line 2" in told and "Run All Above" in told and "\n" not in told
    assert len(told) <= 103
    assert "'run'" in says("run") and "Run All Above" in says("run\n")
    assert "testbde.probe()" in says("testbed = 1", "testbde.probe()")


@pytest.mark.parametrize("answer", ["b", "[LISTEN, 'CLOSED']", "{'P': random-walk}"])
def test_an_answer_without_quotes_is_told_so(says, answer):
    """A bare word as an answer may be a name or a text: the line has both ways out. What is called is a name."""
    told = says(f"answer = {answer}\nprint(answer)")
    assert "needs quotes" in told and "Run All Above" in told and len(told.splitlines()[0]) == len(told) <= 103
    assert "quotes" not in says("answer = testbed.check(81)")


CALLBACK = """
import tcploop_lab as lab
testbed = lab.open_testbed(kind="simulated")
def mine(stack):
    return {}["port"]
"""


def test_only_the_learners_lines_are_shown(says):
    """The call and the line in the learner's own function; nothing of the lab's between, nor below its refusal."""
    told = says(CALLBACK, "testbed.submit(mine).result()")
    assert "testbed.submit(mine)" in told and 'return {}["port"]' in told and "KeyError: 'port'" in told
    refused = says("testbed.connect_loop(70000)")
    assert refused.endswith("ValueError: port 70000: a TCP port is 1 to 65535")
    stopped = says("def stop(_):\n    raise KeyboardInterrupt", "testbed.submit(stop).result()")
    assert "raise KeyboardInterrupt" in stopped
    assert "tcploop_lab" not in told + stopped + refused.partition("\n")[2]


def test_all_of_a_traceback_can_still_be_had(says):
    """%tb shows the lab's own lines as well."""
    assert "parse_port" in says(CALLBACK, "testbed.connect_loop(70000)", "%tb")
