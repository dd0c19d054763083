"""Testbeds for the widgets, and what they may not leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psutil
import pytest

import tcploop_lab as lab
from tcploop_lab.testbed.testbed import Testbed


def workers() -> set[int]:
    """The living processes that this one has started."""
    children = psutil.Process(os.getpid()).children(recursive=True)
    return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture
def testbed() -> Iterator[Testbed]:
    """A private network with the range 40000-40199, new for each test."""
    with lab.open_testbed(port_range=(40000, 40199), kind="namespace") as place:
        yield place


@pytest.fixture
def nothing_left(testbed: Testbed) -> Iterator[None]:
    """After the test there are no more processes than before it."""
    before = workers()
    yield
    assert workers() <= before
