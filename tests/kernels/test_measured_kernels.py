"""The table of kernels: what is recorded, and the row of a testbed beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks.kernels import table
from tcploop_lab.study import kernels
from tcploop_lab.study.kernels import measure


def test_every_recorded_kernel_follows_the_law_of_its_era() -> None:
    """5.10.46 alone is an even sequence, and no p-value is below one in a million; each is a kernel of the table."""
    rows = {row.kernel.removeprefix("Linux "): row for row in lab.measured_kernels().rows}
    assert {release.version for release in table.USER_MODE} <= set(rows)
    assert set(rows) <= {release.version for release in table.RELEASES}
    assert [version for version, row in rows.items() if row.era == "even-sequence"] == ["5.10.46"]
    assert min(min(row.first_hit, row.back) for row in rows.values()) > 1e-6
    assert all(row.recorded_on.startswith("20") for row in rows.values())


@pytest.mark.parametrize(("kernel", "third"), [("5.10", "challenge ACK"), ("6.18", "D-SACK")])
def test_a_simulated_kernel_can_be_measured_as_well(kernel: str, third: str) -> None:
    """The row of a testbed comes first; a simulated 5.10.46 has the row of the real one, but for the speed."""
    with lab.open_testbed(kernel=kernel, seed=1) as testbed:
        row, *recorded = lab.measured_kernels(testbed).rows
    assert (row.kernel, row.third, row.recorded_on) == (f"simulated Linux {kernel}", third, "")
    assert (row.parity, row.bind_zero, row.shared, row.waits_elsewhere) == ("even", "odd", True, "over 3")
    assert [row.released for row in recorded if row.kernel == "Linux 5.10.46"] == [row.released] or kernel != "5.10"


@pytest.mark.parametrize("row", lab.measured_kernels().rows, ids=lambda row: row.kernel)
def test_the_simulated_kernel_of_each_version_does_what_the_real_one_did(row: kernels.KernelRow) -> None:
    """Parity, a range of the socket's own, the third segment, ports in use and once held, bind(0): as recorded."""
    with lab.open_testbed(kernel=row.kernel.removeprefix("Linux "), seed=1) as testbed:
        probe = testbed.probe()
        asked = (kernels._is_shared, kernels._bind_zero, kernels._is_released)
        seen = (kernels._own_range(testbed), kernels._third(testbed), *(testbed.submit(one).result() for one in asked))
    assert (probe.era, probe.parity) == (row.era, row.parity)
    assert seen == (row.own_range, row.third, row.shared, row.bind_zero, row.released)


def test_a_kernel_that_is_not_here_is_what_was_recorded_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where that is asked for, and only what is recorded: else the error says how to get the kernel."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = lab.probe_kernel("5.10", or_recorded=True)
    assert (found.era, found.parity, found.increments) == ("even-sequence", "even", {2: 399})
    assert found.label.startswith("recorded on 20") and found.label.endswith(", Linux 5.10.46")
    assert found.label in found._repr_html_()
    for asked in ({"version": "5.10"}, {"version": "7.2.7", "or_recorded": True}):
        with pytest.raises(lab.NotOnThisTestbed, match="is not here yet: tcploop kernels --fetch"):
            lab.probe_kernel(**asked)  # type: ignore[arg-type]


def test_the_host_is_not_measured() -> None:
    """That would set the range of the host."""
    with lab.open_testbed(kind="host") as testbed, pytest.raises(lab.NotOnThisTestbed, match="range of its own"):
        measure(testbed)
    with pytest.raises(ValueError, match="testbed 'x': give a testbed, or nothing"):
        lab.measured_kernels("x")  # type: ignore[arg-type]
