"""The rule that nothing of the main job may skip, tried on small suites of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py").read_text()
HEAD = "import pytest\n"
SKIPS = HEAD + "def test_it():\n    pytest.skip('no browser here')\n"
FILE_SKIPS = HEAD + "pytest.importorskip('no_such_module')\n"
MAY_SKIP = HEAD + "@pytest.mark.may_skip('only on Linux 6.3')\ndef test_it():\n    pytest.skip('older')\n"
NO_REASON = HEAD + "@pytest.mark.may_skip\ndef test_it():\n    pass\n"
XFAILS = HEAD + "@pytest.mark.xfail(reason='known')\ndef test_it():\n    assert False\n"


def run(folder: Path, source: str, ci: str) -> subprocess.CompletedProcess[str]:
    """Run one test file under this project's conftest, with CI set as given."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    may_skip: reason\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    alone = {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # what else is installed takes seconds to load
    return subprocess.run(command, env=os.environ | alone, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("source", [SKIPS, FILE_SKIPS], ids=["a test", "a file"])
def test_skip_fails_in_ci_with_its_reason(tmp_path, source):
    """In CI a skip is a failure that repeats the reason and says what to do."""
    done = run(tmp_path, source, ci="true")
    assert done.returncode != 0
    assert "no browser here" in done.stdout or "no_such_module" in done.stdout
    assert "may_skip(reason)" in done.stdout


@pytest.mark.parametrize(("source", "ci"), [(SKIPS, ""), (MAY_SKIP, "true"), (XFAILS, "true")])
def test_allowed_skips_do_not_fail(tmp_path, source, ci):
    """Outside CI a test may skip; in CI only one that is marked; an expected failure is no skip."""
    done = run(tmp_path, source, ci)
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout or "1 xfailed" in done.stdout


def test_may_skip_needs_a_reason(tmp_path):
    """A may_skip mark without a reason is refused before anything runs."""
    done = run(tmp_path, NO_REASON, ci="")
    assert done.returncode == 4
    assert "may_skip needs a reason" in done.stdout + done.stderr
