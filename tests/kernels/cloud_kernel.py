"""A kernel for any PC, started in QEMU: make kernel-test.

It is no part of make test: a processor is imitated, which takes a busy machine minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.testbed.kernels import fetch_kernel
from tcploop_lab.testbed.testbed import Testbed

from ..stacks.test_same_as_the_kernel import difference, first_scripts

VERSION = "7.1.13"  # the first with a step width; its package is a quarter of an older one's
SCRIPTS = 5  # make differences SCRIPTS=100 VERSIONS=7.1.13 plays more


@pytest.fixture(scope="module")
def cloud() -> Iterator[Testbed]:
    """A testbed inside that kernel."""
    fetch_kernel(VERSION)
    with lab.open_testbed(kernel="7.1", real=True) as testbed:
        yield testbed


def test_it_walks_talks_to_itself_and_has_a_step_width(cloud: Testbed) -> None:
    """The lab's own functions answer from inside it, as an ordinary user, and its files are read-only."""
    assert (cloud.stack, cloud.kernel) == ("live", f"Linux {VERSION}")
    with cloud.use_range("40000-40099"):
        assert cloud.probe().parity == "even"
        run = cloud.connect_loop(40050, progress=False)
        assert run.echo(b"hello") == b"hello"
    width = Path("/proc/sys/net/ipv4/ip_local_port_step_width")
    assert cloud.executor.submit(Path.read_text, width).result() == "0\n"
    with pytest.raises(OSError, match="Read-only file system"):
        cloud.executor.submit(Path.touch, Path(lab.__file__)).result()


def test_scripts_do_the_same_there_and_on_the_simulated_kernel(cloud: Testbed) -> None:
    """What plays a script is over there too."""
    assert [difference(cloud, script) for script in first_scripts(SCRIPTS)] == [None] * SCRIPTS
