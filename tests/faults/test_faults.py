"""Every fault once: what the user sees, what is kept, nothing left behind. docs/faults.md has the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .cases import CASES
from .elsewhere import ELSEWHERE, FUZZED
from .table import COMMANDS_LINE, DOCUMENT, MUTATED_LINE, make

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", CASES)
def test_it_is_reported_and_leaves_nothing(name: str) -> None:
    """The fault does what its line of docs/faults.md says, and leaves no process and no file."""
    found = make(name)
    assert found.left == 0
    assert found.line in DOCUMENT.read_text()


def test_the_table_counts_every_fault_as_right() -> None:
    """Each line of the table was made at least twenty times, was right every time, and left nothing."""
    rows = re.findall(r"\| (\d+) \| (\d+) \| (\d+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(rows) == len(CASES)
    for made, right, left in rows:
        assert int(made) >= 20
        assert (right, left) == (made, "0")


@pytest.mark.parametrize("fault", ELSEWHERE)
def test_the_other_faults_have_their_tests(fault: str) -> None:
    """Each fault that is listed with a test elsewhere has that test, and the page names it."""
    path, name = ELSEWHERE[fault].split("::")
    assert f"def {name}(" in (ROOT / path).read_text()
    assert f"| {fault} | `{ELSEWHERE[fault]}` |" in DOCUMENT.read_text()


def test_the_page_counts_the_mutated_files() -> None:
    """Fuzzing mutated 10,000 study files and as many captures, and not one ended in a traceback."""
    assert MUTATED_LINE in DOCUMENT.read_text()
    assert COMMANDS_LINE in DOCUMENT.read_text()


@pytest.mark.parametrize("parser", FUZZED)
def test_the_page_says_how_many_inputs_each_parser_gets(parser: str) -> None:
    """The counts of the page are those with which test_fuzz.py runs."""
    assert f"| {parser} | {FUZZED[parser]:,} |" in DOCUMENT.read_text()
