"""tcploop-lab: make a TCP socket connect to itself, see it on the wire, and learn why.

    import tcploop_lab as lab
    testbed = lab.open_testbed()
    run = testbed.connect_loop(33334)

Public names load on first use, so that importing the package loads neither scapy nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .results import shown as _present

__version__ = "0.1.0"

_HOME = {
    "PortRange": "ports.ranges",
    "ClientKind": "ports.clients",
    "Segment": "tcp.segments",
    "open_testbed": "testbed.testbed",
    "NotOnThisTestbed": "errors",
    "Run": "results.run",
    "Exchange": "testbed.capture",
    "doctor": "testbed.doctor",
    "audit": "audits.audit",
    "AuditResult": "audits.audit",
    "audit_programs": "audits.table",
    "stored_audits": "audits.table",
    "recorded": "testbed.recorded",
    "read_pcap": "testbed.recorded",
    "replay": "tcp.replay",
    "witnesses": "testbed.witnesses",
    "crossing_by_luck": "testbed.luck",
    "four_exchanges": "testbed.exchanges",
    "ladder": "render.ladder",
    "rfc_figure": "render.rfc_figure",
    "side_by_side": "render.side_by_side",
    "state_diagram": "render.statediagram",
    "Study": "study.plan",
    "StudyResult": "study.result",
    "crowd": "study.crowd",
    "distribution_explorer": "render.widgets.explorer",
    "loop_console": "render.widgets.console",
    "crossing_by_hand": "render.widgets.crossing",
    "precondition_board": "render.widgets.board",
    "state_stepper": "render.widgets.stepper",
    "port_thief": "thief.thief",
    "port_thief_table": "thief.thief",
    "recorded_thief": "thief.thief",
    "recorded_thief_table": "thief.thief",
    "ThiefResult": "thief.thief",
    "defences": "defence.table",
    "measure_defence": "defence.table",
    "measure_client": "defence.table",
}

__all__ = ["__version__", *_HOME]

_present.install(lambda: import_module(f"{__name__}.render"))


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
