"""A kernel that is not this machine's: 5.10.46, from before the random walk, fetched once from Debian's archive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tcploop_lab as lab
from tcploop_lab.testbed.kernels import fetch_kernel
from tcploop_lab.testbed.testbed import Testbed

VERSION = "5.10.46"


@pytest.fixture(scope="session")
def fetched() -> str:
    """The version of a kernel whose files are here."""
    try:
        fetch_kernel(VERSION)
    except lab.NotOnThisTestbed as reason:
        pytest.skip(str(reason))
    return VERSION


@pytest.fixture(scope="session")
def old(fetched: str) -> Iterator[Testbed]:
    """A testbed inside that kernel."""
    with lab.open_testbed(kernel=fetched, real=True) as testbed:
        yield testbed
