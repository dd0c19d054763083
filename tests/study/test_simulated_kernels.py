"""Studies on kernels of other days, as lesson 05 makes them: each follows the law of its era."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.ports.clients import ClientKind
from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks.simulated import SimulatedStack
from tcploop_lab.study.tasks import Task, run_task

NEVER = 1e-7  # a p-value below this is a false alarm once in 10 million
ERAS = {
    "4.1": "hashed-sequence",
    "4.19": "even-sequence",
    "5.15": "perturbed-even-sequence",
    "6.18": "random-walk",
    "geometric": "geometric",
}


@pytest.mark.parametrize("start", ["random", "return"])
@pytest.mark.parametrize(("kernel", "era"), ERAS.items(), ids=ERAS)
def test_a_study_on_a_kernel_follows_the_law_of_its_era(kernel, era, start):
    """First hits and returns on a simulated kernel, also on 4.1, where no address can be bound alone."""
    study = lab.Study([40100], [(40000, 40199)], samples=150, start=start)
    result = study.run(lab.open_testbed(kernel=kernel), progress=False)
    (cell,) = result.cells
    assert (cell.law.era, cell.hits, "simulated" in repr(result)) == (era, 150, True)
    assert lab.fit(cell.tries, cell.observed, cell.law).p_value > NEVER


def test_a_study_gives_the_host_no_address():
    """Where no address can be bound alone lo would have to get it, and the host's lo is not the lab's."""
    stack = SimulatedStack("4.1", seed=1)
    task = Task(0, 40100, PortRange(40000, 40199), ClientKind.SAME_SOCKET, 1000, range(1), 1, 0, "host", False)
    with pytest.raises(NotOnThisTestbed, match=r"since 4\.2"):
        run_task(stack, task)
    assert stack.source_for("127.0.0.9") == "127.0.0.1"
