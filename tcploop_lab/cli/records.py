"""Results as plain values for --json. One name per idea: the keys are the words of the course."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..audits.audit import AuditResult
    from ..ports.identify import ProbeResult
    from ..ports.preconditions import Verdict
    from ..results.run import Run
    from ..study.result import StudyResult
    from ..tcp.replay import Step
    from ..tcp.segments import Segment
    from ..testbed.crossing import Crossing
    from ..testbed.doctor import Doctor
    from ..testbed.testbed import Testbed
    from ..tries.theory import TriesDistribution

Record = dict[str, Any]
QUANTILES = (5, 25, 50, 75, 95, 99)  # percent


def of_testbed(testbed: Testbed) -> Record:
    """Where it was found out: the kind of testbed, and the kernel."""
    return {"testbed": testbed.kind, "stack": testbed.stack, "kernel": testbed.kernel}


def of_doctor(doctor: Doctor) -> Record:
    """What this machine can do."""
    capabilities = [
        {"name": item.name, "ok": item.ok, "detail": item.detail, "fix": item.fix, "needed": item.needed}
        for item in doctor.capabilities
    ]
    return {
        "ok": doctor.ok,
        "kernel": doctor.kernel,
        "testbed": doctor.testbed,
        "why": doctor.why,
        "capabilities": capabilities,
    }


def of_verdict(verdict: Verdict) -> Record:
    """Whether a port can loop, each precondition with its evidence."""
    return {
        "port": verdict.port,
        "host": verdict.host,
        "range": _ends(verdict.port_range),
        "client": verdict.client,
        "can_loop": verdict.can_loop,
        "rules": [{"name": rule.name, "ok": rule.ok, "evidence": rule.evidence} for rule in verdict.rules],
        "candidates": verdict.candidates,
    }


def of_run(run: Run) -> Record:
    """How a loop went. `seconds` is the loop's own time, `rate` is in tries per second."""
    return {
        "port": run.port,
        "host": run.host,
        "range": _ends(run.port_range),
        "client": run.client,
        "connected": run.connected,
        "self_connected": run.self_connected,
        "tries": run.tries,
        "max_tries": run.max_tries,
        "seconds": run.seconds,
        "rate": run.rate,
        "local": run.local,
        "peer": run.peer,
        "errors": dict(run.errors),
        "held_by": list(run.held_by),
        "reason": run.reason,
        "stopped": run.stopped,
    }


def of_steps(steps: Sequence[Step]) -> list[Record]:
    """The segments, each with the state that it brings its receiver to."""
    return [of_segment(step.segment) | {"state": step.receiver_after, "transition": step.transition} for step in steps]


def of_segment(segment: Segment) -> Record:
    """One segment, without a word on what it means."""
    return {
        "time": segment.time,
        "src": segment.src,
        "sport": segment.sport,
        "dst": segment.dst,
        "dport": segment.dport,
        "flags": segment.flags,
        "seq": segment.seq,
        "ack": segment.ack,
        "length": segment.length,
    }


def of_crossing(crossing: Crossing) -> Record:
    """What crossed the cable, and the states of both hosts as their kernels tell them.

    `from` is the host that sent a segment, `received` is null for one that did not arrive.
    """
    steps, received = crossing.replayed.steps, crossing.received
    segments = [
        record | {"from": steps[index].sender, "received": received.get(index)}
        for index, record in enumerate(of_steps(steps))
    ]
    return {
        "established": crossing.established,
        "segments": segments,
        "states": dict(crossing.states),
        "paths": crossing.paths,
    }


def of_probe(result: ProbeResult) -> Record:
    """Which allocator the kernel uses; `increments` counts the steps between successive source ports."""
    return {
        "era": result.era,
        "alike": result.alike,
        "increments": {str(step): count for step, count in result.increments.items()},
        "parity": result.parity,
        "confidence": result.confidence,
        "tries": result.tries,
        "range": _ends(result.port_range),
    }


def of_law(law: TriesDistribution) -> Record:
    """The distribution of the tries; null for what is not finite."""
    return {
        "era": law.era,
        "range": _ends(law.port_range),
        "port": law.port,
        "client": law.client,
        "start": law.start,
        "can_loop": law.can_loop,
        "reason": law.reason,
        "candidates": law.candidates,
        "tries_per_second": law.tries_per_second,
        "mean": _finite(law.mean),
        "quantiles": {str(percent): _quantile(law, percent) for percent in QUANTILES},
    }


def of_study(result: StudyResult) -> Record:
    """The cells of a study, and where its samples come from. `loop_seconds` adds up the time of all loops."""
    return {
        "samples": result.samples,
        "tries": result.tries,
        "loop_seconds": result.seconds,
        "cells": [
            {
                "port": cell.port,
                "range": _ends(cell.port_range),
                "client": cell.client,
                "samples": cell.samples,
                "hits": cell.hits,
                "mean": cell.mean,
            }
            for cell in result.cells
        ],
        "stack": "simulated" if result.label else "live",
        "provenance": dict(result.provenance),
    }


def of_audit(result: AuditResult) -> Record:
    """What a program did. `exit_status` is null where the lab ended the program, negative where a signal did."""
    return {
        "verdict": result.verdict,
        "evidence": list(result.evidence),
        "exit_status": result.exit_status,
        "command": list(result.command),
        "port": result.port,
        "host": result.host,
        "attempts": result.attempts,
        "stopped": result.stopped,
        "seconds": result.seconds,
        "compared": result.compared,
        "left": result.left,
        "output": result.output,
        "sockets": [{"local": row.local, "peer": row.peer, "state": row.state} for row in result.sockets],
        "segments": [of_segment(segment) for segment in result.segments],
        "testbed": "recorded" if result.label else "namespace",
        "stack": "recorded" if result.label else "live",
        "kernel": result.kernel,
    }


def _ends(port_range: Any) -> list[int]:
    return [port_range.low, port_range.high]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _quantile(law: TriesDistribution, percent: int) -> int | None:
    return law.quantile(percent / 100) if law.ever >= percent / 100 else None
