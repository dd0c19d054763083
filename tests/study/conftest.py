"""Studies for the tests of this folder."""

from __future__ import annotations

import pytest

import tcploop_lab as lab


@pytest.fixture
def certain() -> lab.Study:
    """A study whose every sample hits on the first try: the range is one port."""
    return lab.Study(40500, (40500, 40500), samples=60)
