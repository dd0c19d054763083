"""The main steps of the first lessons, as a program: prints what came out as one JSON object.

python -m tests.matrix.smoke "no IPv6"
"""

from __future__ import annotations

import json
import sys
from typing import Any

import tcploop_lab as lab

from .situations import BY_NAME, Situation

TALK = "exec 3<>/dev/tcp/127.0.0.1/{port}; echo hello >&3; head -n 1 <&3; sleep 0.3"


def doctor() -> dict[str, Any]:
    """Which testbed the doctor finds, what it misses, and whether each lack has a way out."""
    found = lab.doctor()
    lacks = {item.name: item.fix for item in found.missing}
    return {"doctor": found.testbed, "lacks": sorted(lacks), "without_fix": [n for n, fix in lacks.items() if not fix]}


def target(situation: Situation) -> int:
    """A port that can loop there: the first of the range is of the parity that goes first."""
    return 40100 if situation.held or not situation.port_range else situation.port_range[0]


def loop(testbed: Any, port: int) -> dict[str, Any]:
    """The first self-connection, and what it says back."""
    run = testbed.connect_loop(port, max_tries=300_000, trace=True, progress=False)
    line = {"self_connected": run.self_connected, "tries": run.tries, "loop": run.stack}
    return line | {"last": run.trace[-1] == port, "port": port, "can_loop": testbed.check(port).can_loop}


def capture(testbed: Any, port: int) -> dict[str, Any]:
    """The segments of a self-connection, and of which stack they are; or why they cannot be captured."""
    try:
        with testbed.capture(port) as exchange:
            testbed.connect_loop(port, client="bind-self", progress=False).close()
        return {"flags": [segment.flags for segment in exchange.segments], "capture": of_stack(exchange.label)}
    except lab.NotOnThisTestbed as reason:
        return {"flags": [], "capture": str(reason)}


def audit() -> dict[str, str]:
    """Whether a program is audited; where that is not possible, what a lesson runs is recorded."""
    try:
        return {"audit": "recorded" if lab.audit(["bash", "-c", TALK], or_recorded=True).label else "live"}
    except lab.NotOnThisTestbed as reason:
        return {"audit": str(reason)}


def defence(testbed: Any) -> dict[str, str]:
    """On which stack a defence is measured, or why on none."""
    try:
        return {"defence": of_stack(lab.measure_defence("detect-close", testbed, tries=20).kernel)}
    except lab.NotOnThisTestbed as reason:
        return {"defence": str(reason)}


def of_stack(kernel: str) -> str:
    """Which stack has a kernel of this name."""
    return "simulated" if kernel.startswith("simulated") else "live"


def main() -> None:
    """Run the steps in the situation named."""
    situation = BY_NAME[sys.argv[1]]
    with lab.open_testbed(situation.port_range) as testbed:
        found = doctor() | {"testbed": testbed.kind, "why": testbed.why, "range": str(testbed.port_range)}
        held = [testbed.hold(port) for port in situation.held]
        port = target(situation) if situation.port_range else 40000
        found |= loop(testbed, port)
        found |= capture(testbed, port)
        for sock in held:
            sock.close()
        found |= audit() | defence(testbed)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
