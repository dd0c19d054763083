"""A testbed inside a real notebook kernel: it works there, and leaves nothing behind however the kernel ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from ..waiting import wait_until, wait_until_gone

pytestmark = pytest.mark.anyuser

OPEN = "import tcploop_lab as lab; testbed = lab.open_testbed((40500, 40500)); worker = testbed.executor.info['pid']"
LOOPS = """runs, told = [], lambda tries: tries and print("dialling", flush=True)
for _ in range(3):
    runs.append(testbed.connect_loop(40501, max_tries=10**9, progress=told))"""
FAIL = "with lab.open_testbed() as other:\n    print(other.executor.info['pid'], flush=True)\n    1 / 0"


@pytest.fixture
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """A running notebook kernel with a testbed open in it."""
    manager, client = start_new_kernel(kernel_name="python3")
    run(client, OPEN)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(client: BlockingKernelClient, code: str) -> str:
    """Run a cell and return what it printed."""
    printed: list[str] = []

    def collect(message: dict) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    client.execute_interactive(code, timeout=60, output_hook=collect)
    return "".join(printed).strip()


def test_an_interrupt_ends_a_cell_that_loops_over_loops(kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    """The loop at hand gives what it measured, the next one of the same cell is not begun; the next cell goes on.

    A cell that fails inside a `with` block closes its testbed, and no other.
    """
    manager, client = kernel
    client.execute(LOOPS)
    wait_until(lambda: "dialling" in client.get_iopub_msg(timeout=60)["content"].get("text", ""))
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=60)["content"].get("ename") == "KeyboardInterrupt"
    assert run(client, "print([run.stopped for run in runs])") == "['interrupted']"
    wait_until_gone(int(run(client, FAIL)))
    assert run(client, "print(testbed.connect_loop(40500).tries)") == "1"


def test_a_killed_kernel_leaves_no_worker(kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    """After SIGKILL of the kernel, by a restart or for good, its worker is gone; a restarted one can open again."""
    manager, client = kernel
    worker = int(run(client, "print(worker)"))
    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=60)
    wait_until_gone(worker)
    worker = int(run(client, f"{OPEN}; print(worker) if testbed.connect_loop(40500).self_connected else None"))
    manager.shutdown_kernel(now=True)
    wait_until_gone(worker)
