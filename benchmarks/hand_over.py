"""What becomes of a port between the one who chooses it and the server that binds it: four ways, measured.

    python benchmarks/hand_over.py            # 2,000 hand-overs of each

Beside them a neighbour makes 5,000 servers a second with bind(0), as other tests on the machine do, and keeps the last
2,000. Each hand-over takes 50 ms, less than most servers take to start.
"""

from __future__ import annotations

import resource
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tcploop_lab as lab
from tcploop_lab.stacks.stack import Stack

_HOST = "127.0.0.1"
_TAKES, _AT_ONCE = 0.05, 32
_NEIGHBOUR, _RATE, _KEPT, _PAUSE = "neighbour", 5000, 2000, 0.002


def neighbour() -> None:
    """Make servers, as other tests on the machine do, until the end of stdin; then print how many a second."""
    kept: deque[socket.socket] = deque()
    made, began = 0, time.monotonic()
    while not select.select([sys.stdin], [], [], _PAUSE)[0]:
        while made < _RATE * (time.monotonic() - began):
            kept.append(socket.create_server((_HOST, 0)))
            made += 1
            if len(kept) > _KEPT:
                kept.popleft().close()
    print(made / (time.monotonic() - began))


def by_number() -> bool:
    """bind(0), close, and the server binds the number."""
    with socket.socket() as sock:
        sock.bind((_HOST, 0))
        port = sock.getsockname()[1]
    time.sleep(_TAKES)
    return _serves(port)


def outside() -> bool:
    """The number of a port outside the range."""
    port = lab.safe_port().port
    time.sleep(_TAKES)
    return _serves(port)


def held() -> bool:
    """A port that is held until the server, with SO_REUSEADDR, has bound it, too."""
    with lab.safe_port(hold=True) as port:
        time.sleep(_TAKES)
        return _serves(port.port, reuse=True)


def as_a_socket() -> bool:
    """The socket itself is handed over, on whatever port."""
    with socket.socket() as sock:
        sock.bind((_HOST, 0))
        time.sleep(_TAKES)
        sock.listen()
        return True


def _serves(port: int, reuse: bool = False) -> bool:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        try:
            server.bind((_HOST, port))
            server.listen()
        except OSError:
            return False
        return True


WAYS: dict[str, Callable[[], bool]] = {
    "bind(0), close, hand over the number": by_number,
    "a number outside the range (lab.safe_port())": outside,
    "outside and held (hold=True), server with SO_REUSEADDR": held,
    "bind(0), hand over the socket": as_a_socket,
}


def measure(stack: Stack, count: int) -> list[tuple[str, int, float]]:
    """Return, for each way, how many of `count` hand-overs failed, and how many servers a second the neighbour made."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return [(name, *_measured(way, count)) for name, way in WAYS.items()]


def _measured(way: Callable[[], bool], count: int) -> tuple[int, float]:
    command = [sys.executable, __file__, _NEIGHBOUR]
    beside = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        failed = count - sum(pool.map(lambda _: way(), range(count)))
    return failed, float(beside.communicate("", timeout=60)[0])


def main(count: int) -> None:
    """Measure in a private network, and print the table of docs/ports.md."""
    with lab.open_testbed(kind="namespace") as testbed:
        rows = testbed.submit(measure, count).result()
        print(f"{testbed.kernel}, range {testbed.port_range}, {count:,} hand-overs of {_TAKES * 1000:.0f} ms each way")
    print("| how the port reaches the server | hand-overs that failed | the neighbour's servers a second |")
    print("| --- | --- | --- |")
    for name, failed, rate in rows:
        print(f"| {name} | {failed:,} ({failed / count:.1%}) | {rate:,.0f} |")


if __name__ == "__main__" and sys.argv[1:] == [_NEIGHBOUR]:
    neighbour()
elif __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from hand_over import main as run  # the worker imports what it runs

    run(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
