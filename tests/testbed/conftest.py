"""Testbeds for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tcploop_lab as lab
from tcploop_lab.testbed.testbed import Testbed


@pytest.fixture
def testbed() -> Iterator[Testbed]:
    """A private namespace with the range 40000-40999, new for each test."""
    with lab.open_testbed(port_range=(40000, 40999), kind="namespace") as place:
        yield place


@pytest.fixture
def one_port() -> Iterator[Testbed]:
    """A namespace whose range is the port 40500 alone: the self-connection is certain on the first try."""
    with lab.open_testbed(port_range=(40500, 40500), kind="namespace") as place:
        yield place
