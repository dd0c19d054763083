"""One student of the class of thirty: a process of its own, as a notebook kernel is, told what to do line by line.

    python -m tests.testbed.student NUMBER

It answers each line on its input with one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import psutil

import tcploop_lab as lab
from tcploop_lab.study.tasks import address
from tcploop_lab.testbed.loop import LoopSpec
from tcploop_lab.testbed.sampling import draw_first_hits
from tcploop_lab.testbed.testbed import Testbed

RANGE, PORT, SHARED = (40000, 40199), 40100, 40150
SAMPLES, MOST_TRIES = 100, 5_000  # tries: a loop needs more once in 10 ** 24


def sample(testbed: Testbed, first_address: int) -> list[int]:
    """The tries of some first hits, each from an address that nobody else in the class dials."""
    spec = LoopSpec("", PORT, lab.ClientKind.SAME_SOCKET, MOST_TRIES, 60.0)
    addresses = [address(first_address + i) for i in range(SAMPLES)]
    drawn = testbed.submit(draw_first_hits, spec, addresses, None).result()
    return [tries for tries, hit in zip(drawn.tries, drawn.hits, strict=True) if hit]


def place(testbed: Testbed) -> dict[str, Any]:
    """Where this student is, and the memory that it takes: proportional set sizes in bytes, worker and all."""
    worker = testbed.executor.info["pid"]
    sizes = [psutil.Process(pid).memory_full_info().pss for pid in (os.getpid(), worker)]
    return {"network": testbed.executor.info["network"], "worker": worker, "range": str(testbed.port_range),
            "memory": sum(sizes), "worker_memory": sizes[1]}  # fmt: skip


def on_a_port_that_all_want(testbed: Testbed) -> list[str]:
    """Listen on the port of the whole class, and return who has it, as seen from here."""
    with testbed.listen(SHARED):
        return [row.local for row in testbed.sockets(SHARED).rows]


def main(number: int, first_address: int) -> None:
    """Open a testbed, and answer."""
    with lab.open_testbed(port_range=RANGE, kind="namespace") as testbed:
        tasks = {
            "place": lambda: place(testbed),
            "sample": lambda: sample(testbed, first_address + number * SAMPLES),
            "listen": lambda: on_a_port_that_all_want(testbed),
        }
        for line in sys.stdin:
            print(json.dumps(tasks[line.strip()]()), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
