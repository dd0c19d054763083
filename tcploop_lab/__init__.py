"""tcploop-lab: make a TCP socket connect to itself, see it on the wire, and learn why.

    import tcploop_lab as lab
    testbed = lab.open_testbed()
    run = testbed.connect_loop(33334)

Public names load on first use, so that importing the package loads neither scapy nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .model import present as _present

__version__ = "0.1.0"

_HOME = {
    "PortRange": "model.ports",
    "ClientKind": "model.clients",
    "Segment": "model.segments",
    "open_testbed": "testbed.testbed",
    "NotOnThisTestbed": "testbed.errors",
    "Run": "testbed.results",
    "Exchange": "testbed.capture",
    "doctor": "testbed.doctor",
    "audit": "testbed.audit",
    "AuditResult": "testbed.audit",
    "audit_programs": "testbed.audit_table",
    "stored_audits": "testbed.audit_table",
    "recorded": "testbed.recorded",
    "read_pcap": "testbed.recorded",
    "replay": "model.replay",
    "witnesses": "testbed.witnesses",
    "four_exchanges": "testbed.exchanges",
    "ladder": "show.ladder",
    "rfc_figure": "show.rfc_figure",
    "side_by_side": "show.side_by_side",
    "state_diagram": "show.statediagram",
    "Study": "study.plan",
    "StudyResult": "study.result",
    "crowd": "study.crowd",
    "distribution_explorer": "show.widgets.explorer",
    "loop_console": "show.widgets.console",
    "crossing_by_hand": "show.widgets.crossing",
    "precondition_board": "show.widgets.board",
    "state_stepper": "show.widgets.stepper",
    "port_thief": "testbed.thief",
    "port_thief_table": "testbed.thief",
    "recorded_thief": "testbed.thief",
    "recorded_thief_table": "testbed.thief",
    "ThiefResult": "testbed.thief",
    "defences": "testbed.defence_table",
    "measure_defence": "testbed.defence_table",
    "measure_client": "testbed.defence_table",
}

__all__ = ["__version__", *_HOME]

_present.install(lambda: import_module(f"{__name__}.show"))  # type: ignore[arg-type, return-value]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
