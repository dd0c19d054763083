"""A pytest plugin for nbval on a recorded testbed: the labels are counted and left out of the comparison.

    python -m pytest -p tests.matrix.labels --nbval-lax notebooks/00_start_here.ipynb

A cell whose result is recorded shows one output more than the stored one: the label. Everything else is compared.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

LABEL = "recorded, not live: "
_labelled = 0


def is_label(output: Any) -> bool:
    """Whether an output is the label of a recorded result."""
    return LABEL in str(output.get("data", {}).get("text/plain", ""))


def pytest_configure(config: Any) -> None:
    """Let nbval compare without the labels."""
    from nbval.plugin import IPyNbCell

    compare = IPyNbCell.compare_outputs

    def without_labels(self: Any, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        global _labelled
        kept = [output for output in test if not is_label(output)]
        _labelled += len(kept) < len(test)
        return bool(compare(self, kept, ref, skip_compare))

    IPyNbCell.compare_outputs = without_labels


def pytest_sessionfinish(session: Any) -> None:
    """Write down how many of the compared cells were labelled, where the environment asks for it."""
    if "MATRIX_LABELS" in os.environ:
        Path(os.environ["MATRIX_LABELS"]).write_text(json.dumps(_labelled))
