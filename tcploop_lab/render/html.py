"""Every result as HTML: one writer for each type, found by the type's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from ..ports.identify import ProbeResult
from ..ports.preconditions import Verdict
from ..results.run import Run
from ..study.result import StudyResult
from ..tcp.replay import Replay
from ..tcp.segments import Segment
from ..tries.theory import TriesDistribution
from .segment_words import flag_words
from .tables import Mark, box, facts, line, table

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_writers: dict[str, Callable[[Any], str]] = {}


def html(result: Any) -> str:
    """Return a result as HTML: its own table where there is one, else its summary."""
    writers = (_writers[kind.__name__] for kind in type(result).__mro__ if kind.__name__ in _writers)
    found = next(writers, None)
    text = found(result) if found else line(getattr(result, "summary", None) or repr(result))
    label = getattr(result, "label", "")
    return box(text if not label or escape(label) in text else line(f"{label}, not live") + text)


def writes(name: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Decorate the function that writes results whose type has this name, wherever the type lives."""

    def register(function: Callable[[Any], str]) -> Callable[[Any], str]:
        _writers[name] = function
        return function

    return register


@writes("Run")
def _run(run: Run) -> str:
    errors = ", ".join(f"{name}: {count:,}" for name, count in run.errors.items()) or "none"
    pairs = {
        "connected to itself": Mark(run.self_connected),
        "tries": run.tries,
        "seconds": f"{run.seconds:.3f} ({run.rate:,.0f} tries/s)",
        "local and peer": f"{_end(run.local)} and {_end(run.peer)}",
        "refusals and errors": errors,
        "client": run.client.description,
        "range": run.port_range,
        "kernel": run.kernel,
    }
    return facts(pairs, run.summary)


def _end(address: tuple[str, int] | None) -> str:
    return f"{address[0]}:{address[1]}" if address else "—"


@writes("Verdict")
def _verdict(verdict: Verdict) -> str:
    rows = [(rule.name, Mark(rule.ok), rule.evidence) for rule in verdict.rules]
    head = f"{verdict.host} port {verdict.port} {'can' if verdict.can_loop else 'cannot'} loop"
    return table(("precondition", "holds", "evidence"), rows, f"{head}; {verdict.candidates:,} candidates")


@writes("Exchange")
def _exchange(exchange: Any) -> str:
    return _segments(exchange.segments, exchange.replayed, exchange.summary)


@writes("Crossing")
def _crossing(crossing: Any) -> str:
    caption = repr(crossing).strip("<>")  # its summary asks kernels; it may be closed
    return _segments(crossing.so_far.segments, crossing.so_far.replayed, caption)


def _segments(segments: Sequence[Segment], replayed: Replay, caption: str) -> str:
    rows = [
        (
            number,
            f"{(segment.time - segments[0].time) * 1e6:,.0f} µs",
            f"{segment.src}:{segment.sport} → {segment.dst}:{segment.dport}",
            flag_words(segment.flags),
            str(segment.seq),
            str(segment.ack),
            len(segment.payload),
            step.sender_after,
            "lost or on the way" if step.lost else step.receiver_after,
        )
        for number, (segment, step) in enumerate(zip(segments, replayed.steps, strict=True), start=1)
    ]
    head = ("segment", "sent at", "from → to", "flags", "seq", "ack", "bytes", "sender then", "receiver then")
    return table(head, rows, caption)


@writes("Study")
def _study(study: Any) -> str:
    laws = [cell.law(start=study.start) for cell in study.cells]
    rows = [
        (str(law.port), law.port_range, law.client, law.candidates, Mark(law.can_loop), law.mean, law.reason)
        for law in laws
    ]
    era = f"{study.summary}; expected by the era {laws[0].era}"
    return table(("port", "range", "client", "candidates", "can loop", "mean tries", "why"), rows, era)


@writes("StudyResult")
def _study_result(result: StudyResult) -> str:
    head = ("port", "range", "client", "samples", "hits", "mean tries of the hits", "± 1 s.e.", "theory", "stopped at")
    rows = [
        (
            str(cell.port),
            cell.port_range,
            cell.client,
            cell.samples,
            cell.hits,
            cell.mean,
            cell.standard_error,
            cell.expected if cell.law.can_loop else "never",
            cell.max_tries,
        )
        for cell in result.cells
    ]
    return table(head, rows, result.summary) + _provenance(result)


def _provenance(result: Any) -> str:
    return line(" · ".join(f"{key}: {value}" for key, value in result.provenance.items() if key != "lab_version"))


@writes("CrowdResult")
def _crowd(result: Any) -> str:
    head = ("clients", "samples", "hits", "tries together", "± 1 s.e.", "theory", "p-value", "tries of the one that "
            "connects", "if all dialled alike", "clients that dialled", "ms")  # fmt: skip
    rows = [
        (
            cell.clients,
            cell.samples,
            cell.hits,
            cell.mean,
            cell.standard_error,
            cell.law.mean,
            f"{cell.fit.p_value:.2g}",
            cell.mean_own,
            cell.model_own,
            cell.mean_busy,
            1e3 * cell.mean_seconds,
        )
        for cell in result.cells
    ]
    return table(head, rows, result.summary) + _provenance(result)


@writes("TriesDistribution")
def _distribution(law: TriesDistribution) -> str:
    pairs: dict[str, object] = {"can loop": Mark(law.can_loop), "why": law.reason, "candidates": law.candidates}
    if law.can_loop:
        pairs["mean tries"] = law.mean
        reached = [q for q in _QUANTILES if q <= law.ever]
        pairs |= {f"{q:.0%} connect by try": law.quantile(q) for q in reached}
    return facts(pairs, f"port {law.port} in {law.port_range}, {law.client}, era {law.era}, start {law.start}")


@writes("ProbeResult")
def _probe(probe: ProbeResult) -> str:
    rows = [(step, count) for step, count in probe.increments.items()]
    alike = f" (looks the same: {', '.join(probe.alike)})" if probe.alike else ""
    found = f"era {probe.era}{alike}, confidence {probe.confidence:.1%}, {probe.parity} source ports"
    return table(("step in ports", "times"), rows, f"{found}, {probe.tries:,} tries in {probe.port_range}")


@writes("Testbed")
def _testbed(testbed: Any) -> str:
    if getattr(testbed, "closed", False):
        return line("this testbed is closed: open another one with open_testbed()")
    pairs = {
        "testbed": f"{testbed.kind} ({testbed.why})",
        "kernel": testbed.kernel,
        "ephemeral ports": testbed.port_range,
        "missing": ", ".join(testbed.missing) or "nothing",
    }
    return facts(pairs)


@writes("Doctor")
def _doctor(doctor: Any) -> str:
    rows = [(item.name, Mark(item.ok), item.detail, item.fix) for item in doctor.capabilities]
    return table(("capability", "here", "what was seen", "way out"), rows, doctor.summary)
