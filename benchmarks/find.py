"""How long tcploop find looks at a machine with many sockets: 25,000 connections in private networks.

python benchmarks/find.py            # 50,000 sockets
python benchmarks/find.py 10000
"""

from __future__ import annotations

import contextlib
import resource
import socket
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import tcploop_lab as lab

_kept: list[socket.socket] = []
_REPEATS = 5
_PER_ADDRESS = 10_000  # connections to one address and port, fewer than the range has ports


def plant(stack: Any, count: int) -> int:
    """Make `count` sockets, all ends of connections to servers of this network; return how many the kernel tells."""
    for number in range(0, count // 2, _PER_ADDRESS):
        address = f"127.0.1.{1 + number // _PER_ADDRESS}"
        _kept.append(server := socket.create_server((address, 33334), backlog=64))
        for _ in range(min(_PER_ADDRESS, count // 2 - number)):
            client = socket.create_connection((address, 33334), source_address=(address, 0))
            _kept.extend((client, server.accept()[0]))
    return len(stack.all_sockets())


def main(count: int) -> None:
    """Print the times of some looks, and their median."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the workers have it from here
    with contextlib.ExitStack() as networks:
        while count > 0:  # in as many networks as the limit of open files makes it
            testbed = networks.enter_context(lab.open_testbed(kind="namespace"))
            count -= testbed.submit(plant, min(count, most - 200)).result()
        _measure()


def _measure() -> None:
    seconds, processor = [], time.process_time()
    for _ in range(_REPEATS):
        began = time.perf_counter()
        seen = lab.find()
        seconds.append(time.perf_counter() - began)
    print(f"{seen.summary}: {sum(one.sockets for one in seen.networks):,} sockets")
    print(f"median {statistics.median(seconds):.2f} s of {', '.join(f'{one:.2f}' for one in seconds)}")
    print(f"of the processor {(time.process_time() - processor) / _REPEATS:.2f} s each")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from find import main as run  # the worker imports what it runs

    run(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
