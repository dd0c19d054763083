"""Every notebook where nothing live is possible: on the simulated kernel. On the real one nbval runs them itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .matrix import inside
from .matrix.situations import BY_NAME

NOTEBOOKS = inside.ROOT / "notebooks"
PATHS = [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted(NOTEBOOKS.glob("assignments/source/*/*.ipynb"))]


@pytest.mark.slow
@pytest.mark.timeout(2000)
def test_every_cell_runs_on_the_simulated_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each code cell runs as on Windows, and the outputs that are compared are those of the real kernel."""
    monkeypatch.setenv("TCPLOOP_TESTBED", "simulated")
    cells = [cell for path in PATHS for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    tmp_path.chmod(0o755)
    done = inside.lessons(BY_NAME["Windows"], tmp_path, [str(path.relative_to(NOTEBOOKS)) for path in PATHS])
    assert len(PATHS) > 10 and (done["failed"], done["passed"]) == (0, len(cells)), done["output"][-6000:]
